// Package eventbridge is the API of events: EventBridge's operations over the
// room event. Requests of the wire flow in, rules, targets, connections and API
// destinations flow to the records, events that callers put to the bus.
//
// There is one event bus, "default". What EventBridge has and the house has not
// is refused by name: schedules, other kinds of targets, OAuth. A job template is
// a kind of target that EventBridge has not: every object of an "Object Created"
// event becomes a job.
//
// The room may touch wire types, the room event and the records it declares in
// Records. Secrets of connections flow in and never out.
package eventbridge

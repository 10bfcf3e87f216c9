// Package logs is CloudWatch Logs: groups of streams of events, written by the
// house (functions) and by clients, read by people.
//
// Events flow in through Append and PutLogEvents; they flow out by stream
// (GetLogEvents) or by group in the order of their time (FilterLogEvents, with
// the service's filter patterns), until a group's retention drops them. The room
// holds the domain (Logs) and the JSON 1.1 API over it (NewHandler).
//
// It touches its Store, an injected clock and, in the API, HTTP. What Append or
// PutLogEvents acknowledged is on the disk; writers that come at once share a
// commit. Within a stream and a group events have one order: time, then writing.
package logs

// Package mediaconvert is the job API: MediaConvert's operations over the room
// job. Requests of the wire flow in, jobs flow to job, and what the API says of
// jobs, templates and queues flows out.
//
// The settings of a job are checked here, whole, before it is submitted: the
// public model's own rules, the rules between members that the service adds, and
// the table of what Vodwright does with each member (support*.go; printed into
// docs/SETTINGS.md). A member that has no row in the table is refused by
// construction, so nothing is ever silently ignored. The same check serves
// `vodwright convert`, which has no server.
//
// The room may touch wire types, the room job and the records it declares in
// Records. It knows no SQL, no files and no media.
package mediaconvert

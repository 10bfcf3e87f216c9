// Package function is the house's functions: their versions, aliases and
// permissions, and their invocations, at once or later.
//
// In: definitions and code from the API, events from the rooms in which things
// happen (InvokeAsync). Out: runs of code (function/execution), what came of
// them, and for events that failed in the end a record at the dead-letter target.
// Code is kept by function/code; records and waiting events by a store.
//
// The package touches no network and no SQL. Promises: an event that was taken
// is on the disk and is handled at least once, in no promised order; a function
// that calls itself, directly or through buckets, is stopped after 16 rounds
// unless it is allowed to go on.
package function

// Package remote keeps the bytes of objects in an external S3, and what is known of
// them in the records (Index).
//
// In: bytes, keys and properties. Out: the same, by key and version, and one event for
// every version that came to be or went. It touches one prefix of one bucket of the
// external S3, the records, and a folder for what is on its way; it starts no goroutine
// before Run that outlives its call.
//
// # The external S3
//
//	<prefix>/vodwright.json    which records' bytes these are
//	<prefix>/blobs/<id>/<n>    a blob: the bytes of one write, in parts of up to 32 MiB
//
// # Invariants
//
// A blob's id (a ULID, of when it was begun) is used once and its objects are written
// once: nothing that is read can have changed meanwhile. The records name a blob only
// when all of it was acknowledged by the external S3. A change is one transaction of the
// records, with its event; before it nothing is seen of the change, after it everything,
// by every server of these records: none keeps anything of them in memory.
//
// A blob that nothing names any more is noted by the change that let it go, and is
// removed an hour later: who reads it then has an hour to finish. What a killed server
// left, blobs that the records never named, is found by its age: a write must end within
// half a day (begun), and what is a day old and not known goes.
package remote

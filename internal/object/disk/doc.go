// Package disk keeps buckets and objects in one folder of a local file system.
//
// In: bytes, keys and properties. Out: the same, by key and version, and one
// event for every version that came to be. It touches its folder and nothing
// else, knows no protocol and starts no goroutine before Run.
//
// # The folder
//
//	lock                          held by the process that has the folder open
//	buckets/<bucket>/bucket.json  the bucket and its configuration documents
//	buckets/<bucket>/keys/…       one entry file a key: all its versions, newest first
//	uploads/<bucket>/<id>/        a multipart upload: upload.json, <n>.json and the parts' bytes
//	blobs/<xx>/<id>               bytes: a file, or the folder a finished upload left
//	staging/                      what is being written; emptied when the folder is opened
//	journal/<n>                   changes not yet known to be on disk in their place
//
// # Invariants
//
// A blob is never written again once it is named by an entry, so that a hard
// link to it is a snapshot. Bytes are on disk (fsync) before anything names them.
//
// A change is one journal record: the key's new entry, the blob that moves into
// place, the blobs that go, the event. The record on disk is the commit; what
// follows (renames, unlinks) repeats it and may be repeated again, which is what
// Open does after a crash. A journal file goes when all of its changes are known
// to be on disk (syncfs) and all of its events were taken by the event log. So
// an acknowledged change survives kill -9 and power loss, a change happens whole
// or not at all, and each created version has exactly one event.
//
// Names of entries are the key's segments, '%' and '@' escaped, with '@' after
// every segment that is a folder: a key "a" and a key "a/b" live side by side.
package disk

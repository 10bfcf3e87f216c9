// Package event is what the house tells about itself: facts that happened once
// and that rules, functions and webhooks may act on.
//
// In: facts from the rooms in which they happen (object). Out: a durable Log,
// kept by store. The package holds the shapes and the promise only; it touches
// no file, no clock and no network.
package event

import (
	"context"
	"time"
)

// Name says how an object came to be, in S3's words ("Event notification types"
// of the S3 user guide, without the s3: prefix).
type Name string

// The ways an object is created.
const (
	ObjectCreatedPut                     Name = "ObjectCreated:Put"
	ObjectCreatedPost                    Name = "ObjectCreated:Post"
	ObjectCreatedCopy                    Name = "ObjectCreated:Copy"
	ObjectCreatedCompleteMultipartUpload Name = "ObjectCreated:CompleteMultipartUpload"
)

// ObjectCreated says that one version of one object exists. There is exactly
// one for each creation, overwrites of an unversioned key included.
type ObjectCreated struct {
	Bucket string
	Key    string // decoded, as the client named it
	// VersionID is the version's id; "null" for one made while versioning was
	// suspended, empty in a bucket that never had versioning.
	VersionID string
	Size      int64  // bytes
	ETag      string // without quotes
	Name      Name
	// Sequencer is unique and grows with every write of the same key: of two
	// events of one key the greater string is the later one. It is also the
	// identity of the event.
	Sequencer string
	Time      time.Time // when the object became visible, to the millisecond, UTC
}

// ObjectLog keeps events of created objects. The writer (object) holds every
// event in its own journal, written before the object becomes visible, and
// hands it over again after a crash until Append has succeeded; Append makes
// exactly one of any number of deliveries.
type ObjectLog interface {
	// AppendObjectsCreated keeps the events durably, all or none, in the given
	// order. An event whose Sequencer is already kept is left as it is. It is
	// called by one goroutine at a time.
	AppendObjectsCreated(ctx context.Context, events []ObjectCreated) error
}

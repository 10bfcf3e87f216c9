// Package event is what the house tells about itself: facts that happened once
// and that rules, functions and webhooks may act on.
//
// In: facts from the rooms in which they happen (object). Out: a durable Log,
// kept by store. The package holds the shapes and the promise only; it touches
// no file, no clock and no network.
package event

import (
	"context"
	"strings"
	"time"
)

// Name says what happened to an object, in S3's words ("Event notification
// types" of the S3 user guide, without the s3: prefix).
type Name string

// What happens to objects.
const (
	ObjectCreatedPut                     Name = "ObjectCreated:Put"
	ObjectCreatedPost                    Name = "ObjectCreated:Post"
	ObjectCreatedCopy                    Name = "ObjectCreated:Copy"
	ObjectCreatedCompleteMultipartUpload Name = "ObjectCreated:CompleteMultipartUpload"

	// ObjectRemovedDelete: a version is gone for good.
	ObjectRemovedDelete Name = "ObjectRemoved:Delete"
	// ObjectRemovedDeleteMarkerCreated: the key is hidden, its versions stay.
	ObjectRemovedDeleteMarkerCreated Name = "ObjectRemoved:DeleteMarkerCreated"
	// The same two, by a rule of the bucket's lifecycle configuration.
	LifecycleExpirationDelete              Name = "LifecycleExpiration:Delete"
	LifecycleExpirationDeleteMarkerCreated Name = "LifecycleExpiration:DeleteMarkerCreated"
)

// Created reports whether the event says that an object came to be.
func (n Name) Created() bool { return strings.HasPrefix(string(n), "ObjectCreated:") }

// ObjectEvent says that one version of one object came to be or went. There is
// exactly one for each: overwriting a key without versioning is one creation and
// no removal.
type ObjectEvent struct {
	Bucket string
	Key    string // decoded, as the client named it
	// VersionID is the version's id; "null" for one made while versioning was
	// suspended, empty in a bucket that never had versioning. Of a delete marker
	// that came, the marker's.
	VersionID string
	Size      int64  // bytes; 0 of a removal
	ETag      string // without quotes; empty of a removal
	Name      Name
	// Sequencer is unique and grows with every change of the same key: of two
	// events of one key the greater string is the later one. It is also the
	// identity of the event.
	Sequencer string
	Time      time.Time // when it became visible, to the millisecond, UTC
	Request   Request   // zero when no request from outside did it
}

// Request is what the event of an object tells of the request that made it.
type Request struct {
	ID        string `json:"id,omitempty"`        // x-amz-request-id
	Requester string `json:"requester,omitempty"` // ARN
	SourceIP  string `json:"sourceIp,omitempty"`
	// Lineage is the X-Amzn-Trace-Id header: which functions led to the request.
	Lineage string `json:"lineage,omitempty"`
}

// ObjectLog keeps what happened to objects. The writer (object) holds every
// event in its own journal, written before the change becomes visible, and
// hands it over again after a crash until AppendObjectEvents has succeeded, which
// makes exactly one of any number of deliveries.
type ObjectLog interface {
	// AppendObjectEvents keeps the events durably, all or none, in the given
	// order. An event whose Sequencer is already kept is left as it is. It is
	// called by one goroutine at a time, and returns the position of the newest
	// event of all.
	AppendObjectEvents(ctx context.Context, events []ObjectEvent) (newest int64, err error)
	// ReleaseObjectEvents says that no event up to a position is ever handed over
	// again: nothing needs to know any more that it was kept.
	ReleaseObjectEvents(ctx context.Context, position int64) error
}

package catalog

import (
	"time"

	"vodwright.dev/vodwright/internal/event"
)

// Upload is an unfinished multipart upload.
type Upload struct {
	ID          string
	Bucket, Key string
	BucketID    string
	Initiated   int64 // Unix milliseconds
	// Properties are what the object will carry; Checksum names the algorithm
	// and type that the client asked for, empty for none.
	Properties Properties
}

// InitiatedAt returns when the upload was begun, UTC.
func (u *Upload) InitiatedAt() time.Time { return time.UnixMilli(u.Initiated).UTC() }

// Part is one part of an upload.
type Part struct {
	Number   int
	Size     int64
	ETag     string // MD5 in hex
	Modified int64  // Unix milliseconds
	Checksum Checksum
	File     string    `json:",omitempty"` // its name in the upload's folder, of the disk engine
	Segments []Segment `json:",omitempty"` // where its bytes are, of the remote engine
}

// LastModified returns when the part was stored, UTC.
func (p *Part) LastModified() time.Time { return time.UnixMilli(p.Modified).UTC() }

// Completion is what becomes of an upload.
type Completion struct {
	Parts    []Part // in the order of the object
	ETag     string // without quotes
	Checksum Checksum
	Check    func(current *Version) error // as in Publish
	Request  event.Request                // as in Publish
}

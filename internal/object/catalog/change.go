package catalog

import "vodwright.dev/vodwright/internal/event"

// Blob is bytes in an external S3: objects that are written once, under a name of
// their own, and that as many versions share as copies were made.
type Blob struct {
	ID    string // ULID, of when it was begun
	Parts int    // how many objects it has: <id>/1 and on
}

// Subject is the key that a change is about.
type Subject struct {
	Bucket *Bucket
	Latest *Version // the newest, which may be a delete marker; nil when there is none
	Found  *Version // the version asked for; nil when there is none
}

// Current returns the newest version, nil when there is none or it is a delete marker.
func (s *Subject) Current() *Version {
	if s.Latest == nil || s.Latest.Marker {
		return nil
	}
	return s.Latest
}

// Change is one change of one key, which happens whole, with its event.
type Change struct {
	Put     *Version // becomes the newest, in place of one with the same ID
	Brings  []Blob   // of Put, new ones
	Shares  []string // of Put, those of other versions
	Remove  *Version // goes for good
	Replace *Version // is now what is known of the version with that sequence
	Event   *event.ObjectEvent
}

// Window selects lines of a list: of the keys that begin with Prefix, from a place on,
// in the order of bytes, newest version first, at most Max.
type Window struct {
	Prefix string
	From   string // a key
	Past   bool   // From itself is left out
	// Before, with From, begins within that key: with versions older than this sequence.
	Before string
	Latest bool // of each key the newest version alone, unless it is a delete marker
	Max    int
}

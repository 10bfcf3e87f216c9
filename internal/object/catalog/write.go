package catalog

import "vodwright.dev/vodwright/internal/event"

// Publish is a version in the making.
type Publish struct {
	Bucket, Key string
	Properties  Properties
	Event       event.Name
	Request     event.Request // that makes it
	// Check, when set, sees the current version (nil for none or a delete
	// marker) with the key locked; its error ends the write.
	Check func(current *Version) error
	// Unless, when set, sees the version to be and the current one; when it
	// returns true the current one is kept and returned, with no event.
	Unless func(next, current *Version) bool
}

// EventOf returns the event that the change makes of b with v.
func (p *Publish) EventOf(b *Bucket, v Version) *event.ObjectEvent {
	out := &event.ObjectEvent{
		Bucket: p.Bucket, Key: p.Key, Size: v.Size, ETag: v.ETag, Name: p.Event,
		Sequencer: v.Sequence, Time: v.LastModified(), Request: p.Request,
	}
	if b.Versioning != "" {
		out.VersionID = v.ID
	}
	return out
}

// Deleted says what a deletion did.
type Deleted struct {
	// VersionID is the version that went, or the delete marker that came; empty
	// when there was nothing to do.
	VersionID string
	Marker    bool // VersionID is a delete marker
}

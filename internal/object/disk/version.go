package disk

import (
	"encoding/json"

	"vodwright.dev/vodwright/internal/fault"
)

// entry is a key and its versions, newest first; never without a version.
type entry struct {
	Key      string
	Versions []Version
}

// find returns the version with that id, the newest for "".
func (e *entry) find(id string) *Version {
	if e == nil {
		return nil
	}
	for i := range e.Versions {
		if id == "" || e.Versions[i].ID == id {
			return &e.Versions[i]
		}
	}
	return nil
}

// with returns e with v as the newest version, in place of one with the same
// id, and the blobs that nothing names any more.
func (e *entry) with(key string, v Version) (*entry, []string) {
	next := &entry{Key: key, Versions: []Version{v}}
	var drop []string
	if e != nil {
		for _, old := range e.Versions {
			if old.ID == v.ID {
				drop = append(drop, old.Blobs()...)
				continue
			}
			next.Versions = append(next.Versions, old)
		}
	}
	return next, drop
}

// without returns e less the version with that id, nil when none is left.
func (e *entry) without(id string) (*entry, []string) {
	next := &entry{Key: e.Key}
	var drop []string
	for _, v := range e.Versions {
		if v.ID == id {
			drop = append(drop, v.Blobs()...)
			continue
		}
		next.Versions = append(next.Versions, v)
	}
	if len(next.Versions) == 0 {
		next = nil
	}
	return next, drop
}

// replacing returns a copy of e in which the version with v's sequence is v.
func (e *entry) replacing(v Version) *entry {
	next := &entry{Key: e.Key, Versions: append([]Version(nil), e.Versions...)}
	for i := range next.Versions {
		if next.Versions[i].Sequence == v.Sequence {
			next.Versions[i] = v
		}
	}
	return next
}

func decodeEntry(b []byte) (*entry, error) {
	e := new(entry)
	if err := json.Unmarshal(b, e); err != nil {
		return nil, err
	}
	if len(e.Versions) == 0 {
		return nil, fault.New(fault.Internal, "InternalError", "entry of key %q has no version", e.Key)
	}
	return e, nil
}

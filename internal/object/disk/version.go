package disk

import (
	"encoding/json"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// NullVersion is the id of a version made while versioning was off or suspended.
const NullVersion = "null"

// Properties are what a version carries beside its bytes. Strings are header
// values as the client sent them, empty when it sent none.
type Properties struct {
	ContentType        string `json:",omitempty"`
	ContentEncoding    string `json:",omitempty"`
	ContentDisposition string `json:",omitempty"`
	ContentLanguage    string `json:",omitempty"`
	CacheControl       string `json:",omitempty"`
	Expires            string `json:",omitempty"`
	WebsiteRedirect    string `json:",omitempty"`
	// Metadata is user metadata, names without the x-amz-meta- prefix.
	Metadata map[string]string `json:",omitempty"`
	Tags     map[string]string `json:",omitempty"`
	Checksum Checksum          `json:",omitzero"`
}

// Checksum is an additional checksum of an object or a part, in S3's words.
type Checksum struct {
	Algorithm string `json:",omitempty"` // CRC32, CRC64NVME, SHA256, …; empty for none
	Type      string `json:",omitempty"` // FULL_OBJECT or COMPOSITE
	Value     string `json:",omitempty"` // base64, with -<parts> when composite
}

// Segment is a run of an object's bytes in one blob.
type Segment struct {
	Blob string // "<id>", or "<upload id>/<id>" for a part of an upload
	Size int64
}

// Version is one version of a key: its bytes, or a delete marker.
type Version struct {
	ID       string // NullVersion or a ULID
	Sequence string // ULID; greater is later
	Marker   bool   `json:",omitempty"`
	Size     int64
	ETag     string    `json:",omitempty"` // without quotes
	Modified int64     // Unix milliseconds
	Segments []Segment `json:",omitempty"`
	// PartSizes are the sizes of the parts of a multipart upload, in order; they
	// stay when the segments are joined into one.
	PartSizes  []int64 `json:",omitempty"`
	UploadID   string  `json:",omitempty"`
	Properties Properties
}

// LastModified returns when the version came to be, UTC.
func (v *Version) LastModified() time.Time { return time.UnixMilli(v.Modified).UTC() }

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
				drop = append(drop, old.blobs()...)
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
			drop = append(drop, v.blobs()...)
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

// blobs returns the files or folders in blobs/ that hold v's bytes.
func (v *Version) blobs() []string {
	var out []string
	for _, s := range v.Segments {
		id, _ := splitBlob(s.Blob)
		if len(out) == 0 || out[len(out)-1] != id {
			out = append(out, id)
		}
	}
	return out
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

func noSuchKey(bucket, key string) *fault.Error {
	return fault.New(fault.NotFound, "NoSuchKey", "object %q does not exist in bucket %q", shortened(key), bucket)
}

func noSuchVersion(bucket, key, version string) *fault.Error {
	return fault.New(fault.NotFound, "NoSuchVersion", "object %q in bucket %q has no version %q", shortened(key), bucket, shortened(version))
}

func noSuchUpload(id string) *fault.Error {
	return fault.New(fault.NotFound, "NoSuchUpload", "multipart upload %q does not exist; it may have been completed or aborted", shortened(id))
}

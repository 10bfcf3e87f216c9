package catalog

import (
	"strings"
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
	Blob string // "<id>", or "<id>/<part>" where a blob has several parts
	Size int64
	// CRC32C is of the bytes, where they are not on a disk of this machine; 0 is not known.
	CRC32C uint32 `json:",omitempty"`
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

// Blobs returns the blobs that hold v's bytes, each once.
func (v *Version) Blobs() []string { return blobsOf(v.Segments) }

// Blobs returns the blobs that hold p's bytes, each once.
func (p *Part) Blobs() []string { return blobsOf(p.Segments) }

func blobsOf(segments []Segment) []string {
	var out []string
	for _, s := range segments {
		id, _ := SplitBlob(s.Blob)
		if len(out) == 0 || out[len(out)-1] != id {
			out = append(out, id)
		}
	}
	return out
}

// SplitBlob returns the id of a segment's blob and which part of it the segment is.
func SplitBlob(blob string) (id, part string) {
	id, part, _ = strings.Cut(blob, "/")
	return id, part
}

// Readable returns the error that reading v gives: a version that is missing or
// a delete marker.
func Readable(bucket, key, version string, v *Version) error {
	switch {
	case v == nil && version != "":
		return NoSuchVersion(bucket, key, version)
	case v == nil || v.Marker && version == "":
		return NoSuchKey(bucket, key)
	case v.Marker:
		return fault.New(fault.Invalid, "MethodNotAllowed", "version %q of %q is a delete marker", version, Shortened(key))
	}
	return nil
}

// NoSuchKey is the error for a key that is not there.
func NoSuchKey(bucket, key string) *fault.Error {
	return fault.New(fault.NotFound, "NoSuchKey", "object %q does not exist in bucket %q", Shortened(key), bucket)
}

// NoSuchVersion is the error for a version that is not there.
func NoSuchVersion(bucket, key, version string) *fault.Error {
	return fault.New(fault.NotFound, "NoSuchVersion", "object %q in bucket %q has no version %q", Shortened(key), bucket, Shortened(version))
}

// NoSuchUpload is the error for an upload that is not there.
func NoSuchUpload(id string) *fault.Error {
	return fault.New(fault.NotFound, "NoSuchUpload", "multipart upload %q does not exist; it may have been completed or aborted", Shortened(id))
}

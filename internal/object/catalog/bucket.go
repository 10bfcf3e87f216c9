package catalog

import (
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// Versioning is a bucket's versioning state, in S3's words; empty for a bucket
// that never had it.
type Versioning string

// The states. There is no way back to the empty one.
const (
	VersioningEnabled   Versioning = "Enabled"
	VersioningSuspended Versioning = "Suspended"
)

// Bucket is a bucket's record. A Bucket is never changed once handed out.
type Bucket struct {
	Name       string
	ID         string     // of this life of the name: a bucket made again has another
	Created    int64      // Unix milliseconds
	Versioning Versioning `json:",omitempty"`
	// Documents are configuration documents by name (cors, policy, acl, …),
	// opaque here.
	Documents map[string][]byte `json:",omitempty"`
}

// CreationDate returns when the bucket was made, UTC.
func (b *Bucket) CreationDate() time.Time { return time.UnixMilli(b.Created).UTC() }

// NoSuchBucket is the error for a bucket that is not there.
func NoSuchBucket(name string) *fault.Error {
	return fault.New(fault.NotFound, "NoSuchBucket", "bucket %q does not exist", Shortened(name))
}

// BucketExists is the error for a name in use.
func BucketExists(name string) *fault.Error {
	return fault.New(fault.Conflict, "BucketAlreadyOwnedByYou", "bucket %q exists already and is yours", name)
}

// BucketNotEmpty is the error for the deletion of a bucket that holds something.
func BucketNotEmpty(name string) *fault.Error {
	return fault.New(fault.Conflict, "BucketNotEmpty", "bucket %q is not empty", name).
		WithHint("delete its objects first; in a versioned bucket every version and delete marker")
}

// CheckBucketName returns nil for a name S3 allows: 3 to 63 of a-z, 0-9, '.' and
// '-', letter or digit at both ends, not an IPv4 address, no adjacent dots.
// Source: S3 user guide, "General purpose bucket naming rules".
func CheckBucketName(name string) error {
	ok := len(name) >= 3 && len(name) <= 63 && !strings.Contains(name, "..") && !looksLikeIPv4(name)
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		edge := i == 0 || i == len(name)-1
		ok = alnum || !edge && (c == '-' || c == '.')
	}
	if !ok {
		return fault.New(fault.Invalid, "InvalidBucketName", "bucket name %q is not valid", Shortened(name)).
			WithHint("3 to 63 of a-z, 0-9, '.' and '-', a letter or digit first and last")
	}
	return nil
}

func looksLikeIPv4(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return false
	}
	for _, p := range parts {
		if len(p) == 0 || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}

// SortBuckets sorts buckets by name.
func SortBuckets(all []*Bucket) {
	slices.SortFunc(all, func(a, b *Bucket) int { return strings.Compare(a.Name, b.Name) })
}

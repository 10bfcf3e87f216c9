package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// Kind is what a record is of.
type Kind string

// The kinds of records.
const (
	KindUser    Kind = "user"
	KindRole    Kind = "role"
	KindPolicy  Kind = "policy"
	KindSession Kind = "session"
)

// Record is how something is kept: a document under its kind and key.
type Record struct {
	Kind    Kind
	Key     string
	Expires time.Time // zero: never
	Doc     json.RawMessage
}

// Store keeps records; *store.Store is it.
type Store interface {
	// IAMRecords returns everything that is kept, and the position of the latest change.
	IAMRecords(ctx context.Context) ([]Record, int64, error)
	// ChangeIAM puts and removes records (of which Kind and Key count), all or none.
	// Where servers share the records it is ErrBehind, and nothing changes, when
	// principals or policies changed after a position; one below 0 is of no matter.
	ChangeIAM(ctx context.Context, after int64, put, remove []Record) error
	// IAMChanges returns what changed after a position.
	IAMChanges(ctx context.Context, after int64) (Changes, error)
}

// Changes are what servers that share records tell each other.
type Changes struct {
	Put, Removed []Record // as they are now; of Removed Kind and Key count
	Position     int64    // of the latest change
	All          bool     // too much changed: Put is everything that is kept
}

// ErrBehind is why a change is not kept: another server changed something since its
// maker looked.
var ErrBehind = fault.New(fault.Conflict, "ConcurrentModification", "the account was changed by several requests at once").WithHint("try again")

// Principal is a user or a role.
type Principal struct {
	Kind     Kind              `json:"kind"`
	Name     string            `json:"name"` // unique among its kind whatever its case
	Path     string            `json:"path"` // "/" or "/a/b/"
	ID       string            `json:"id"`   // AIDA… or AROA…, never used twice
	Created  time.Time         `json:"created"`
	Tags     map[string]string `json:"tags,omitempty"`
	Boundary string            `json:"boundary,omitempty"` // ARN of a managed policy
	Inline   map[string]string `json:"inline,omitempty"`   // documents by name
	Attached []string          `json:"attached,omitempty"` // ARNs of managed policies

	Keys []AccessKey `json:"keys,omitempty"` // of a user

	Description string        `json:"description,omitempty"` // of a role, as what follows
	MaxSession  time.Duration `json:"maxSession,omitempty"`
	Trust       string        `json:"trust,omitempty"` // who may assume the role: a document
}

// AccessKey is a user's long-lived key.
type AccessKey struct {
	ID       string    `json:"id"`
	Secret   string    `json:"secret"`
	Created  time.Time `json:"created"`
	Inactive bool      `json:"inactive,omitempty"`
}

// Policy is a managed policy.
type Policy struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ID          string            `json:"id"`
	Description string            `json:"description,omitempty"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	Tags        map[string]string `json:"tags,omitempty"`
	Versions    []Version         `json:"versions"` // oldest first
	Default     string            `json:"default"`  // the id of the version in force
	Next        int               `json:"next"`     // number of the next version
	AWS         bool              `json:"-"`        // one that comes with the house: arn:aws:iam::aws:policy/…
}

// Version is one version of a managed policy.
type Version struct {
	ID       string    `json:"id"` // v1, v2, …
	Document string    `json:"document"`
	Created  time.Time `json:"created"`
}

// ARN is the principal's name in policies and requests.
func (p *Principal) ARN() string {
	return "arn:aws:iam::" + AccountID + ":" + string(p.Kind) + p.Path + p.Name
}

// clone copies what a change may change.
func (p *Principal) clone() *Principal {
	c := *p
	c.Tags, c.Inline = maps.Clone(p.Tags), maps.Clone(p.Inline)
	c.Attached, c.Keys = slices.Clone(p.Attached), slices.Clone(p.Keys)
	return &c
}

// ARN is the policy's name.
func (p *Policy) ARN() string {
	owner := AccountID
	if p.AWS {
		owner = "aws"
	}
	return "arn:aws:iam::" + owner + ":policy" + p.Path + p.Name
}

// Document is the one in force.
func (p *Policy) Document() string {
	for _, v := range p.Versions {
		if v.ID == p.Default {
			return v.Document
		}
	}
	return ""
}

func (p *Policy) clone() *Policy {
	c := *p
	c.Tags, c.Versions = maps.Clone(p.Tags), slices.Clone(p.Versions)
	return &c
}

// RootARN is the account itself, and who holds its root key.
const RootARN = "arn:aws:iam::" + AccountID + ":root"

// Limits of AWS's accounts that the house keeps, in characters without white
// space of documents, else in pieces.
const (
	maxTrustSize   = 4096 // of a role's trust policy
	maxManagedSize = 6144
	maxUserInline  = 2048
	maxRoleInline  = 10240
	maxAttached    = 20
	maxVersions    = 5
	maxKeys        = 2
	maxTags        = 50
)

// newID makes an id of 21 characters that begins with AIDA, AROA or ANPA.
func newID(prefix string) string {
	return prefix + random(17, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
}

func newAccessKey(prefix string) Key {
	return Key{
		ID:     prefix + random(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
		Secret: random(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
	}
}

// keyOf is what a name is looked up by: names differ in more than their case.
func keyOf(name string) string { return strings.ToLower(name) }

// size is how large a document counts: white space does not.
func size(doc string) int {
	n := 0
	for _, c := range doc {
		switch c {
		case ' ', '\t', '\n', '\r':
		default:
			n++
		}
	}
	return n
}

// The faults of the room, by the names that IAM gives them.

func noSuch(kind Kind, name string) *fault.Error {
	if kind == KindPolicy {
		return fault.New(fault.NotFound, "NoSuchEntity", "Policy %s was not found.", name)
	}
	return fault.New(fault.NotFound, "NoSuchEntity", "The %s with name %s cannot be found.", kind, name)
}

func exists(what, name string) *fault.Error {
	return fault.New(fault.Conflict, "EntityAlreadyExists", "%s with name %s already exists.", what, name)
}

func exceeded(quota string, limit int) *fault.Error {
	return fault.New(fault.Conflict, "LimitExceeded", "Cannot exceed quota for %s: %d", quota, limit)
}

func inUse(format string, args ...any) *fault.Error {
	return fault.New(fault.Conflict, "DeleteConflict", format, args...)
}

func invalidInput(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "InvalidInput", format, args...)
}

func record(kind Kind, key string, v any) (Record, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return Record{}, fmt.Errorf("encode record of %s %q: %w", kind, key, err)
	}
	return Record{Kind: kind, Key: key, Doc: doc}, nil
}

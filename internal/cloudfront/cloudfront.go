// Package cloudfront is the control plane of the edge: CloudFront's operations
// on distributions and on what their configurations refer to (origin access
// controls, policies, public keys, key groups), on invalidations and on tags.
// Requests of the wire flow in, records flow to the Store it declares, and
// Deployed flows out: a distribution with all that it refers to, as the edge is
// told of it.
//
// A configuration is accepted only if every member of it acts, asks for what
// happens anyway, or is one that the service is known to only show here (geo
// restriction, price class, IPv6, HTTP version, certificate: see config.go);
// any other member is answered with InvalidArgument and its name.
//
// The room may touch wire types and its Store. It knows no SQL, no files and
// nothing of how the edge delivers.
package cloudfront

import (
	"context"
	"encoding/json"
	"time"
)

// Kind is what a Reference or a Resource is.
type Kind string

// The kinds of resources, spelled as in ARNs and paths of the API.
const (
	KindDistribution          Kind = "distribution"
	KindOriginAccessControl   Kind = "origin-access-control"
	KindCachePolicy           Kind = "cache-policy"
	KindOriginRequestPolicy   Kind = "origin-request-policy"
	KindResponseHeadersPolicy Kind = "response-headers-policy"
	KindPublicKey             Kind = "public-key"
	KindKeyGroup              Kind = "key-group"
	KindWebACL                Kind = "webacl" // of the WAFv2 API; its resources' configurations are that API's
)

// Reference names a resource.
type Reference struct {
	Kind Kind
	ID   string
}

// Distribution is the record of a distribution.
type Distribution struct {
	ID              string // 14 characters, E and capitals and digits
	DomainName      string // of the edge: the ID in lower case, below the suffix
	Enabled         bool
	Aliases         []string          // other names, in lower case; "*.example.com" is every name one below
	Buckets         map[string]string // the bucket that each origin names, by the origin's Id
	LogBucket       string            // where the access log goes; "" is nowhere
	Uses            []Reference       // what the configuration refers to, managed policies included
	CallerReference string            // unique; makes creation idempotent
	ETag            string            // of this version of the configuration, without quotes
	Created         time.Time
	Modified        time.Time
	Config          json.RawMessage // the configuration as it was given, in the wire's shape; opaque to the Store
}

// Resource is the record of what distributions refer to.
type Resource struct {
	Kind            Kind
	ID              string
	Name            string      // unique within its kind
	CallerReference string      // unique within its kind; "" where the kind has none
	Uses            []Reference // what the configuration refers to
	ETag            string      // of this version, without quotes
	Created         time.Time
	Modified        time.Time
	Config          json.RawMessage // as it was given, in the wire's shape; opaque to the Store
}

// Reference names the resource.
func (r Resource) Reference() Reference { return Reference{r.Kind, r.ID} }

// Invalidation is the record of an invalidation. It is complete as soon as it is
// there: the edge's cache is in memory, so that an invalidation that was recorded
// has taken place after the purge that follows, or after a restart.
type Invalidation struct {
	ID              string
	Distribution    string // its ID
	CallerReference string // unique within the distribution
	Created         time.Time
	Paths           []string
}

// Store keeps the records. What is not there is a fault.NotFound; a method that
// changes records returns after the change is on the disk.
type Store interface {
	Distributions
	Resources
	Invalidations
	Tags
}

// Distributions keeps distributions. A method that stores one answers, and stores
// nothing, with Missing of a reference to a resource that is not there (managed
// ones aside), and with TakenAlias of an alias that another distribution has.
type Distributions interface {
	// CreateDistribution stores a new one with its tags; a caller reference that is taken is a fault.Conflict.
	CreateDistribution(ctx context.Context, d Distribution, tags map[string]string) error
	Distribution(ctx context.Context, id string) (Distribution, error)
	DistributionByReference(ctx context.Context, callerReference string) (Distribution, error)
	// Distributions returns up to limit of them, oldest first, after the one with
	// the ID after ("" starts); only those that refer to uses, unless that is zero.
	Distributions(ctx context.Context, uses Reference, after string, limit int) ([]Distribution, error)
	// ChangeDistribution loads one under its lock, calls change and stores what it
	// made, in one transaction; an error of change undoes all and is returned.
	ChangeDistribution(ctx context.Context, id string, change func(*Distribution) error) (Distribution, error)
	// DeleteDistribution removes one, its tags and its invalidations if check, called under its lock, returns nil.
	DeleteDistribution(ctx context.Context, id string, check func(Distribution) error) error
}

// Resources keeps resources. A method that stores one answers with Missing of a
// reference to a resource that is not there, and with Taken when its name or
// caller reference is another's.
type Resources interface {
	CreateResource(ctx context.Context, r Resource, tags map[string]string) error
	Resource(ctx context.Context, what Reference) (Resource, error)
	// Resources returns all of a kind, oldest first.
	Resources(ctx context.Context, kind Kind) ([]Resource, error)
	ChangeResource(ctx context.Context, what Reference, change func(*Resource) error) (Resource, error)
	// DeleteResource removes one and its tags if check, called under its lock, returns
	// nil; one that something refers to stays, and the error is InUse.
	DeleteResource(ctx context.Context, what Reference, check func(Resource) error) error
}

// Invalidations keeps invalidations of distributions that exist.
type Invalidations interface {
	// CreateInvalidation stores i, unless its distribution has one with the same
	// caller reference, which it returns then.
	CreateInvalidation(ctx context.Context, i Invalidation) (Invalidation, error)
	Invalidation(ctx context.Context, distribution, id string) (Invalidation, error)
	// Invalidations returns up to limit of a distribution's, newest first, after the one with the ID after.
	Invalidations(ctx context.Context, distribution, after string, limit int) ([]Invalidation, error)
}

// Tags keeps tags of resources, by the last part of their ARN ("distribution/E1…").
type Tags interface {
	Tags(ctx context.Context, resource string) (map[string]string, error)
	SetTags(ctx context.Context, resource string, tags map[string]string) error
	RemoveTags(ctx context.Context, resource string, names []string) error
}

// Edge is the data plane, which is told of changes.
type Edge interface {
	// Invalidate forgets what is cached under paths of a distribution, decoded and
	// with their leading slash; one that ends with * is every path that begins with
	// the rest. When it returns, no request that comes gets an older object.
	Invalidate(distribution string, paths []string)
	// Forget drops what is kept of a distribution's configuration, so that a change
	// acts at once; "" is for all.
	Forget(distribution string)
}

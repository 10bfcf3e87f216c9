// Package cloudfront is the control plane of the edge: CloudFront's operations
// on distributions. Requests of the wire flow in, Distribution records flow to
// the Store it declares, and the edge reads those through an interface of its own.
//
// A configuration is accepted only if every member of it acts or asks for what
// happens anyway (see config.go); a member that would be stored and ignored is
// answered with InvalidArgument and its name.
//
// The room may touch wire types and its Store. It knows no SQL, no files and
// nothing of how the edge delivers.
package cloudfront

import (
	"context"
	"encoding/json"
	"time"
)

// Distribution is the record of a distribution.
type Distribution struct {
	ID                   string // 14 characters, E and capitals and digits
	DomainName           string // of the edge: the ID in lower case, below the suffix
	Enabled              bool
	Bucket               string // that the origin names
	OriginPath           string // "" or "/folder", before every path
	ViewerProtocolPolicy string // allow-all, redirect-to-https or https-only
	DefaultRootObject    string // key of "/", or ""
	TTL                  *TTL   // nil is that of the managed policy CachingOptimized

	CallerReference string // unique; makes creation idempotent
	ETag            string // of this version of the configuration, without quotes
	Created         time.Time
	Modified        time.Time
	Config          json.RawMessage // the configuration as it was given, in the wire's shape; opaque to the Store
}

// TTL bounds for how many seconds an object is fresh at the edge, as a cache
// behavior says it.
type TTL struct {
	Min, Default, Max int64
}

// Store keeps distributions. What is not there is a fault.NotFound; a method
// that changes records returns after the change is on the disk.
type Store interface {
	// CreateDistribution stores a new one; a caller reference that is taken is a fault.Conflict.
	CreateDistribution(ctx context.Context, d Distribution) error
	Distribution(ctx context.Context, id string) (Distribution, error)
	DistributionByReference(ctx context.Context, callerReference string) (Distribution, error)
	// Distributions returns up to limit of them, oldest first, after the one with the ID after ("" starts).
	Distributions(ctx context.Context, after string, limit int) ([]Distribution, error)
	// ChangeDistribution loads one under its lock, calls change and stores what it
	// made, in one transaction; an error of change undoes all and is returned.
	ChangeDistribution(ctx context.Context, id string, change func(*Distribution) error) (Distribution, error)
	// DeleteDistribution removes one if check, called under its lock, returns nil.
	DeleteDistribution(ctx context.Context, id string, check func(Distribution) error) error
}

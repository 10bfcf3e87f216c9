package disk

import "vodwright.dev/vodwright/internal/object/catalog"

// The words of the engines, as this package uses them.
type (
	Bucket     = catalog.Bucket
	Versioning = catalog.Versioning
	Version    = catalog.Version
	Properties = catalog.Properties
	Checksum   = catalog.Checksum
	Segment    = catalog.Segment
	ListInput  = catalog.ListInput
	Listed     = catalog.Listed
	Page       = catalog.Page
	Publish    = catalog.Publish
	Deleted    = catalog.Deleted
	Upload     = catalog.Upload
	Part       = catalog.Part
	Completion = catalog.Completion
)

// The states of a bucket's versions, and the id of a version without.
const (
	VersioningEnabled   = catalog.VersioningEnabled
	VersioningSuspended = catalog.VersioningSuspended
	NullVersion         = catalog.NullVersion
)

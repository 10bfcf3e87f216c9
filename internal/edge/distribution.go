package edge

import (
	"crypto"
	"time"
)

// Distribution is what the data plane needs to know of a distribution. The edge
// keeps it for a moment and works out once what follows from it: it must not be
// changed after it was returned.
type Distribution struct {
	ID                string // as in <id>.cdn.localhost and the API, any case
	ARN               string // what a bucket's policy knows it by (aws:SourceArn)
	Enabled           bool
	Aliases           []string // other host names it answers at, lower case; "*.example.com" for all below
	DefaultRootObject string   // key served for "/"; "" for none
	Origins           map[string]OriginConfig
	Behaviors         []Behavior // in order; the last is the default, with Pattern "*"
	ErrorResponses    []ErrorResponse
	AccessLog         *AccessLog   // nil: none
	Firewall          FirewallMode // "" is off
	WebACL            string       // the ARN of what the firewall stands for, for its log
}

// OriginConfig is a bucket that a distribution reads.
type OriginConfig struct {
	Bucket string
	Path   string // "" or "/prefix", put before the viewer's path
	Signed bool   // reads as the distribution (origin access control), else as anybody
}

// Behavior says how requests whose path matches are answered (CloudFront's
// CacheBehavior and DefaultCacheBehavior, policies resolved to their values).
type Behavior struct {
	Pattern              string // "*" any characters, "?" one; with or without a leading slash
	Origin               string // an id in Distribution.Origins
	ViewerProtocolPolicy ViewerProtocolPolicy
	AllowedMethods       []string // nil: GET, HEAD and, for players on other sites, OPTIONS
	CachedMethods        []string // GET and HEAD are always cached; OPTIONS is answered without the origin
	Compress             bool
	Cache                CachePolicy
	OriginRequest        *OriginRequestPolicy        // nil: what is in the cache key reaches the origin
	ResponseHeaders      *ResponseHeadersPolicy      // nil: none
	TrustedKeys          map[string]crypto.PublicKey // by public key id; nil: anybody may ask, empty: nobody
	SignPlaylists        bool                        // ours: every URL in a playlist is signed as the playlist's was
}

// CachePolicy is how long objects stay fresh and what tells one cached answer
// from another beside the path.
type CachePolicy struct {
	TTL
	Headers, QueryStrings, Cookies Selector
	Gzip, Brotli                   bool // viewers' Accept-Encoding counts; with Behavior.Compress, answers are compressed
}

// CachingOptimized is the managed policy of that name, the one for videos.
func CachingOptimized() CachePolicy {
	return CachePolicy{TTL: TTL{Min: time.Second, Default: 24 * time.Hour, Max: 365 * 24 * time.Hour}, Gzip: true, Brotli: true}
}

// Selector chooses some of a request's headers, query strings or cookies by name.
type Selector struct {
	Kind  SelectorKind
	Names []string // of Whitelist and AllExcept; headers in any case
}

// SelectorKind is how a Selector uses its names.
type SelectorKind string

// The kinds. CloudFront calls All of headers allViewer.
const (
	None      SelectorKind = "" // as "none"
	Whitelist SelectorKind = "whitelist"
	AllExcept SelectorKind = "allExcept"
	All       SelectorKind = "all"
)

// OriginRequestPolicy is what the origin is told beside the cache key.
type OriginRequestPolicy struct {
	Headers, QueryStrings, Cookies Selector
}

// ResponseHeadersPolicy changes the headers of answers to viewers, never those of
// cached objects.
type ResponseHeadersPolicy struct {
	CORS         *CORSPolicy
	Security     []ResponseHeader // each with its whole value, as "max-age=31536000; preload"
	Custom       []ResponseHeader
	Remove       []string // names of headers from the origin that are not passed on
	ServerTiming float64  // share of answers with a Server-Timing header, 0 to 1; above 0, any that asks with Pragma: server-timing
}

// CORSPolicy is the CORS part of a response headers policy.
type CORSPolicy struct {
	AllowOrigins     []string // "*", or origins with "*" for a part: https://*.example.com
	AllowMethods     []string // "ALL" or methods
	AllowHeaders     []string // "*" or names
	ExposeHeaders    []string
	AllowCredentials bool
	MaxAgeSeconds    int // 0: not sent
	Override         bool
}

// ResponseHeader is a header that a policy adds. Without Override it gives way to
// one that the origin sent.
type ResponseHeader struct {
	Name, Value string
	Override    bool
}

// ErrorResponse is a custom error response: how long the origin's answer with
// Status is kept, and what viewers get instead of it.
type ErrorResponse struct {
	Status         int // 400 to 599
	TTL            time.Duration
	Path           string // of the page sent instead, as "/errors/404.html"; "" for none
	ResponseStatus int    // sent with the page; 0 is Status
}

// AccessLog is where a distribution's standard access log goes.
type AccessLog struct {
	Bucket, Prefix string
	Cookies        bool
}

// FirewallMode is what the web application firewall does with a match.
type FirewallMode string

// The modes.
const (
	FirewallOff   FirewallMode = ""
	FirewallCount FirewallMode = "count" // CloudFront's console calls it monitor mode
	FirewallBlock FirewallMode = "block"
)

// OriginRef is a bucket as a distribution reads it.
type OriginRef struct {
	Distribution string // ARN
	Bucket       string
	Signed       bool // the bucket's policy must admit the distribution; else it must admit anybody
}

// Package edge is the data plane of the CDN: viewers' requests for
// <id>.cdn.localhost come in, objects of a distribution's private bucket go out.
//
// It knows HTTP, distributions and the origin through two small interfaces that
// it declares itself ([Distributions], [Origin]); it knows no jobs, no plans and
// no SQL, and writes no files. A request passes, in this order: the distribution
// (by host or alias), the firewall, the viewer protocol policy of the first
// behavior whose pattern matches the path, its allowed methods, the path itself,
// the signature, the cache, the origin's access policy, the object. Whichever
// refuses is named in the header X-Vodwright-Why (see refusal.go), because a 403
// looks the same whoever says it. The behavior's response headers policy is
// applied to the answer alone, errors included, never to the cached object.
//
// What follows from a configuration is worked out when it is loaded, not with
// each request. It is kept for a second and read again; [Edge.Forget] makes a
// change act at once, [Edge.Invalidate] and [Edge.Purge] drop what is cached.
//
// What a viewer sees follows Amazon CloudFront in front of a private S3 origin,
// where that is what helps; the differences are deliberate and listed here:
//
//   - A missing key is 404 NoSuchKey with a hint, not S3's 403 for callers that
//     may not list. Errors are not cached, so that a forgotten upload is there the
//     moment it is made up for (CloudFront: 10 seconds), but where a custom error
//     response sets a minimum TTL for their status.
//   - A cached object is compared with the origin at most every CheckEvery, by
//     one Stat, whatever its lifetime: a republished video is seen within a second
//     and old segments never mix with a new playlist, without an invalidation; and
//     a bucket policy that admits the distribution no longer acts within a second.
//   - CORS, where no policy of the behavior says anything of it: the bucket's rules
//     are applied to the viewer's request, and a bucket without rules is readable
//     by players of every origin, as with the SimpleCORS policy. A response headers
//     policy with CORS replaces that; a cache or origin request policy that takes
//     the Origin header (CORS-S3Origin) has the bucket's rules decide alone.
//     A preflight is answered here by the same rules, without a signature, where
//     OPTIONS is allowed.
//   - Patterns are matched with the decoded path that names the key, after the
//     default root object: no spelling of a key reaches it by another behavior.
//     (CloudFront matches the path as it was written.)
//   - Encodings are made once an object, and share its entry in the cache: X-Cache
//     says Hit for the first viewer who takes another one. A range is always of the
//     object's own bytes.
//   - The origin sees none of the query strings, cookies and headers that policies
//     forward: a bucket's object does not depend on them. They are in the cache key
//     as the cache policy says.
//   - Several ranges in one request give the whole object (200), as CloudFront
//     does for descending, overlapping and invalid ones.
//   - Buckets are read, never written: where a behavior allows PUT, POST, PATCH and
//     DELETE, they are 405.
//   - Without Cache-Control metadata on the object, playlists are sent with
//     no-cache (a player revalidates them by ETag, a 304) and everything else
//     with a max-age of a tenth of the object's age, between a minute and a day:
//     what was rewritten lately is likely to be rewritten again.
//   - must-revalidate counts: such an object is not served stale.
//
// No bytes are kept on disk twice: an origin that hands out *os.File is read from
// its file, over plain HTTP by sendfile. In memory, within MaxBytes, are small
// objects, those of an origin without files, and those that are sent over TLS
// again and again. Any number of requests for
// a cold object open the origin once and are served as its bytes arrive; a viewer
// who leaves stops none of the others.
//
// Files: distribution.go has what it is told, known.go what follows from it;
// viewer.go a request's way, cache_key.go, fetch.go, object.go and cache.go how
// objects are found and kept, respond.go, compress.go and response_headers.go how
// they are sent, error_response.go and problem.go what is sent instead.
//
// Invariants: a key reaches the origin exactly as the viewer wrote it, percent
// decoded once; a key with an empty, "." or ".." segment never does. A response
// whose body cannot be completed is aborted, never ended as if it were whole.
//
// An http.Server in front of an Edge should set ReadHeaderTimeout (10 s),
// IdleTimeout (2 min) and MaxHeaderBytes (64 KiB), and neither ReadTimeout nor
// WriteTimeout: a long download is legitimate, and Edge itself cuts viewers who
// take less than 1 MiB in five minutes. A wrapper around the ResponseWriter must
// pass io.ReaderFrom through, or sendfile is lost.
package edge

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/edge/viewersign"
	"vodwright.dev/vodwright/internal/fault"
)

// ViewerProtocolPolicy says over which protocols a distribution answers
// (CloudFront's DefaultCacheBehavior.ViewerProtocolPolicy, its spelling).
type ViewerProtocolPolicy string

// The policies. An empty or unknown policy is HTTPSOnly: the strict reading.
const (
	AllowAll        ViewerProtocolPolicy = "allow-all"
	RedirectToHTTPS ViewerProtocolPolicy = "redirect-to-https"
	HTTPSOnly       ViewerProtocolPolicy = "https-only"
)

// TTL bounds how long an object counts as fresh at the edge (a cache policy's
// MinTTL, DefaultTTL and MaxTTL). Default is for objects without Cache-Control
// or Expires; Min overrides even no-store, as in CloudFront.
type TTL struct {
	Min, Default, Max time.Duration
}

// Distributions finds distributions. Implementations are safe for concurrent use.
type Distributions interface {
	// ByHost returns the distribution that answers at host: "<id>.cdn.localhost" in
	// lower case, no port, no final dot. None: a fault of kind NotFound.
	ByHost(ctx context.Context, host string) (Distribution, error)
	// Aliases returns every alias there is, in lower case ("*.example.com" too), with
	// the host "<id>.cdn.localhost" of its distribution.
	Aliases(ctx context.Context) (map[string]string, error)
}

// Info is what an origin says about one version of an object.
type Info struct {
	Size         int64     // bytes; negative of an object that is being made while it is read
	ETag         string    // with its quotes as on the wire; "" for none
	LastModified time.Time // zero when unknown; sent to the second
	// Metadata as stored with the object; an empty ContentType, or one that says
	// nothing (application/octet-stream), is replaced by the key's extension's.
	ContentType, CacheControl, ContentEncoding, ContentDisposition, ContentLanguage string
	Expires                                                                         string
}

// CORSRule is one rule of a bucket's CORS configuration, S3's fields (PutBucketCors).
type CORSRule struct {
	AllowedOrigins, AllowedMethods, AllowedHeaders, ExposeHeaders []string
	MaxAgeSeconds                                                 int // 0: not sent
}

// Origin gives read access to buckets. Implementations are safe for concurrent use.
// A missing bucket or key is a fault of kind NotFound with S3's code; what the
// bucket's policy does not let the distribution read is Denied; an origin that is
// down is Unavailable.
type Origin interface {
	// Open returns the current version of an object and its bytes, positioned at
	// the start; the caller closes them. The bytes stay those of Info even if the
	// key is overwritten or deleted meanwhile. An *os.File is shared by all viewers
	// and sent by sendfile. Of an object that is being made (Info.Size is negative)
	// each Open reads all of it, from the start; an end before it is whole is an error.
	Open(ctx context.Context, from OriginRef, key string) (Info, io.ReadSeekCloser, error)
	// Stat returns what Open would, without the bytes; at least Size, ETag and
	// LastModified must be equal to Open's. Size is never negative here.
	Stat(ctx context.Context, from OriginRef, key string) (Info, error)
	// CORS returns the bucket's rules in order; none is an empty slice and no error.
	CORS(ctx context.Context, bucket string) ([]CORSRule, error)
}

// Config is what an Edge is made of.
type Config struct {
	Distributions Distributions
	Origin        Origin
	DomainSuffix  string // hosts "<id>." + DomainSuffix are the edge's; "" is "cdn.localhost"
	TLSPort       int    // where redirect-to-https sends viewers; 0 is 443, which is left out of URLs
	MaxBytes      int64  // of memory for cached objects, metadata included; 0 is 64 MiB
	MaxOpenFiles  int    // origin files kept open; 0 is 256
	// CheckEvery is how long a cached object is served without asking the origin
	// whether it is still the current one; 0 is 1 s, negative trusts lifetimes alone.
	CheckEvery time.Duration
	AccessLogs AccessLogs // of the distributions that have one; nil for none
	Firewall   Firewall   // of the distributions that have one; without it they answer 500
	// TokenSecret makes the tokens of signed playlists (Behavior.SignPlaylists); the
	// same across restarts, and on every server of a distribution. Without it only
	// what a custom policy covers is signed.
	TokenSecret []byte
	Clock       func() time.Time // nil is time.Now
	Logger      *slog.Logger     // nil logs nothing
}

// Edge serves viewers' requests. It is an http.Handler, safe for concurrent use.
type Edge struct {
	cfg     Config
	cache   *cache
	buffers sync.Pool // of *[bufferBytes]byte

	signatures *viewersign.Verifier

	known configuration

	mu      sync.Mutex
	flights map[cacheKey]*flight
	errors  map[cacheKey]knownError

	zips     sync.Pool     // of *gzip.Writer
	encoders chan struct{} // holds a place for each encoding being made
	// encodeWait is how long a viewer waits for an encoding before it gets the object
	// as it is. Tests have more patience.
	encodeWait time.Duration
}

// New returns an Edge, or an error that names every missing part of cfg. It starts nothing.
func New(cfg Config) (*Edge, error) {
	var missing []string
	if cfg.Distributions == nil {
		missing = append(missing, "Distributions")
	}
	if cfg.Origin == nil {
		missing = append(missing, "Origin")
	}
	if cfg.MaxBytes < 0 {
		missing = append(missing, "MaxBytes of at least 0")
	}
	if cfg.TLSPort < 0 || cfg.TLSPort > 65535 {
		missing = append(missing, "TLSPort of 0 to 65535")
	}
	if missing != nil {
		return nil, fault.New(fault.Internal, "", "the edge needs %s", strings.Join(missing, ", "))
	}
	if cfg.DomainSuffix == "" {
		cfg.DomainSuffix = "cdn.localhost"
	}
	cfg.DomainSuffix = strings.ToLower(strings.Trim(cfg.DomainSuffix, "."))
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 64 << 20
	}
	if cfg.MaxOpenFiles <= 0 {
		cfg.MaxOpenFiles = 256
	}
	if cfg.CheckEvery == 0 {
		cfg.CheckEvery = time.Second
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Edge{
		cfg:        cfg,
		cache:      newCache(cfg.MaxBytes, cfg.MaxOpenFiles),
		flights:    map[cacheKey]*flight{},
		errors:     map[cacheKey]knownError{},
		zips:       sync.Pool{New: newZip},
		encoders:   make(chan struct{}, runtime.GOMAXPROCS(0)),
		encodeWait: 2 * time.Second, // what the largest object takes on a busy core
		known:      configuration{distributions: map[string]*knownDistribution{}, cors: map[string]*knownCORS{}},
		signatures: viewersign.New(cfg.TokenSecret),
		buffers:    sync.Pool{New: func() any { return new([bufferBytes]byte) }},
	}, nil
}

// Owns reports whether a request with this Host header is the edge's: by its
// domain suffix, whether such a distribution exists or not, or by an alias. It
// costs a look into a map and is safe to ask for every request.
func (e *Edge) Owns(host string) bool {
	host = hostName(host)
	if e.ownName(host) {
		return true
	}
	_, ok := e.alias(host)
	return ok
}

// ownName reports whether host, as hostName returns it, is below the edge's domain.
func (e *Edge) ownName(host string) bool {
	name, ok := strings.CutSuffix(host, e.cfg.DomainSuffix)
	return ok && len(name) > 1 && name[len(name)-1] == '.'
}

// Purge drops a key of a bucket from the cache, so that the next viewer gets what
// the origin has now. For whoever hears of object events; without it the change
// is seen after CheckEvery.
func (e *Edge) Purge(bucket, key string) {
	e.purge(func(k cacheKey) bool { b, o := k.object(); return b == bucket && o == key })
}

// Forget drops what the edge knows of a distribution's configuration and of
// aliases, so that a change acts on the next request; "" is for all. Without it a
// change is seen within a second. What is cached stays: see Invalidate.
func (e *Edge) Forget(id string) {
	e.known.mu.Lock()
	defer e.known.mu.Unlock()
	e.known.generation++
	e.known.aliases = nil
	for host, known := range e.known.distributions {
		if id == "" || strings.EqualFold(known.ID, id) {
			delete(e.known.distributions, host)
		}
	}
}

// Invalidate drops every cached answer of a distribution, errors too, whose path
// matches one of paths (CreateInvalidation): "/a/b.ts", or "/a/*" with the "*" at
// the end only. Query strings are not compared: all variants of a path go. When
// it returns, no viewer who asks from now on gets anything from before.
func (e *Edge) Invalidate(id string, paths []string) {
	exact, prefixes := map[string]bool{}, []string{}
	for _, p := range paths {
		p, _, _ = strings.Cut(strings.TrimPrefix(p, "/"), "?")
		p, wild := strings.CutSuffix(p, "*")
		if plain, err := url.PathUnescape(p); err == nil {
			p = plain
		}
		if wild {
			prefixes = append(prefixes, p)
		} else {
			exact[p] = true
		}
	}
	root := exact[""] // what answers at "/" lies at the top, whatever it is called
	e.purge(func(k cacheKey) bool {
		return strings.EqualFold(k.distribution, id) && (exact[k.path] || root && !strings.Contains(k.path, "/") ||
			slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(k.path, p) }))
	})
}

// purge forgets every object whose key matches, those on their way included.
func (e *Edge) purge(match func(cacheKey) bool) {
	e.mu.Lock()
	for k := range e.flights {
		if match(k) {
			delete(e.flights, k)
		}
	}
	for k := range e.errors {
		if match(k) {
			delete(e.errors, k)
		}
	}
	e.mu.Unlock()
	e.cache.removeWhere(match)
}

// Close drops everything cached and closes the files held open. Requests under
// way finish; later ones work, uncached objects being opened again.
func (e *Edge) Close() error {
	e.purge(func(cacheKey) bool { return true })
	return nil
}

// ServeHTTP answers one viewer.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := viewer{edge: e, w: w, r: r, h: w.Header(), now: e.cfg.Clock(), scratch: new(scratch)}
	v.h["X-Amz-Cf-Pop"] = popHeader
	v.h["Server"] = serverHeader
	v.scratch.id[0] = requestID()
	v.h["X-Amz-Cf-Id"] = v.scratch.id[:]
	if err := v.serve(); err != nil {
		v.fail(err)
	}
	v.finish()
}

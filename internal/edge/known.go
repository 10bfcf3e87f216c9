package edge

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vodwright.dev/vodwright/internal/edge/field"
	"vodwright.dev/vodwright/internal/fault"
)

// knownDistribution is a distribution with what follows from it, kept for a moment.
type knownDistribution struct {
	Distribution
	behaviors []*knownBehavior // never empty
	domain    string           // "<id>.cdn.localhost", whatever the viewer calls it
	via       string
	expires   time.Time
	renewing  atomic.Bool // somebody reads it again; others go on with this one
}

// knownBehavior is a behavior with what follows from it, worked out when the
// distribution is loaded and not with each request.
type knownBehavior struct {
	*Behavior
	dist           *knownDistribution
	pattern        string // without a leading slash
	origin         OriginRef
	store          string // names bucket and origin path in cache keys
	key            keyPlan
	uncached       bool // every request goes to the origin
	encodings      field.Encoding
	allow          string     // the allowed methods, as in the header
	reply          *replyPlan // nil: no response headers policy
	forwardsOrigin bool       // the bucket is told who asks: its CORS rules decide alone
	bucketCORS     bool       // the bucket's CORS rules are applied
}

// learn works out what follows from d.
func learn(d Distribution) *knownDistribution {
	known := &knownDistribution{Distribution: d}
	known.DefaultRootObject = strings.TrimPrefix(d.DefaultRootObject, "/")
	behaviors := d.Behaviors
	if n := len(behaviors); n == 0 || strings.TrimPrefix(behaviors[n-1].Pattern, "/") != "*" { // every request meets one
		behaviors = append(slices.Clip(behaviors), Behavior{Pattern: "*"})
	}
	for i := range behaviors {
		known.behaviors = append(known.behaviors, known.learn(&behaviors[i]))
	}
	return known
}

func (d *knownDistribution) learn(b *Behavior) *knownBehavior {
	from := d.Origins[b.Origin]
	known := &knownBehavior{
		Behavior: b,
		dist:     d,
		pattern:  strings.TrimPrefix(b.Pattern, "/"),
		origin:   OriginRef{Distribution: d.ARN, Bucket: from.Bucket, Signed: from.Signed},
		key:      planKey(&b.Cache, b.TrustedKeys != nil),
		uncached: b.Cache.Max <= 0 || b.Cache.Headers.Kind == All || b.Cache.Headers.Kind == AllExcept,
		reply:    planReply(b.ResponseHeaders),
		allow:    "GET, HEAD, OPTIONS",
	}
	known.store = from.Bucket + "/"
	if prefix := strings.Trim(from.Path, "/"); prefix != "" {
		known.store += prefix + "/"
	}
	if b.AllowedMethods != nil {
		known.allow = strings.Join(b.AllowedMethods, ", ")
	}
	if b.Compress && !known.uncached {
		if b.Cache.Gzip {
			known.encodings |= field.Gzip
		}
		if b.Cache.Brotli {
			known.encodings |= field.Brotli
		}
	}
	known.forwardsOrigin = b.Cache.Headers.header("Origin") || b.OriginRequest != nil && b.OriginRequest.Headers.header("Origin")
	known.bucketCORS = known.forwardsOrigin || known.cors() == nil
	return known
}

// header reports whether the selector takes a header, whose case does not matter.
func (s *Selector) header(name string) bool {
	named := slices.ContainsFunc(s.Names, func(n string) bool { return strings.EqualFold(n, name) })
	switch s.Kind {
	case Whitelist:
		return named
	case AllExcept:
		return !named
	}
	return s.Kind == All
}

// cors returns the CORS part of the response headers policy, or nil.
func (b *knownBehavior) cors() *corsPlan {
	if b.reply == nil {
		return nil
	}
	return b.reply.cors
}

// allows reports whether the behavior lets viewers use a method; GET and HEAD always.
func (b *knownBehavior) allows(method string) bool {
	if b.AllowedMethods == nil {
		return method == http.MethodOptions
	}
	return slices.Contains(b.AllowedMethods, method)
}

// behavior returns the first behavior that matches path, which has no leading slash.
func (d *knownDistribution) behavior(path string) *knownBehavior {
	last := len(d.behaviors) - 1
	for _, b := range d.behaviors[:last] {
		if field.MatchPattern(b.pattern, path) {
			return b
		}
	}
	return d.behaviors[last]
}

// How long answers about distributions and CORS rules are kept: a change is seen
// within a second, and a busy distribution costs its store one query a second.
const configLifetime = time.Second

// maxKnown bounds the maps of such answers. Only what exists is kept, so it is
// reached by a thousand busy distributions, not by made-up host names.
const maxKnown = 1024

// configuration is what the edge knows of distributions, for a moment.
type configuration struct {
	mu            sync.RWMutex
	generation    int // grows with Forget: what was being read meanwhile is not kept
	distributions map[string]*knownDistribution
	cors          map[string]*knownCORS
	aliases       *knownAliases // nil: not read yet
	readAliases   sync.Mutex    // held by the one who reads them
}

// knownAliases is every alias there is.
type knownAliases struct {
	hosts   map[string]string // alias → "<id>.cdn.localhost"
	below   map[string]string // for "*.example.com": ".example.com" → likewise
	expires time.Time
}

// find returns the host of the distribution that host is an alias of. Of
// wildcards the longest counts.
func (k *knownAliases) find(host string) (string, bool) {
	if own, ok := k.hosts[host]; ok {
		return own, true
	}
	if len(k.below) == 0 {
		return "", false
	}
	for rest := host; ; {
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			return "", false
		}
		if own, ok := k.below[rest[dot:]]; ok && (dot > 0 || len(rest) < len(host)) {
			return own, true
		}
		rest = rest[dot+1:]
	}
}

// alias resolves an alias. What is known answers at once, while one request reads
// the aliases again when it is time to.
func (e *Edge) alias(host string) (string, bool) {
	now := e.cfg.Clock()
	e.known.mu.RLock()
	known := e.known.aliases
	e.known.mu.RUnlock()
	switch {
	case known == nil:
		e.known.readAliases.Lock()
		known = e.loadAliases(now)
		e.known.readAliases.Unlock()
	case !now.Before(known.expires) && e.known.readAliases.TryLock():
		go func() {
			defer e.known.readAliases.Unlock()
			e.loadAliases(now)
		}()
	}
	return known.find(host)
}

// loadAliases reads the aliases unless that has been done meanwhile. readAliases is held.
func (e *Edge) loadAliases(now time.Time) *knownAliases {
	e.known.mu.RLock()
	known, generation := e.known.aliases, e.known.generation
	e.known.mu.RUnlock()
	if known != nil && now.Before(known.expires) {
		return known
	}
	ctx, cancel := context.WithTimeout(context.Background(), aliasTimeout) // no viewer's matter
	defer cancel()
	all, err := e.cfg.Distributions.Aliases(ctx)
	switch {
	case err != nil && known == nil:
		e.cfg.Logger.Error("read aliases", "error", err)
		return &knownAliases{} // and asked for again with the next request
	case err != nil:
		e.cfg.Logger.Warn("keep old aliases", "error", err)
		known = &knownAliases{hosts: known.hosts, below: known.below}
	default:
		known = &knownAliases{hosts: map[string]string{}, below: map[string]string{}}
		for alias, own := range all {
			if domain, wild := strings.CutPrefix(alias, "*"); wild {
				known.below[domain] = own
			} else {
				known.hosts[alias] = own
			}
		}
	}
	known.expires = now.Add(configLifetime)
	e.known.mu.Lock()
	defer e.known.mu.Unlock()
	if e.known.generation == generation {
		e.known.aliases = known
	}
	return known
}

const aliasTimeout = 5 * time.Second

// distribution returns the distribution that answers at host. An unknown host is
// not remembered: a new distribution answers at once.
func (e *Edge) distribution(ctx context.Context, host string, now time.Time) (*knownDistribution, error) {
	e.known.mu.RLock()
	known, generation := e.known.distributions[host], e.known.generation
	e.known.mu.RUnlock()
	if known != nil {
		if now.Before(known.expires) || !known.renewing.CompareAndSwap(false, true) {
			return known, nil
		}
		defer known.renewing.Store(false)
	}
	own, aliased := host, false
	if !e.ownName(host) {
		if own, aliased = e.alias(host); !aliased {
			return nil, e.unknown(host)
		}
	}
	d, err := e.cfg.Distributions.ByHost(ctx, own)
	if err != nil {
		switch {
		case fault.KindOf(err) == fault.NotFound:
			return nil, e.unknown(host)
		case known != nil && ctx.Err() == nil: // better an old answer than none
			e.cfg.Logger.Warn("keep old distribution", "host", host, "error", err)
			return known, nil
		}
		return nil, err
	}
	known = learn(d) // the deferred call above has the old one
	known.domain = strings.ToLower(d.ID) + "." + e.cfg.DomainSuffix
	known.via = "1.1 " + own + " (Vodwright)"
	known.expires = now.Add(configLifetime)
	e.known.mu.Lock()
	defer e.known.mu.Unlock()
	if e.known.generation == generation {
		if len(e.known.distributions) >= maxKnown {
			clear(e.known.distributions)
		}
		e.known.distributions[host] = known
	}
	return known, nil
}

// unknown forgets host and says that nobody answers there.
func (e *Edge) unknown(host string) error {
	e.known.mu.Lock()
	delete(e.known.distributions, host)
	e.known.mu.Unlock()
	return fault.New(fault.NotFound, "NoSuchDistribution", "No distribution answers at %q", clip(host, 253)).
		WithHint("`aws cloudfront list-distributions` shows the domain names there are")
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

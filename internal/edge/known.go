package edge

import (
	"context"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// knownDistribution is a distribution with what follows from it, kept for a moment.
type knownDistribution struct {
	Distribution
	behaviors []*knownBehavior // never empty
	via       string
	expires   time.Time
}

// knownBehavior is a behavior with what follows from it, worked out when the
// distribution is loaded and not with each request.
type knownBehavior struct {
	*Behavior
	pattern string // without a leading slash
	origin  OriginRef
	prefix  string // of keys: "" or "folder/"
	store   string // names bucket and prefix in cache keys
}

// learn works out what follows from d.
func learn(d Distribution) *knownDistribution {
	known := &knownDistribution{Distribution: d}
	known.DefaultRootObject = strings.TrimPrefix(d.DefaultRootObject, "/")
	for i := range d.Behaviors {
		known.behaviors = append(known.behaviors, learnBehavior(&d, &d.Behaviors[i]))
	}
	if n := len(known.behaviors); n == 0 || known.behaviors[n-1].pattern != "*" { // every request meets one
		known.behaviors = append(known.behaviors, learnBehavior(&d, &Behavior{Pattern: "*"}))
	}
	return known
}

func learnBehavior(d *Distribution, b *Behavior) *knownBehavior {
	from := d.Origins[b.Origin]
	known := &knownBehavior{
		Behavior: b,
		pattern:  strings.TrimPrefix(b.Pattern, "/"),
		origin:   OriginRef{Distribution: d.ARN, Bucket: from.Bucket, Signed: from.Signed},
	}
	if prefix := strings.Trim(from.Path, "/"); prefix != "" {
		known.prefix = prefix + "/"
	}
	known.store = known.origin.Bucket + "/" + known.prefix
	return known
}

// behavior returns the first behavior that matches path, which has no leading slash.
func (d *knownDistribution) behavior(path string) *knownBehavior {
	last := len(d.behaviors) - 1
	for _, b := range d.behaviors[:last] {
		if matchPattern(b.pattern, path) {
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

// distribution returns the distribution that answers at host. An unknown host is
// not remembered: a new distribution answers at once.
func (e *Edge) distribution(ctx context.Context, host string, now time.Time) (*knownDistribution, error) {
	e.mu.Lock()
	known := e.distributions[host]
	if known != nil && now.Before(known.expires) {
		e.mu.Unlock()
		return known, nil
	}
	e.mu.Unlock()

	d, err := e.cfg.Distributions.ByHost(ctx, host)
	if err != nil {
		switch {
		case fault.KindOf(err) == fault.NotFound:
			e.mu.Lock()
			delete(e.distributions, host)
			e.mu.Unlock()
			return nil, fault.New(fault.NotFound, "NoSuchDistribution", "No distribution answers at %q", clip(host, 253)).
				WithHint("`aws cloudfront list-distributions` shows the domain names there are")
		case known != nil && ctx.Err() == nil: // better an old answer than none
			e.cfg.Logger.Warn("keep old distribution", "host", host, "error", err)
			return known, nil
		}
		return nil, err
	}
	known = learn(d)
	known.via = "1.1 " + host + " (Vodwright)"
	known.expires = now.Add(configLifetime)
	e.mu.Lock()
	if len(e.distributions) >= maxKnown {
		clear(e.distributions)
	}
	e.distributions[host] = known
	e.mu.Unlock()
	return known, nil
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

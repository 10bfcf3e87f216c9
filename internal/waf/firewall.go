// Package waf is the web application firewall of distributions: the OWASP core
// rule set at paranoia level 1, evaluated by Coraza on what the edge is asked for.
//
// In flow requests ([Request]: method, URL, headers; bodies are not looked at, for
// the edge reads none); out flows whether to refuse one ([Firewall.Block]), and in
// both modes a log in AWS WAF's JSON shape and counters ([Firewall.Stats]). It
// touches a clock, the log through [Log] and no files.
//
// Evaluating the rules costs half a millisecond and 100 KB of garbage, as much as
// serving twenty segments. So:
//
//   - A request that matched no rule is remembered by what the rules can tell
//     apart: method, path, query and headers, where numbers in a plain file name,
//     byte ranges, entity tags, dates and hexadecimal ids count as alike. The
//     segments of a film that one player asks for are evaluated once.
//   - In count mode requests are evaluated after they were answered, by one
//     goroutine that takes at most a quarter of a core; what comes faster than it
//     gets through is counted as Skipped and not evaluated. Nothing that matched
//     is remembered: each match is seen.
//   - In block mode a request that is not remembered is evaluated before it is answered.
//
// The rules are compiled when the first distribution needs them: 0.1 s, 15 MB.
package waf

import (
	"context"
	"hash/maphash"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corazawaf/coraza/v3"
)

// Request is what the rules look at. Header is only read while a call runs.
type Request struct {
	Distribution string // id
	WebACL       string // its ARN, named in the log
	ID           string // X-Amz-Cf-Id
	Time         time.Time
	Method       string
	Path         string // escaped
	Query        string // raw, without CloudFront's own parameters
	Protocol     string // "HTTP/1.1"
	Scheme       string // "http" or "https"
	Host         string
	Client       netip.AddrPort
	Header       http.Header
}

// Message is one line of a log.
type Message struct {
	Time time.Time
	Text string
}

// Log takes the firewall's log. Implementations make group and stream when they are missing.
type Log interface {
	Append(ctx context.Context, group, stream string, messages []Message) error
}

// Stats are a distribution's counters since the server's start.
type Stats struct {
	Requests int64 // seen, in whatever mode
	Matched  int64 // of them, those that rules matched strongly enough to block
	Blocked  int64 // of them, those that were refused
	Skipped  int64 // seen in count mode while the firewall was too busy to evaluate them
}

type counters struct{ requests, matched, blocked, skipped atomic.Int64 }

// Config is what a Firewall is made of.
type Config struct {
	Log    Log          // nil keeps none
	Logger *slog.Logger // nil logs nothing
}

// Firewall inspects requests. It is safe for concurrent use; Run is called once.
type Firewall struct {
	cfg   Config
	rules func() (coraza.WAF, error)
	known memory
	queue chan *Request
	log   chan logged

	mu    sync.RWMutex
	stats map[string]*counters
}

const (
	// maxQueue requests wait for count mode; 64 KiB of headers each at worst.
	maxQueue = 256
	// maxLog messages wait to be written; a flood of attacks logs no more than that a second.
	maxLog = 1024
	// restFactor is how much longer than it worked count mode rests: a quarter of a core.
	restFactor = 3
)

// New returns a Firewall. It starts and compiles nothing.
func New(cfg Config) *Firewall {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Firewall{
		cfg: cfg, rules: sync.OnceValues(load), queue: make(chan *Request, maxQueue), log: make(chan logged, maxLog),
		stats: map[string]*counters{},
	}
	f.known.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	return f
}

// Stats returns the counters by distribution.
func (f *Firewall) Stats() map[string]Stats {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := make(map[string]Stats, len(f.stats))
	for id, c := range f.stats {
		out[id] = Stats{Requests: c.requests.Load(), Matched: c.matched.Load(), Blocked: c.blocked.Load(), Skipped: c.skipped.Load()}
	}
	return out
}

func (f *Firewall) counters(id string) *counters {
	f.mu.RLock()
	c := f.stats[id]
	f.mu.RUnlock()
	if c != nil {
		return c
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c = f.stats[id]; c == nil {
		c = &counters{}
		f.stats[id] = c
	}
	return c
}

// Count has r evaluated some time later. It does not block.
func (f *Firewall) Count(r *Request) {
	c := f.counters(r.Distribution)
	c.requests.Add(1)
	if f.known.has(f.known.key(r)) {
		return
	}
	own := *r
	own.Header = maps.Clone(r.Header) // net/http does not use the values again
	select {
	case f.queue <- &own:
	default:
		c.skipped.Add(1)
	}
}

// Block reports whether r is to be refused. If the rules cannot be compiled, which
// a test rules out, everything is.
func (f *Firewall) Block(r *Request) bool {
	c := f.counters(r.Distribution)
	c.requests.Add(1)
	key := f.known.key(r)
	if f.known.has(key) {
		return false
	}
	blocked := f.evaluate(r, key, true)
	if blocked {
		c.blocked.Add(1)
	}
	return blocked
}

// evaluate applies the rules, and reports whether they match strongly enough to block.
func (f *Firewall) evaluate(r *Request, key shape, block bool) bool {
	rules, err := f.rules()
	if err != nil {
		f.cfg.Logger.Error("compile firewall rules", "error", err)
		return true
	}
	uri := r.Path
	if r.Query != "" {
		uri += "?" + r.Query
	}
	tx := rules.NewTransaction()
	defer func() { _ = tx.Close() }()
	tx.ProcessConnection(r.Client.Addr().String(), int(r.Client.Port()), "127.0.0.1", 443)
	tx.ProcessURI(uri, r.Method, r.Protocol)
	tx.SetServerName(r.Host)
	tx.AddRequestHeader("Host", r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			tx.AddRequestHeader(name, v)
		}
	}
	stop := tx.ProcessRequestHeaders()
	if stop == nil {
		if stop, err = tx.ProcessRequestBody(); err != nil { // without a body: the rules of its phase
			f.cfg.Logger.Error("evaluate firewall rules", "error", err)
			return block
		}
	}
	matches := matchesOf(tx.MatchedRules())
	if len(matches) == 0 && stop == nil {
		f.known.add(key)
		return false
	}
	if stop != nil {
		f.counters(r.Distribution).matched.Add(1)
	}
	f.note(r, matches, stop != nil, block)
	return stop != nil
}

// Run evaluates what Count took and writes the log, until ctx ends. It returns nil then.
func (f *Firewall) Run(ctx context.Context) error {
	var writing sync.WaitGroup
	writing.Go(func() { f.writeLog(ctx) })
	defer writing.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-f.queue:
			key := f.known.key(r)
			if f.known.has(key) { // several came before the first was evaluated
				continue
			}
			began := time.Now()
			f.evaluate(r, key, false)
			select {
			case <-ctx.Done():
			case <-time.After(restFactor * time.Since(began)):
			}
		}
	}
}

// shape stands for all requests that the rules cannot tell apart. Its seeds are
// the process's own: nobody outside can make two requests collide.
type shape [2]uint64

// memory remembers the shapes that match no rule.
type memory struct {
	seeds  [2]maphash.Seed
	mu     sync.RWMutex
	shapes map[shape]struct{}
}

// maxShapes bounds the memory to some 2 MB. When it is full all is forgotten and
// evaluated once again.
const maxShapes = 1 << 16

func (m *memory) has(s shape) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, ok := m.shapes[s]
	return ok
}

func (m *memory) add(s shape) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shapes == nil || len(m.shapes) >= maxShapes {
		m.shapes = map[shape]struct{}{}
	}
	m.shapes[s] = struct{}{}
}

// key returns the shape of a request. Headers count whatever their order.
func (m *memory) key(r *Request) (s shape) {
	var line [512]byte
	b := append(line[:0], r.Method...)
	b = append(append(b, ' '), r.Protocol...)
	b = append(append(b, ' '), r.Host...)
	b = appendPathClass(append(b, ' '), r.Path)
	b = append(append(b, '?'), r.Query...)
	for i, seed := range m.seeds {
		s[i] = maphash.Bytes(seed, b)
	}
	for name, values := range r.Header {
		b = append(line[:0], name...)
		for _, v := range values {
			b = append(append(b, 0), valueClass(name, v)...)
		}
		for i, seed := range m.seeds {
			s[i] += maphash.Bytes(seed, b) * 0x9E3779B97F4A7C15
		}
	}
	return s
}

// appendPathClass appends a path, numbers in the file name as "#". Only in plain
// paths, in which nothing is escaped and no rule finds more than a file's name:
// there the rules compare with lists of names, and none of them differ in digits.
func appendPathClass(b []byte, path string) []byte {
	name := strings.LastIndexByte(path, '/') + 1
	for i := range len(path) {
		c := path[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '/' || c == '_' || c == '-' || c == '.' && i+1 < len(path) && path[i+1] != '.' {
			continue
		}
		return append(b, path...)
	}
	b = append(b, path[:name]...)
	digits := false
	for _, c := range []byte(path[name:]) {
		if c >= '0' && c <= '9' {
			if !digits {
				b = append(b, '#')
			}
			digits = true
			continue
		}
		digits = false
		b = append(b, c)
	}
	return b
}

// valueClass returns a header's value, or what stands for all values of its kind.
func valueClass(name, v string) string {
	switch name {
	case "Range":
		if rest, ok := strings.CutPrefix(v, "bytes="); ok && only(rest, "0123456789-") && strings.Count(rest, "-") == 1 {
			return "bytes=#"
		}
	case "If-None-Match", "If-Match", "If-Range":
		if only(strings.TrimPrefix(v, "W/"), `"0123456789abcdefABCDEF-`) && !strings.Contains(v, "--") {
			return "#tag"
		}
	case "If-Modified-Since", "If-Unmodified-Since":
		if _, err := http.ParseTime(v); err == nil {
			return "#date"
		}
	}
	if len(v) >= 16 && len(v) <= 128 && only(v, "0123456789abcdefABCDEF-") && !strings.Contains(v, "--") {
		return "#hex"
	}
	return v
}

func only(s, set string) bool {
	for i := range len(s) {
		if strings.IndexByte(set, s[i]) < 0 {
			return false
		}
	}
	return true
}

package event

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/event/pattern"
	"vodwright.dev/vodwright/internal/fault"
)

// Buckets tells what a bucket's notification configuration asks for;
// *object.Store is it. A bucket that is gone asks for nothing, or is a fault.NotFound.
type Buckets interface {
	Notifications(ctx context.Context, bucket string) ([]Notification, error)
}

// Functions invokes functions; it returns when the invocation is kept.
type Functions interface {
	InvokeAsync(ctx context.Context, functionARN string, payload []byte, sourceARN, sourceAccount, servicePrincipal, lineage string) error
}

// Webhooks calls API destinations. A fault that is Retryable is worth another try,
// after RetryAfter when the error has that.
type Webhooks interface {
	Send(ctx context.Context, arn string, part *HTTPPart, id string, at time.Time, body []byte) (status int, err error)
}

// Jobs makes a job of a created object.
type Jobs interface {
	Start(ctx context.Context, order JobOrder) (JobAnswer, error)
}

// JobOrder is what a target that is a job template is told.
type JobOrder struct {
	Rule, TargetID string
	TemplateARN    string
	RoleARN        string
	Input          json.RawMessage // the target's Input
	Event          Event
	FirstTry       bool      // no attempt failed and the event is some seconds old at most
	Since          time.Time // no attempt was made before
}

// JobAnswer says what became of an order.
type JobAnswer struct {
	JobID   string
	Ignored string // why there is no job though all went well; empty: there is one
}

// DeadLetters keeps what cannot be delivered.
type DeadLetters interface {
	Bury(ctx context.Context, bucket, key string, letter []byte) error
}

// LogLine is one line of a delivery log.
type LogLine struct {
	Time    time.Time
	Message string
}

// Logs writes delivery logs.
type Logs interface {
	Append(ctx context.Context, group, stream string, lines []LogLine) error
}

// Config is what a Bus is made of. Store is needed; what is nil of the others has
// no targets: deliveries to them fail and say so.
type Config struct {
	Store       Store
	Feeds       map[string]Feed // by the name under which their position is kept
	Buckets     Buckets
	Functions   Functions
	Webhooks    Webhooks
	Jobs        Jobs
	DeadLetters DeadLetters
	Logs        Logs
	Account     string // default 000000000000
	Region      string // default us-east-1
	Logger      *slog.Logger

	RouteSlots int              // attempts of one target at once; default 8
	Backoff    time.Duration    // before the first retry, and after the store failed; default 1 s
	Tidy       time.Duration    // how long facts that were told stay at least; default 10 s
	Now        func() time.Time // default time.Now
	Random     func() float64   // 0 to 1, of jitter; default math/rand
}

// place is where events happen.
type place struct{ account, region string }

// Bus matches facts with rules and notifications, and delivers. It is safe for
// concurrent use.
type Bus struct {
	place
	cfg   Config
	store Store
	log   *slog.Logger

	wakes map[string]chan struct{} // by feed

	rulesMu sync.Mutex
	rules   []compiledRule
	version int64

	routesMu sync.Mutex
	routes   map[string]*route
	running  context.Context // of Run, which routes live in; nil outside
	group    sync.WaitGroup  // of routes

	settling chan settlement
}

type compiledRule struct {
	Rule
	pattern *pattern.Pattern
}

// NewBus returns a Bus that does nothing until Run. Put works without Run.
func NewBus(cfg Config) (*Bus, error) {
	if cfg.Store == nil {
		return nil, fault.New(fault.Internal, "", "make an event bus: it needs a store")
	}
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.RouteSlots <= 0 {
		cfg.RouteSlots = 8
	}
	if cfg.Backoff <= 0 {
		cfg.Backoff = firstBackoff
	}
	if cfg.Tidy <= 0 {
		cfg.Tidy = 10 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	b := &Bus{
		place: place{cfg.Account, cfg.Region}, cfg: cfg, store: cfg.Store, log: cfg.Logger,
		wakes: map[string]chan struct{}{}, routes: map[string]*route{}, version: -1, settling: make(chan settlement),
	}
	for name := range cfg.Feeds {
		b.wakes[name] = make(chan struct{}, 1)
	}
	return b, nil
}

// RuleARN names a rule.
func (p place) RuleARN(name string) string {
	return "arn:aws:events:" + p.region + ":" + p.account + ":rule/" + name
}

// Wake says that a feed has something new. It does not wait.
func (b *Bus) Wake(feed string) {
	select {
	case b.wakes[feed] <- struct{}{}:
	default:
	}
}

// Look makes Run look at the feeds and for deliveries: another process may have added
// some.
func (b *Bus) Look(ctx context.Context) {
	for name := range b.wakes {
		b.Wake(name)
	}
	b.resumeRoutes(ctx)
}

// now returns the instant in the precision of the records.
func (b *Bus) now() time.Time { return b.cfg.Now().UTC().Truncate(time.Millisecond) }

const (
	factsAtOnce = 256
	pruneAtOnce = 1000 // facts that go in one transaction: some milliseconds
	// rememberEvery is how often the position of a feed that nobody listens to is stored.
	rememberEvery = time.Second
)

// Run reads the feeds and delivers until ctx ends, and returns nil when all
// attempts have ended; those that were cut short are made again by the next Run,
// here or in another process: one at a time is in Run.
func (b *Bus) Run(ctx context.Context) error {
	settlers, stop := context.WithCancel(context.WithoutCancel(ctx))
	settled := make(chan struct{})
	go func() { b.settleLoop(settlers); close(settled) }()
	b.routesMu.Lock()
	b.running = ctx
	b.routesMu.Unlock()
	var g errgroup.Group
	for name, feed := range b.cfg.Feeds {
		g.Go(func() error { b.feedLoop(ctx, name, feed); return nil })
	}
	g.Go(func() error { b.resumeRoutes(ctx); <-ctx.Done(); return nil })
	err := g.Wait()
	b.routesMu.Lock()
	b.running = nil
	b.routesMu.Unlock()
	b.group.Wait()
	b.routesMu.Lock()
	clear(b.routes)
	b.routesMu.Unlock()
	stop()
	<-settled
	return err
}

// feedLoop reads a feed whenever it has something new, and drops what was read
// some time after; where nothing happens it does nothing.
func (b *Bus) feedLoop(ctx context.Context, name string, feed Feed) {
	f := &feedReader{Bus: b, name: name, feed: feed, stored: -1}
	defer f.remember(context.WithoutCancel(ctx))
	tidy := time.After(b.cfg.Tidy) // what an earlier process left
	for ctx.Err() == nil {
		more, err := f.read(ctx)
		var alarm <-chan time.Time
		switch {
		case err != nil && ctx.Err() == nil:
			b.log.ErrorContext(ctx, "read events", "feed", name, "err", err)
			alarm = time.After(b.cfg.Backoff)
		case more:
			continue
		case f.at != f.stored:
			alarm = time.After(rememberEvery)
		}
		select {
		case <-b.wakes[name]:
			if tidy == nil {
				tidy = time.After(b.cfg.Tidy)
			}
		case <-alarm:
			f.remember(ctx)
		case <-tidy:
			if tidy = nil; f.prune(ctx) {
				tidy = time.After(b.cfg.Tidy)
			}
		case <-ctx.Done():
		}
	}
}

// feedReader is how far a feed is read.
type feedReader struct {
	*Bus
	name       string
	feed       Feed
	at, stored int64 // stored is -1 before the first read
}

// read turns a page of facts into deliveries; more says that there may be another.
func (f *feedReader) read(ctx context.Context) (more bool, err error) {
	if f.stored < 0 {
		if f.at, err = f.store.FeedPosition(ctx, f.name); err != nil {
			return false, err
		}
		f.stored = f.at
	}
	facts, last, err := f.feed.Facts(ctx, f.at, factsAtOnce)
	if err != nil || last == f.at {
		return false, err
	}
	deliveries, err := f.match(ctx, facts)
	if err != nil {
		return false, err
	}
	if len(deliveries) > 0 {
		if err := f.store.Advance(ctx, f.name, last, deliveries); err != nil {
			if fault.Is(err, fault.Conflict) {
				f.stored = -1 // to be asked for again
			}
			return false, err
		}
		f.stored = last
		f.wakeRoutes(deliveries)
	}
	f.at = last
	return true, nil
}

// remember stores the position, which tells of facts that became no deliveries:
// lost, they would be matched again.
func (f *feedReader) remember(ctx context.Context) {
	if f.stored < 0 || f.at == f.stored {
		return
	}
	if err := f.store.Advance(ctx, f.name, f.at, nil); err != nil { // one that is further stays
		f.log.ErrorContext(ctx, "store how far events are read", "feed", f.name, "err", err)
		return
	}
	f.stored = f.at
}

// prune drops a batch of facts that were read; more says that there may be others.
func (f *feedReader) prune(ctx context.Context) (more bool) {
	f.remember(ctx)
	n, err := f.store.Prune(ctx, f.name, pruneAtOnce)
	if err != nil && ctx.Err() == nil {
		f.log.ErrorContext(ctx, "drop events that were read", "feed", f.name, "err", err)
	}
	return err != nil || n == pruneAtOnce
}

// Put delivers events of callers: they are on the disk, with all that must
// follow from them, when it returns.
func (b *Bus) Put(ctx context.Context, events []Event, lineage string) error {
	facts := make([]Fact, len(events))
	for i, e := range events {
		facts[i] = Fact{Event: e, Lineage: lineage}
	}
	deliveries, err := b.match(ctx, facts)
	if err != nil || len(deliveries) == 0 {
		return err
	}
	if err := b.store.Advance(ctx, "", 0, deliveries); err != nil {
		return err
	}
	b.wakeRoutes(deliveries)
	return nil
}

// currentRules returns the rules that are enabled and have targets, compiled.
func (b *Bus) currentRules(ctx context.Context) ([]compiledRule, error) {
	version, err := b.store.RulesVersion(ctx)
	if err != nil {
		return nil, err
	}
	b.rulesMu.Lock()
	defer b.rulesMu.Unlock()
	if version == b.version {
		return b.rules, nil
	}
	rules, err := b.store.Rules(ctx) // they may be newer than the version: they are read again then
	if err != nil {
		return nil, err
	}
	b.rules = nil
	for _, r := range rules {
		if r.Disabled || len(r.Targets) == 0 {
			continue
		}
		p, err := pattern.Parse(r.Pattern)
		if err != nil {
			b.log.ErrorContext(ctx, "a rule's pattern cannot be read; it matches nothing", "rule", r.Name, "err", err)
			continue
		}
		b.rules = append(b.rules, compiledRule{r, p})
	}
	b.version = version
	return b.rules, nil
}

// match makes the deliveries of facts.
func (b *Bus) match(ctx context.Context, facts []Fact) ([]Delivery, error) {
	rules, err := b.currentRules(ctx)
	if err != nil {
		return nil, err
	}
	now := b.now()
	var out []Delivery
	asked := map[string][]Notification{} // by bucket, of this page
	for _, f := range facts {
		if f.Object != nil {
			told, err := b.notify(ctx, f.Object, asked, now)
			if err != nil {
				return nil, err
			}
			out = append(out, told...)
			if len(rules) == 0 || !toEventBridge(asked[f.Object.Bucket]) {
				continue
			}
			if f.Event, err = b.objectEvent(*f.Object); err != nil {
				return nil, err
			}
		}
		if f.Failure != nil {
			line, ok, err := b.failureLine(ctx, f, now)
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, line)
			}
		}
		matched, err := b.matchRules(f, rules, now)
		if err != nil {
			return nil, err
		}
		out = append(out, matched...)
	}
	return out, nil
}

func toEventBridge(list []Notification) bool {
	for _, n := range list {
		if n.EventBridge {
			return true
		}
	}
	return false
}

// notify makes the deliveries of the bucket's own configuration.
func (b *Bus) notify(ctx context.Context, o *ObjectEvent, asked map[string][]Notification, now time.Time) ([]Delivery, error) {
	list, ok := asked[o.Bucket]
	if !ok && b.cfg.Buckets != nil {
		var err error
		list, err = b.cfg.Buckets.Notifications(ctx, o.Bucket)
		if err != nil && !fault.Is(err, fault.NotFound) { // it went
			return nil, err
		}
		asked[o.Bucket] = list
	}
	var out []Delivery
	for _, n := range list {
		if n.FunctionARN == "" || !n.Matches(*o) {
			continue
		}
		body, err := b.s3Message(*o, n.ID)
		if err != nil {
			return nil, err
		}
		subject := "s3://" + o.Bucket + "/" + o.Key
		route := "bucket/" + o.Bucket + "/" + n.ID + "/" + n.FunctionARN
		out = append(out, Delivery{Route: route, Lane: StableID(route, subject), Due: now, Letter: Letter{
			Bucket: o.Bucket, Config: n.ID, Function: n.FunctionARN, EventID: StableID("s3", o.Sequencer),
			Subject: subject, Kind: string(o.Name), Lineage: o.Request.Lineage, Created: now, Body: body,
		}})
	}
	return out, nil
}

func (b *Bus) matchRules(f Fact, rules []compiledRule, now time.Time) ([]Delivery, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	body, err := f.Event.MarshalJSON()
	if err != nil {
		return nil, err
	}
	parsed, err := pattern.ParseEvent(body)
	if err != nil {
		return nil, err
	}
	subject, lineage := f.Subject, f.Lineage
	if f.Object != nil {
		subject, lineage = "s3://"+f.Object.Bucket+"/"+f.Object.Key, f.Object.Request.Lineage
	}
	order := subject
	if order == "" {
		order = f.Event.ID
	}
	var out []Delivery
	for _, r := range rules {
		if !r.pattern.Match(parsed) {
			continue
		}
		for _, t := range r.Targets {
			route := "rule/" + r.Name + "/" + t.ID
			out = append(out, Delivery{Route: route, Lane: StableID(route, order), Due: now, Letter: Letter{
				Rule: r.Name, TargetID: t.ID, EventID: f.Event.ID, Subject: subject, Kind: f.Event.DetailType,
				Lineage: lineage, Created: now, Body: body,
			}})
		}
	}
	return out, nil
}

package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/store"
)

func openStore(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// objects is the feed of the store's events of objects, as the server wires it.
type objects struct{ *store.Store }

func (o objects) Facts(ctx context.Context, after int64, limit int) ([]event.Fact, int64, error) {
	list, last, err := o.ObjectEvents(ctx, after, limit)
	var facts []event.Fact
	for i := range list {
		facts = append(facts, event.Fact{Object: &list[i]})
	}
	return facts, last, err
}

// buckets tell everybody who is listed.
type buckets []event.Notification

func (b buckets) Notifications(context.Context, string) ([]event.Notification, error) { return b, nil }

// call is an invocation of a function.
type call struct{ arn, source, principal, lineage, payload string }

// functions records invocations; fail, when set, says how one ends.
type functions struct {
	mu    sync.Mutex
	calls []call
	fail  func(n int, c call) error // n is how many there were before
}

func (f *functions) InvokeAsync(ctx context.Context, arn string, payload []byte, source, account, principal, lineage string) error {
	f.mu.Lock()
	n := len(f.calls)
	c := call{arn, source, principal, lineage, string(payload)}
	f.calls = append(f.calls, c)
	fail := f.fail
	f.mu.Unlock()
	if fail != nil {
		return fail(n, c)
	}
	return nil
}

func (f *functions) list() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// letters and lines record dead letters and the delivery log.
type letters struct {
	mu    sync.Mutex
	at    []string
	texts []string
	fail  error
}

func (l *letters) Bury(_ context.Context, bucket, key string, letter []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fail; err != nil {
		l.fail = nil
		return err
	}
	l.at, l.texts = append(l.at, bucket+"/"+key), append(l.texts, string(letter))
	return nil
}

type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Append(_ context.Context, group, stream string, list []event.LogLine) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range list {
		l.text = append(l.text, group+" "+stream+" "+line.Message)
	}
	return nil
}

func (l *lines) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.text)
}

func put(t *testing.T, s *store.Store, n int, key string) event.ObjectEvent {
	t.Helper()
	e := event.ObjectEvent{
		Bucket: "media", Key: key, Size: int64(n), ETag: "e", Name: event.ObjectCreatedPut, Sequencer: fmt.Sprintf("%03d", n),
		Time: time.UnixMilli(1700000000000 + int64(n)).UTC(), Request: event.Request{Lineage: "Root=1"},
	}
	newest, err := s.AppendObjectEvents(t.Context(), []event.ObjectEvent{e})
	if err == nil {
		err = s.ReleaseObjectEvents(t.Context(), newest) // no journal tells it again
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func rule(t *testing.T, s *store.Store, name, pattern string, targets ...event.Target) {
	t.Helper()
	if err := s.PutRule(t.Context(), event.Rule{Name: name, Pattern: pattern, Created: time.Now()}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.ChangeRule(t.Context(), name, func(r *event.Rule) error { r.Targets = targets; return nil }); err != nil {
		t.Fatal(err)
	}
}

const everything = `{"source":[{"exists":true}]}`

func function(name string) string { return "arn:aws:lambda:us-east-1:000000000000:function:" + name }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-tick.C
	}
}

// run runs a bus until ctx ends, or the returned function is called.
func run(t *testing.T, ctx context.Context, cfg event.Config) (*event.Bus, func()) {
	t.Helper()
	cfg.Random = func() float64 { return 0 }
	if cfg.Backoff == 0 {
		cfg.Backoff = 2 * time.Millisecond
	}
	if cfg.Tidy == 0 {
		cfg.Tidy = time.Millisecond // while deliveries are made
	}
	bus, err := event.NewBus(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- bus.Run(ctx) }()
	var once sync.Once
	end := func() {
		once.Do(func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(end)
	return bus, end
}

func delivered(t *testing.T, s *store.Store) func() bool {
	return func() bool {
		routes, err := s.DeliveryRoutes(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return len(routes) == 0
	}
}

// stopper is a store that, at its nth call, ends the process that the test plays:
// before or after the call is made, and for good.
type stopper struct {
	event.Store
	mu    sync.Mutex
	left  int
	after bool
	dead  bool
	kill  context.CancelFunc
}

var errKilled = errors.New("the process is dead")

func (s *stopper) step(do func() error) error {
	s.mu.Lock()
	s.left--
	last := s.left == 0
	if s.dead || last && !s.after {
		s.dead = true
		s.mu.Unlock()
		s.kill()
		return errKilled
	}
	s.dead = s.dead || last
	s.mu.Unlock()
	err := do()
	if last {
		s.kill()
		return errKilled
	}
	return err
}

func (s *stopper) FeedPosition(ctx context.Context, feed string) (p int64, err error) {
	return p, s.step(func() error { p, err = s.Store.FeedPosition(ctx, feed); return err })
}

func (s *stopper) Advance(ctx context.Context, feed string, position int64, d []event.Delivery) error {
	return s.step(func() error { return s.Store.Advance(ctx, feed, position, d) })
}

func (s *stopper) DueDeliveries(ctx context.Context, route string, now time.Time, limit int) (d []event.Delivery, next time.Time, err error) {
	err = s.step(func() error { d, next, err = s.Store.DueDeliveries(ctx, route, now, limit); return err })
	return d, next, err
}

func (s *stopper) SettleDeliveries(ctx context.Context, o []event.Outcome) error {
	return s.step(func() error { return s.Store.SettleDeliveries(context.WithoutCancel(ctx), o) })
}

func (s *stopper) Prune(ctx context.Context, feed string, limit int) (n int, err error) {
	return n, s.step(func() error { n, err = s.Store.Prune(ctx, feed, limit); return err })
}

// TestEveryStepMayBeTheLast stops the bus before and after each of its calls of
// the store and lets another go on: every event reaches every target at least
// once, those of a key in order.
func TestEveryStepMayBeTheLast(t *testing.T) {
	for _, after := range []bool{false, true} {
		for step := 1; ; step++ {
			s := openStore(t, filepath.Join(t.TempDir(), "records.db"))
			rule(t, s, "r", everything, event.Target{ID: "one", ARN: function("one")}, event.Target{ID: "two", ARN: function("two")})
			var want []string
			for n := range 6 {
				put(t, s, n, fmt.Sprintf("key%d", n%2))
				want = append(want, fmt.Sprintf("%03d", n))
			}
			f := &functions{}
			cfg := event.Config{Feeds: map[string]event.Feed{"objects": objects{s}}, Buckets: buckets{{EventBridge: true}}, Functions: f}
			ctx, kill := context.WithCancel(t.Context())
			broken := &stopper{Store: s, left: step, after: after, kill: kill}
			cfg.Store = broken
			bus, end := run(t, ctx, cfg)
			eventually(t, "it ends, or all is delivered", func() bool {
				return ctx.Err() != nil || len(f.list()) >= 12 && delivered(t, s)()
			})
			_ = bus
			done := ctx.Err() == nil
			end()
			kill()
			cfg.Store = s
			_, end = run(t, t.Context(), cfg)
			eventually(t, "the next one delivers the rest", func() bool {
				left, _, err := s.ObjectEvents(t.Context(), 0, 10)
				return err == nil && len(left) == 0 && delivered(t, s)()
			})
			end()
			if p, err := s.FeedPosition(t.Context(), "objects"); err != nil || p != 6 {
				t.Errorf("the feed is read up to %d, %v", p, err)
			}
			checkOrder(t, f.list(), want, fmt.Sprintf("step %d, after %v", step, after))
			if done {
				if step < 8 {
					t.Errorf("only %d steps: the test looks at too little", step)
				}
				break
			}
			s.Close()
			if t.Failed() {
				return
			}
		}
	}
}

// checkOrder checks that each target got each event, and first those of a key that came first.
func checkOrder(t *testing.T, calls []call, want []string, where string) {
	t.Helper()
	for _, target := range []string{function("one"), function("two")} {
		first := map[string][]string{} // by key: the order of first arrivals
		seen := map[string]bool{}
		for _, c := range calls {
			var e struct {
				ID     string `json:"id"`
				Detail event.ObjectDetail
			}
			if err := json.Unmarshal([]byte(c.payload), &e); err != nil {
				t.Fatal(err)
			}
			if c.arn != target || seen[e.ID] {
				continue
			}
			seen[e.ID] = true
			o := e.Detail.Object
			first[o.Key] = append(first[o.Key], fmt.Sprintf("%03d", *o.Size))
		}
		if len(seen) != len(want) {
			t.Errorf("%s: %s got %d of %d events", where, target, len(seen), len(want))
		}
		for key, order := range first {
			if !slices.IsSorted(order) {
				t.Errorf("%s: %s got the events of %s in the order %v", where, target, key, order)
			}
		}
	}
}

func TestRetriesDeadLettersAndTheLog(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "records.db"))
	two, none := 2, 0
	rule(t, s, "r", everything,
		event.Target{ID: "again", ARN: function("again"), Retry: event.RetryPolicy{MaxAttempts: &two}, DeadLetterARN: "arn:aws:s3:::letters/of/mine"},
		event.Target{ID: "never", ARN: function("never"), DeadLetterARN: function("letters")},
		event.Target{ID: "once", ARN: function("once"), Retry: event.RetryPolicy{MaxAttempts: &none}},
	)
	put(t, s, 1, "a b")
	f := &functions{fail: func(n int, c call) error {
		switch c.arn {
		case function("again"), function("once"):
			return fault.New(fault.Unavailable, "Busy", "it is busy")
		case function("never"):
			return fault.New(fault.Denied, "AccessDeniedException", "it may not")
		}
		return nil
	}}
	buried, log := &letters{fail: fault.New(fault.Unavailable, "", "the disk is full")}, &lines{}
	run(t, t.Context(), event.Config{
		Store: s, Feeds: map[string]event.Feed{"objects": objects{s}}, Buckets: buckets{{EventBridge: true}}, Functions: f, DeadLetters: buried, Logs: log,
	})
	eventually(t, "all is settled", func() bool { return len(log.list()) >= 8 && delivered(t, s)() })
	count := map[string]int{}
	for _, c := range f.list() {
		count[c.arn]++
		if c.source != "arn:aws:events:us-east-1:000000000000:rule/r" || c.principal != "events.amazonaws.com" || c.lineage != "Root=1" {
			t.Errorf("invoked as %+v", c)
		}
	}
	if want := map[string]int{function("again"): 3, function("never"): 1, function("once"): 1, function("letters"): 1}; fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("invocations %v, want %v", count, want)
	}
	id := event.StableID("s3", "001")
	if len(buried.at) != 1 || buried.at[0] != "letters/of/mine/r/again/"+id+".json" ||
		!strings.Contains(buried.texts[0], `"ERROR_CODE":"Busy","ERROR_MESSAGE":"it is busy","EXHAUSTED_RETRY_CONDITION":"MaximumRetryAttempts","RETRY_ATTEMPTS":2,"RULE_ARN":"arn:aws:events:us-east-1:000000000000:rule/r","TARGET_ARN":"`+function("again")+`","event":{"version":"0","id":"`+id) {
		t.Errorf("dead letters %v %v", buried.at, buried.texts)
	}
	outcomes := map[string][]string{}
	for _, l := range log.list() {
		parts := strings.SplitN(l, " ", 3)
		var e struct{ Outcome, Reason string }
		if err := json.Unmarshal([]byte(parts[2]), &e); err != nil || parts[0] != "/vodwright/events/r" {
			t.Fatalf("%s: %v", l, err)
		}
		outcomes[parts[1]] = append(outcomes[parts[1]], e.Outcome)
	}
	want := map[string][]string{"again": {"RETRY", "RETRY", "FAILED", "RETRY", "DEAD_LETTERED"}, "never": {"FAILED", "DEAD_LETTERED"}, "once": {"FAILED"}}
	if fmt.Sprint(outcomes) != fmt.Sprint(want) {
		t.Errorf("the log tells %v, want %v", outcomes, want)
	}
}

// later is a failure that asks for patience.
type later struct{ error }

func (later) RetryAfter() time.Duration { return time.Hour }
func (l later) Unwrap() error           { return l.error }

// TestAnEventGrowsTooOld gives up when the next attempt would come after the
// event's greatest age: by its backoff, or because the target asks for patience.
func TestAnEventGrowsTooOld(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "records.db"))
	minute := time.Minute
	rule(t, s, "r", everything, event.Target{ID: "patient", ARN: function("patient"), Retry: event.RetryPolicy{MaxAge: &minute}})
	put(t, s, 1, "a")
	f := &functions{fail: func(n int, _ call) error {
		err := error(fault.New(fault.Unavailable, "HTTP_429", "slow down"))
		if n > 0 {
			err = later{err}
		}
		return err
	}}
	log := &lines{}
	run(t, t.Context(), event.Config{Store: s, Feeds: map[string]event.Feed{"objects": objects{s}}, Buckets: buckets{{EventBridge: true}}, Functions: f, Logs: log})
	eventually(t, "it is given up", func() bool { return len(log.list()) >= 2 && delivered(t, s)() })
	if l := log.list(); len(l) != 2 || !strings.Contains(l[0], `"outcome":"RETRY"`) || !strings.Contains(l[1], `"outcome":"FAILED"`) || !strings.Contains(l[1], `"reason":"MaximumEventAgeInSeconds"`) {
		t.Errorf("the log tells %q", l)
	}
}

// TestARuleThatWentGetsNothingMore drops what waits for a retry.
func TestARuleThatWentGetsNothingMore(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "records.db"))
	rule(t, s, "r", everything, event.Target{ID: "t", ARN: function("t")})
	put(t, s, 1, "a")
	f := &functions{fail: func(int, call) error { return fault.New(fault.Unavailable, "", "busy") }}
	log := &lines{}
	run(t, t.Context(), event.Config{Store: s, Feeds: map[string]event.Feed{"objects": objects{s}}, Buckets: buckets{{EventBridge: true}}, Functions: f, Logs: log})
	eventually(t, "it is tried", func() bool { return len(log.list()) > 0 })
	if err := s.DeleteRule(t.Context(), "r", func(event.Rule) error { return nil }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing waits any more", delivered(t, s))
	if l := log.list(); !strings.Contains(l[len(l)-1], `"outcome":"DROPPED"`) {
		t.Errorf("the log ends with %s", l[len(l)-1])
	}
}

// TestASlowTargetHoldsUpNobody hangs one target, and one key of another.
func TestASlowTargetHoldsUpNobody(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "records.db"))
	rule(t, s, "r", everything, event.Target{ID: "quick", ARN: function("quick")}, event.Target{ID: "slow", ARN: function("slow")})
	release := make(chan struct{})
	f := &functions{fail: func(_ int, c call) error {
		if c.arn == function("slow") && strings.Contains(c.payload, `"key":"stuck"`) {
			<-release
		}
		return nil
	}}
	cfg := event.Config{Store: s, Feeds: map[string]event.Feed{"objects": objects{s}}, Buckets: buckets{{EventBridge: true}}, Functions: f}
	bus, _ := run(t, t.Context(), cfg)
	for n := range 20 {
		put(t, s, n, []string{"stuck", "free"}[n%2])
	}
	bus.Wake("objects")
	eventually(t, "everything else is delivered", func() bool { return len(f.list()) == 20+10+1 })
	close(release)
	eventually(t, "the stuck key goes on", delivered(t, s))
	checkOrder(t, renamed(f.list()), make([]string, 20), "slow")
}

// renamed gives the calls of quick and slow the names that checkOrder knows.
func renamed(calls []call) []call {
	for i := range calls {
		calls[i].arn = strings.NewReplacer(":quick", ":one", ":slow", ":two").Replace(calls[i].arn)
	}
	return calls
}

// TestOrderHoldsThroughFailures fails at random: no event of a key overtakes another.
func TestOrderHoldsThroughFailures(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "records.db"))
	rule(t, s, "r", everything, event.Target{ID: "one", ARN: function("one")}, event.Target{ID: "two", ARN: function("two")})
	var took functions
	f := &functions{fail: func(n int, c call) error {
		if n%3 != 0 {
			return fault.New(fault.Unavailable, "", "try again")
		}
		return took.InvokeAsync(context.Background(), c.arn, []byte(c.payload), "", "", "", "")
	}}
	for n := range 30 {
		put(t, s, n, fmt.Sprintf("key%d", n%3))
	}
	run(t, t.Context(), event.Config{Store: s, Feeds: map[string]event.Feed{"objects": objects{s}}, Buckets: buckets{{EventBridge: true}}, Functions: f})
	eventually(t, "all is delivered", func() bool { return len(took.list()) == 60 && delivered(t, s)() })
	checkOrder(t, took.list(), make([]string, 30), "failures")
}

// TestNotifications checks who is told of what by a bucket's own configuration,
// and that a rule that is gone gets nothing more.
func TestNotifications(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "records.db"))
	f := &functions{}
	list := buckets{
		{ID: "videos", Events: []string{"ObjectCreated:*"}, Prefix: "in/", Suffix: ".mp4", FunctionARN: function("videos")},
		{ID: "copies", Events: []string{"ObjectCreated:Copy"}, FunctionARN: function("copies")},
	}
	rule(t, s, "r", everything, event.Target{ID: "x", ARN: function("rule")}) // EventBridge is off
	e := put(t, s, 1, "in/a b+ü.mp4")
	put(t, s, 2, "in/text.txt")
	run(t, t.Context(), event.Config{Store: s, Feeds: map[string]event.Feed{"objects": objects{s}}, Buckets: list, Functions: f})
	eventually(t, "all is delivered", func() bool { return len(f.list()) > 0 && delivered(t, s)() })
	calls := f.list()
	if len(calls) != 1 || calls[0].arn != function("videos") || calls[0].source != "arn:aws:s3:::media" || calls[0].principal != "s3.amazonaws.com" {
		t.Fatalf("calls %+v", calls)
	}
	want := `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2023-11-14T22:13:20.001Z","eventName":"ObjectCreated:Put",` +
		`"userIdentity":{"principalId":"000000000000"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},"responseElements":{"x-amz-id-2":"ID2","x-amz-request-id":"ID"},` +
		`"s3":{"s3SchemaVersion":"1.0","configurationId":"videos","bucket":{"name":"media","ownerIdentity":{"principalId":"000000000000"},"arn":"arn:aws:s3:::media"},` +
		`"object":{"key":"in/a+b%2B%C3%BC.mp4","size":1,"eTag":"e","sequencer":"303031"}}}]}`
	var got struct {
		Records []struct{ ResponseElements map[string]string }
	}
	if err := json.Unmarshal([]byte(calls[0].payload), &got); err != nil {
		t.Fatal(err)
	}
	ids := got.Records[0].ResponseElements
	want = strings.NewReplacer(`"ID2"`, `"`+ids["x-amz-id-2"]+`"`, `"ID"`, `"`+ids["x-amz-request-id"]+`"`).Replace(want)
	if calls[0].payload != want {
		t.Errorf("got  %s\nwant %s", calls[0].payload, want)
	}
	_ = e
}

package function

import (
	"context"
	"errors"
	"sync"
	"time"
)

// page is how many events are read at once.
const page = 100

// lookAgain bounds how long the dispatcher waits when the store fails.
const lookAgain = 5 * time.Second

// dispatcher hands events to goroutines: as many of one function side by side as
// its share, so that a slow function does not hold up the others and a reserved
// one does not throttle its own events.
type dispatcher struct {
	f     *Functions
	share map[string]int // by function, of those that have a reservation; of the loop alone

	mu   sync.Mutex
	busy map[string]bool // events, by id
	done map[string]bool // those that were handled since due ones began to be read
	side map[string]int  // by function
	wg   sync.WaitGroup
}

func newDispatcher(f *Functions) *dispatcher {
	return &dispatcher{f: f, share: map[string]int{}, busy: map[string]bool{}, done: map[string]bool{}, side: map[string]int{}}
}

// dispatch handles events as they become due, until ctx ends and those that are
// handled have stopped.
func (f *Functions) dispatch(ctx context.Context) error {
	d := newDispatcher(f)
	defer d.wg.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.wake:
		case <-timer.C:
		}
		wait, err := d.startDue(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			f.log.WarnContext(ctx, "events of functions wait", "err", err)
			wait = lookAgain
		}
		timer.Reset(wait)
	}
}

// startDue starts what is due and has a place, and returns how long nothing else will be.
func (d *dispatcher) startDue(ctx context.Context) (time.Duration, error) {
	d.mu.Lock()
	var full []string
	for name, n := range d.side {
		if n >= d.shareOf(name) {
			full = append(full, name)
		}
	}
	limit := page + len(d.busy)
	clear(d.done)
	d.mu.Unlock()
	now := d.f.cfg.Now()
	events, err := d.f.cfg.Queue.DueEvents(ctx, now, limit, full)
	if err != nil {
		return 0, err
	}
	looked := map[string]bool{}
	for _, e := range events {
		if !looked[e.Function] {
			looked[e.Function] = true
			d.learn(ctx, e.Function)
		}
		d.start(ctx, e)
	}
	if len(events) == limit { // there may be more, of other functions
		d.f.look()
	}
	next, err := d.f.cfg.Queue.NextEvent(ctx, now)
	if err != nil {
		return 0, err
	}
	if next.IsZero() {
		return time.Hour, nil // a new event wakes us
	}
	return max(next.Sub(d.f.cfg.Now()), time.Millisecond), nil
}

// learn looks up how many events of a function may be handled at the same time.
func (d *dispatcher) learn(ctx context.Context, name string) {
	delete(d.share, name)
	if fn, err := d.f.cfg.Records.Function(ctx, name); err == nil && fn.Reserved != nil && *fn.Reserved > 0 {
		d.share[name] = min(*fn.Reserved, d.f.cfg.Side)
	}
}

func (d *dispatcher) shareOf(name string) int {
	if n, ok := d.share[name]; ok {
		return n
	}
	return d.f.cfg.Side
}

func (d *dispatcher) start(ctx context.Context, e Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[e.ID] || d.done[e.ID] || d.side[e.Function] >= d.shareOf(e.Function) {
		return
	}
	d.busy[e.ID] = true
	d.side[e.Function]++
	d.wg.Go(func() {
		err := d.f.handle(ctx, e)
		if err != nil && !errors.Is(err, context.Canceled) {
			d.f.log.ErrorContext(ctx, "an event of a function is kept and tried again", "function", e.Function, "request", e.ID, "err", err)
			select { // the store is in trouble: not at once
			case <-ctx.Done():
			case <-time.After(lookAgain):
			}
		}
		d.mu.Lock()
		delete(d.busy, e.ID)
		d.done[e.ID] = true
		if d.side[e.Function]--; d.side[e.Function] == 0 {
			delete(d.side, e.Function)
		}
		d.mu.Unlock()
		d.f.look()
	})
}

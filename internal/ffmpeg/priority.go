package ffmpeg

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Somebody waits for what an urgent process makes, so those that are patient leave the
// cores to it: they are stopped (SIGSTOP) until it has ended. Stopping is exact where
// nice values are not: Linux groups processes by session, and weighs only those of one
// session against each other by them.

// Urgently returns a context whose processes are urgent.
func Urgently(ctx context.Context) context.Context {
	return context.WithValue(ctx, urgencyKey{}, true)
}

type urgencyKey struct{}

func urgent(ctx context.Context) bool {
	is, _ := ctx.Value(urgencyKey{}).(bool)
	return is
}

const (
	// coresOfUrgent is how many cores an urgent process keeps busy: it decodes in one
	// thread, scales and encodes in another.
	coresOfUrgent = 2
	// mostStopped is how long a patient process stands still before it runs for as long
	// again, whoever waits: it is work of somebody, too.
	mostStopped = 4 * time.Second
)

// yard holds the running processes that are patient while others are urgent.
type yard struct {
	cores int

	mu      sync.Mutex
	urgent  int
	patient []*tenant
	alarm   *time.Timer // for who has stood still, or run, for long enough; nil is none
}

// tenant is a patient process.
type tenant struct {
	signal  func(syscall.Signal)
	stopped bool
	since   time.Time // when it was stopped, or when it began to run after having been stopped for long
	immune  bool      // it runs until mostStopped after since
}

// enter is told that an urgent process starts; leave ends that.
func (y *yard) enter() (leave func()) {
	y.add(1)
	return func() { y.add(-1) }
}

func (y *yard) add(n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.urgent += n
	y.settle()
}

// admit takes a patient process that has just started, to which signal sends signals.
// Its end has to be told by leave, after which it gets none.
func (y *yard) admit(signal func(syscall.Signal)) (leave func()) {
	t := &tenant{signal: signal}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.patient = append(y.patient, t)
	y.settle()
	return func() {
		y.mu.Lock()
		defer y.mu.Unlock()
		y.patient = slices.DeleteFunc(y.patient, func(o *tenant) bool { return o == t })
		y.settle()
	}
}

// settle stops as many patient processes as the urgent ones need cores, the latest
// first, and has the others go on. y.mu is held.
func (y *yard) settle() {
	if y.alarm != nil {
		y.alarm.Stop()
		y.alarm = nil
	}
	now := time.Now()
	room := len(y.patient)
	if y.urgent > 0 {
		room = max(y.cores-coresOfUrgent*y.urgent, 0)
	}
	next := time.Time{}
	wait := func(t *tenant) {
		if at := t.since.Add(mostStopped); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for i, t := range y.patient {
		over := now.Sub(t.since) >= mostStopped
		t.immune = t.immune && !over
		switch {
		case i < room:
			t.run(now, false)
		case t.stopped && over:
			t.run(now, true)
			wait(t)
		case t.immune:
			wait(t)
		default:
			if !t.stopped {
				t.stopped, t.since = true, now
				t.signal(syscall.SIGSTOP)
			}
			wait(t)
		}
	}
	if y.urgent > 0 && !next.IsZero() {
		y.alarm = time.AfterFunc(max(next.Sub(now), time.Millisecond), func() { y.add(0) })
	}
}

func (t *tenant) run(now time.Time, immune bool) {
	if !t.stopped {
		return
	}
	t.stopped, t.immune, t.since = false, immune, now
	t.signal(syscall.SIGCONT)
}

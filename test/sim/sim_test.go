package sim

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/internal/job"
)

var (
	workers = flag.Int("workers", 50, "places for tasks")
	jobs    = flag.Int("jobs", 800, "queued jobs")
	table   = flag.String("table", "", "file for the table of docs/SCALING.md")
)

// clock is real time: inside of a run, time.Now is the simulated one.
func clock() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return time.Duration(t.Nano())
}

// Costs of one core, recorded: a ladder of 360, 540 and 720 lines of 720p film with
// preset medium, as docs/BENCHMARKS.md has it, takes 1.25 CPU seconds a second of film.
const (
	chunkCost  = 1.25                   // CPU seconds a second of film
	audioCost  = 0.02                   // likewise
	finishCost = 0.05                   // likewise: packing, publishing, decoding all of it
	fixedCost  = 300 * time.Millisecond // of each process, and of a look at a source
)

// film is a job of the mix.
type film struct {
	Seconds  float64 `json:"seconds"`
	Class    string  `json:"class"`
	queue    string
	priority int

	id                    string
	admitted, first, done time.Time
}

// mix draws a film: most are clips, a few are as long as features.
func mix(r *rand.Rand, i int) *film {
	f := &film{queue: fmt.Sprintf("team-%d", i%4)}
	between := func(a, b float64) float64 { return a + (b-a)*r.Float64() }
	switch n := r.Float64(); {
	case n < 0.700:
		f.Class, f.Seconds = "clip", between(5, 60)
	case n < 0.950:
		f.Class, f.Seconds = "short", between(60, 300)
	case n < 0.995:
		f.Class, f.Seconds = "long", between(300, 1800)
	default:
		f.Class, f.Seconds = "feature", between(3600, 10800)
	}
	switch n := r.Float64(); {
	case n < 0.1:
		f.priority = 10
	case n < 0.2:
		f.priority = -10
	}
	return f
}

// step is how often tasks report; a worker tells twice a second, which is what is counted.
const step = 5 * time.Second

// carried is a job.Runner that takes the time that tasks take, and does nothing.
type carried struct {
	mu   sync.Mutex
	rand *rand.Rand
	busy time.Duration
	did  func(id, task string, took time.Duration)
}

func (c *carried) Run(ctx context.Context, t job.Task, _ job.Outputs, report func(job.Progress)) (job.Result, error) {
	var cost time.Duration
	var result job.Result
	if t.Name == "probe" {
		var first job.FirstTask
		var f film
		if err := json.Unmarshal(t.Payload, &first); err != nil {
			return result, err
		}
		if err := json.Unmarshal(first.Request, &f); err != nil {
			return result, err
		}
		cost = fixedCost + time.Duration(f.Seconds*float64(time.Millisecond))
		result.Next = stages(f.Seconds)
	} else if err := json.Unmarshal(t.Payload, &cost); err != nil {
		return result, err
	}
	c.mu.Lock()
	cost = time.Duration(float64(cost) * (0.7 + 0.6*c.rand.Float64())) // films are not alike
	c.mu.Unlock()
	for left := cost; left > 0; left -= step {
		timer := time.NewTimer(min(left, step))
		select {
		case <-timer.C:
			report(job.Progress{Done: int64(cost - left), Total: int64(cost)})
			c.mu.Lock()
			c.busy += min(left, step)
			c.mu.Unlock()
		case <-ctx.Done():
			timer.Stop()
			return result, context.Cause(ctx)
		}
	}
	c.did(t.Job, t.Name, cost)
	return result, nil
}

func (*carried) Discard(context.Context, string, job.Status) error { return nil }

// stages are the tasks of a film, as long as plan makes them.
func stages(seconds float64) [][]job.Task {
	length := min(max(10, seconds/400), 60)
	var encodes []job.Task
	add := func(name string, cost time.Duration) {
		doc, _ := json.Marshal(cost)
		encodes = append(encodes, job.Task{Name: name, Phase: "TRANSCODING", Weight: int64(cost), Payload: doc})
	}
	add("audio/0", fixedCost+time.Duration(seconds*audioCost*float64(time.Second)))
	for i := 0; float64(i)*length < seconds; i++ {
		part := min(length, seconds-float64(i)*length)
		add(fmt.Sprintf("chunk/0/%d", i), fixedCost+time.Duration(part*chunkCost*float64(time.Second)))
	}
	doc, _ := json.Marshal(fixedCost + time.Duration(seconds*finishCost*float64(time.Second)))
	return [][]job.Task{encodes, {{Name: "finish", Phase: "UPLOADING", Weight: 1, Payload: doc}}}
}

// counted is a Ledger that knows what goes over the network.
type counted struct {
	job.Ledger
	count *counts
}

func size(v any) int {
	doc, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return len(doc) + 100 // subject, envelope
}

func (c counted) Claim(ctx context.Context, r job.Ref) (job.Task, error) {
	t, err := c.Ledger.Claim(ctx, r)
	c.count.message("claim", size(r)+size(t))
	return t, err
}

func (c counted) Complete(ctx context.Context, t job.Task, r job.Result) error {
	c.count.message("complete", size(t)+size(r)+100)
	return c.Ledger.Complete(ctx, t, r)
}

func (c counted) Report(t job.Task, p job.Progress) {
	for range step / (500 * time.Millisecond) {
		c.count.message("progress", 250)
	}
	c.Ledger.Report(t, p)
}

// outcome is what a run shows.
type outcome struct {
	films      []*film
	began      time.Time
	took, busy time.Duration
	loaded     time.Duration // until the last job was admitted
	busyLoaded time.Duration
	work       []map[string]time.Duration // carried for each queue, by minute
	count      *counts
	real       time.Duration
}

// simulate runs the films with so many workers until all are complete.
func simulate(t *testing.T, films []*film, workers int) *outcome {
	out := &outcome{films: films, count: &counts{messages: map[string]int64{}, bytes: map[string]int64{}}}
	began := clock()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		records, queue := newStore(), newTasks(out.count)
		byID := map[string]*film{}
		var mu sync.Mutex
		left, waiting := len(films), len(films)
		over := make(chan struct{})
		runner := &carried{rand: rand.New(rand.NewPCG(7, 7))}
		out.began = time.Now()
		runner.did = func(id, task string, cost time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			f := byID[id]
			minute := int(time.Since(out.began).Minutes())
			for len(out.work) <= minute {
				out.work = append(out.work, map[string]time.Duration{})
			}
			out.work[minute][f.queue] += cost
			switch {
			case task == "probe":
				f.admitted = time.Now()
				if waiting--; waiting == 0 {
					out.loaded, out.busyLoaded = time.Since(out.began), runner.busy
				}
			case task == "finish":
				f.done = time.Now()
				if left--; left == 0 {
					close(over)
				}
			case f.first.IsZero() && strings.HasPrefix(task, "chunk"):
				f.first = time.Now()
			}
		}
		c, err := job.New(job.Config{Store: timed{records, out.count}, Tasks: queue, Runner: runner, Slots: -1})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range films {
			if err := records.EnsureQueue(ctx, job.Queue{Name: f.queue, Status: job.QueueActive}); err != nil {
				t.Fatal(err)
			}
			doc, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			j, err := c.Create(ctx, job.Job{Queue: f.queue, Priority: f.priority, Request: doc})
			if err != nil {
				t.Fatal(err)
			}
			f.id = j.ID
			byID[f.id] = f
		}
		var all sync.WaitGroup
		all.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		for range workers {
			w := job.NewCarrier(job.CarrierConfig{Ledger: counted{c, out.count}, Leases: queue, Runner: runner, Slots: 1})
			all.Go(func() {
				if err := w.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		<-over
		out.took, out.busy = time.Since(out.began), runner.busy
		stop()
		all.Wait()
	})
	out.real = clock() - began
	return out
}

// timed measures how long admission takes.
type timed struct {
	*store
	count *counts
}

func (s timed) AdmitJob(ctx context.Context, queue string, limit int, change func(job.Tx, *job.Job) error) (job.Job, bool, error) {
	began := clock()
	defer func() { s.count.decision(&s.count.admit, clock()-began) }()
	return s.store.AdmitJob(ctx, queue, limit, change)
}

// percentiles of a time of those films that pick picks, since since.
func (o *outcome) percentiles(pick func(*film) bool, at func(*film) time.Duration) string {
	var all []time.Duration
	for _, f := range o.films {
		if pick(f) {
			all = append(all, at(f))
		}
	}
	words := func(d time.Duration) string {
		if d < 100*time.Second {
			return fmt.Sprintf("%.1f s", d.Seconds())
		}
		return fmt.Sprintf("%.1f min", d.Minutes())
	}
	return fmt.Sprintf("%d | %s | %s | %s", len(all), words(percentile(all, 0.5)), words(percentile(all, 0.9)), words(percentile(all, 0.99)))
}

// shares are those of the queues in the work that was done until half time, while all
// of them had jobs that waited.
func (o *outcome) shares() [4]float64 {
	var out [4]float64
	var sum float64
	for _, minute := range o.work[:max(1, int(o.took.Minutes()/2))] {
		for q := range out {
			w := minute[fmt.Sprintf("team-%d", q)].Seconds()
			out[q], sum = out[q]+w, sum+w
		}
	}
	for q := range out {
		out[q] /= sum
	}
	return out
}

// report is the table of a run.
func (o *outcome) report(workers int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d workers, %d jobs queued at once in four queues. All were complete after %.1f minutes; %.2f %% of the workers' time was work until the last job was admitted, %.2f %% until the last was complete.\n\n",
		workers, len(o.films), o.took.Minutes(), 100*o.busyLoaded.Seconds()/(o.loaded.Seconds()*float64(workers)), 100*o.busy.Seconds()/(o.took.Seconds()*float64(workers)))
	b.WriteString("| of | from | jobs | median | 90 % | 99 % |\n|---|---|---|---|---|---|\n")
	row := func(of, from string, pick func(*film) bool, at func(*film) time.Duration) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", of, from, o.percentiles(pick, at))
	}
	for _, class := range []string{"clip", "short", "long", "feature"} {
		of := func(f *film) bool { return f.Class == class }
		row(class, "probed to first segment", of, func(f *film) time.Duration { return f.first.Sub(f.admitted) })
		row(class, "probed to complete", of, func(f *film) time.Duration { return f.done.Sub(f.admitted) })
	}
	for _, p := range []int{10, 0, -10} {
		of := func(f *film) bool { return f.priority == p }
		row(fmt.Sprintf("priority %d", p), "submitted to first segment", of, func(f *film) time.Duration { return f.first.Sub(o.began) })
		row(fmt.Sprintf("priority %d", p), "submitted to complete", of, func(f *film) time.Duration { return f.done.Sub(o.began) })
	}
	var words []string
	for _, s := range o.shares() {
		words = append(words, fmt.Sprintf("%.1f %%", 100*s))
	}
	fmt.Fprintf(&b, "\nThe four queues had %s of the work until half time.\n\n| message | number | a second | bytes a second |\n|---|---|---|---|\n", strings.Join(words, ", "))
	var n, bytes int64
	for _, kind := range []string{"publish", "lease", "claim", "extend", "progress", "complete", "settle", "drop"} {
		m, s := o.count.messages[kind], o.count.bytes[kind]
		n, bytes = n+m, bytes+s
		fmt.Fprintf(&b, "| %s | %d | %.1f | %.0f |\n", kind, m, float64(m)/o.took.Seconds(), float64(s)/o.took.Seconds())
	}
	fmt.Fprintf(&b, "| all | %d | %.1f | %.0f |\n\n", n, float64(n)/o.took.Seconds(), float64(bytes)/o.took.Seconds())
	fmt.Fprintf(&b, "Choosing a task took %v (median) and %v (99 %%), admitting a job in memory %v and %v.\n",
		percentile(o.count.dispatch, 0.5), percentile(o.count.dispatch, 0.99), percentile(o.count.admit, 0.5), percentile(o.count.admit, 0.99))
	return b.String()
}

// TestScheduler runs the scheduler at a small size, or at that of the flags, and holds
// what it promises: places are busy while there is work, short jobs do not wait behind
// long ones once they were looked at, priorities hold, queues are served alike, nothing
// starves, and every job completes once.
func TestScheduler(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	films := make([]*film, *jobs)
	for i := range films {
		films[i] = mix(r, i)
	}
	o := simulate(t, films, *workers)
	text := o.report(*workers)
	t.Logf("simulated in %v\n%s", o.real.Round(time.Millisecond), text)
	if *table != "" {
		if err := os.WriteFile(*table, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if e := o.busyLoaded.Seconds() / (o.loaded.Seconds() * float64(*workers)); e < 0.95 {
		t.Errorf("%.1f %% of the workers' time was work while jobs waited", 100*e)
	}
	median := func(pick func(*film) bool, at func(*film) time.Duration) time.Duration {
		var all []time.Duration
		for _, f := range films {
			if pick(f) {
				all = append(all, at(f))
			}
		}
		return percentile(all, 0.5)
	}
	clips := func(f *film) bool { return f.Class == "clip" && f.priority == 0 }
	if d := median(clips, func(f *film) time.Duration { return f.first.Sub(f.admitted) }); d > time.Minute {
		t.Errorf("a clip's first segment comes %v after it was looked at", d)
	}
	done := func(f *film) time.Duration { return f.done.Sub(o.began) }
	high, mid, low := median(func(f *film) bool { return f.priority == 10 }, done), median(func(f *film) bool { return f.priority == 0 }, done), median(func(f *film) bool { return f.priority == -10 }, done)
	if high >= mid || mid >= low {
		t.Errorf("jobs of priority 10, 0 and -10 are complete after %v, %v, %v", high, mid, low)
	}
	for q, share := range o.shares() {
		if share < 0.2 || share > 0.3 {
			t.Errorf("queue %d of four had %.1f %% of the work", q, 100*share)
		}
	}
}

package job_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/job/jobtest"
)

// took gives out n turns of lines that always have tasks.
func took(turns *job.Turns, lines []job.Line, n int) map[string]int {
	got := map[string]int{}
	for range n {
		order := append([]job.Line{}, lines...)
		first := order[turns.First(order)].Job
		if turns.Order(order); order[0].Job != first {
			panic("First and Order differ")
		}
		turns.Took(first)
		got[first]++
	}
	return got
}

func TestTurns(t *testing.T) {
	var turns job.Turns
	equal := []job.Line{{Job: "1-a"}, {Job: "2-a"}, {Job: "3-a"}}
	for id, n := range took(&turns, equal, 3000) {
		if n != 1000 {
			t.Errorf("%s of three equal jobs had %d of 3,000 turns", id, n)
		}
	}
	if got := took(&turns, append(equal, job.Line{Job: "4-a"}), 1); got["4-a"] != 1 {
		t.Errorf("a new job waits behind %v", got)
	}
	if got := took(&turns, []job.Line{{Job: "1-a", Running: 2}, {Job: "2-a", Running: 1}}, 31); got["2-a"] < 30 {
		t.Errorf("the job with fewer tasks running had %d of 31", got["2-a"])
	}
	turns = job.Turns{}
	got := took(&turns, []job.Line{{Job: "1-a", Priority: -1}, {Job: "2-a", Priority: 7}, {Job: "3-a", Priority: 0}}, 3200)
	if got["2-a"] < 3100 || got["1-a"] < 40 || got["3-a"] < 40 || math.Abs(float64(got["1-a"]-got["3-a"])) > 2 {
		t.Errorf("priority 7 had %d of 3,200 turns, those below it %d and %d: it goes first, and they do not starve", got["2-a"], got["3-a"], got["1-a"])
	}
	if got := took(&turns, []job.Line{{Job: "1-a"}, {Job: "2-a", Priority: job.Promoted}, {Job: "3-a", Priority: 50}}, 100); got["2-a"] != 100 {
		t.Errorf("what somebody waits for had %d of 100 turns", got["2-a"])
	}
	for i := range 10_000 { // jobs come and go
		took(&turns, []job.Line{{Job: fmt.Sprint(i)}}, 1)
	}
}

// TestMoreJobsForMorePlaces: who carries tasks may be elsewhere. As many jobs progress
// as there are places for, and a bound that was set holds.
func TestMoreJobsForMorePlaces(t *testing.T) {
	for _, c := range []struct{ jobs, least, most int }{{0, 20, 40}, {3, 3, 3}} {
		var mu sync.Mutex
		running := 0
		r := &runner{run: func(ctx context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
			if task.Name == "probe" {
				return chunks(1), nil
			}
			mu.Lock()
			running++
			mu.Unlock()
			<-ctx.Done()
			return job.Result{}, context.Cause(ctx)
		}}
		w := begin(t, job.Config{Runner: r, Slots: -1, Jobs: c.jobs, Logger: quiet()})
		for range 40 {
			w.create(job.Job{})
		}
		elsewhere := job.NewCarrier(job.CarrierConfig{Ledger: w.jobs, Leases: w.queue, Runner: r, Slots: 20})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- elsewhere.Run(ctx) }()
		progressing := func() int {
			list, err := w.jobs.List(t.Context(), job.Filter{Status: job.Progressing, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		jobtest.Eventually(t, "every place to be taken", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return running >= min(c.least, 20)
		})
		if n := progressing(); n < c.least || n > c.most {
			t.Errorf("with 20 places and a bound of %d, %d jobs progress", c.jobs, n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.stop()
	}
}

// TestWhoCannotLeavesItToOthers: a machine on which every task fails, whose places are
// always free, does not use up the attempts of jobs that others could do.
func TestWhoCannotLeavesItToOthers(t *testing.T) {
	var mu sync.Mutex
	tried := 0
	cannot := &runner{run: func(context.Context, job.Task, job.Outputs, func(job.Progress)) (job.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		tried++
		return job.Result{}, fault.New(fault.Unavailable, "1050", "the disk is full")
	}}
	can := &runner{run: func(_ context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
		if task.Name == "probe" {
			return chunks(12), nil
		}
		return job.Result{}, nil
	}}
	w := begin(t, job.Config{Runner: can, Slots: -1, Logger: quiet()})
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	carry := func(r job.Runner, slots int) {
		c := job.NewCarrier(job.CarrierConfig{Ledger: w.jobs, Leases: w.queue, Runner: r, Slots: slots, Rest: time.Hour})
		all.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	carry(cannot, 4)
	j := w.create(job.Job{})
	jobtest.Eventually(t, "a failure", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return tried > 0
	})
	carry(can, 1)
	jobtest.Eventually(t, "the end of the job", func() bool {
		got, err := w.jobs.Get(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got.Status == job.Complete
	})
	stop()
	all.Wait()
	w.stop()
	if tried > 4 {
		t.Errorf("%d tasks were tried where none can be done", tried)
	}
}

package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// progressBoard knows how far the jobs are that this process carries: what the
// records said last, and what running tasks have told since.
type progressBoard struct {
	mu       sync.Mutex
	jobs     map[string]*liveJob
	watchers map[string]map[chan Job]struct{}
	woken    chan struct{} // a first job came
	carried  int           // sum of what jobs have claimed
	open     int           // sum of theirs
}

type liveJob struct {
	job     Job // as last stored, PercentComplete as last told
	stages  []StageTally
	running map[int]runningTask
	claimed map[int]bool // tasks of the stage at work that somebody carries
	open    int          // tasks of the stage at work without a result
	stored  int          // percentage in the records
	update  time.Time    // of the next STATUS_UPDATE; zero until the loop has seen the job
}

type runningTask struct {
	stage  int
	weight int64
	told   Progress
}

func newProgressBoard() *progressBoard {
	return &progressBoard{
		jobs: map[string]*liveJob{}, watchers: map[string]map[chan Job]struct{}{},
		woken: make(chan struct{}, 1),
	}
}

// show takes what was just read from or written to the records.
func (b *progressBoard) show(j Job, stages []StageTally) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, ok := b.jobs[j.ID]
	if !ok {
		l = &liveJob{running: map[int]runningTask{}, claimed: map[int]bool{}, stored: j.PercentComplete}
		b.jobs[j.ID] = l
		wake(b.woken)
	}
	if l.job.Stage != j.Stage {
		b.carried -= len(l.claimed)
		clear(l.claimed) // some may have ended elsewhere
	}
	b.open -= l.open
	l.open = 0
	for _, s := range stages {
		if s.Stage == j.Stage {
			l.open = s.Tasks - s.Done
		}
	}
	b.open += l.open
	told := l.job.PercentComplete
	l.job, l.stages = j, stages
	l.job.PercentComplete = max(told, l.percent())
	b.tell(l.job)
}

// finish forgets a job that is over.
func (b *progressBoard) finish(j Job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l, ok := b.jobs[j.ID]; ok {
		b.open, b.carried = b.open-l.open, b.carried-len(l.claimed)
	}
	delete(b.jobs, j.ID)
	b.tell(j)
}

// clear forgets all jobs; who watches them goes on to.
func (b *progressBoard) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.jobs)
	b.carried, b.open = 0, 0
}

// moved tells of a job that changed its place in line.
func (b *progressBoard) moved(j Job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tell(j)
}

// report takes how far a running task is.
func (b *progressBoard) report(t Task, p Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, ok := b.jobs[t.Job]
	if !ok {
		return
	}
	l.running[t.Number] = runningTask{stage: t.Stage, weight: t.Weight, told: p}
	if now := l.percent(); now > l.job.PercentComplete {
		l.job.PercentComplete = now
		b.tell(l.job)
	}
}

// stop forgets what a task told that runs no more. Call it before show tells that
// the task is done, or the task counts twice.
func (b *progressBoard) stop(job string, number int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l, ok := b.jobs[job]; ok {
		delete(l.running, number)
		if l.claimed[number] {
			delete(l.claimed, number)
			b.carried--
		}
	}
}

// claim notes that somebody carries a task, until stop.
func (b *progressBoard) claim(job string, number int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l, ok := b.jobs[job]; ok && !l.claimed[number] {
		l.claimed[number] = true
		b.carried++
	}
}

// load returns how many jobs progress, how many tasks of them are carried and how
// many wait for somebody, as far as is known here.
func (b *progressBoard) load() (jobs, carried, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.jobs), b.carried, b.open - b.carried
}

// percent computes the percentage of the job: 0 until the first task has told
// what there is to do, 99 at most until the job is over.
func (l *liveJob) percent() int {
	if len(l.stages) < 2 {
		return 0
	}
	return min(99, l.share(func(int) bool { return true }))
}

// share returns how much of the stages that in picks is done, in percent.
func (l *liveJob) share(in func(stage int) bool) int {
	var done, total float64
	for _, s := range l.stages {
		if in(s.Stage) {
			done, total = done+float64(s.DoneWeight), total+float64(s.Weight)
		}
	}
	for _, r := range l.running {
		if in(r.stage) && r.told.Total > 0 {
			part := float64(r.told.Done) / float64(r.told.Total)
			done += float64(r.weight) * min(1, max(0, part))
		}
	}
	if total <= 0 {
		return 0
	}
	return int(min(100, 100*done/total))
}

// phases computes the progress of each phase.
func (l *liveJob) phases() map[string]PhaseProgress {
	all := map[string]PhaseProgress{}
	for _, s := range l.stages {
		p, seen := all[s.Phase]
		switch {
		case s.Done == s.Tasks && (!seen || p.Status == "COMPLETE"):
			p.Status = "COMPLETE"
		case s.Stage > l.job.Stage && !seen:
			p.Status = "PENDING"
		default:
			p.Status = "PROGRESSING"
		}
		all[s.Phase] = p
	}
	for name, p := range all {
		p.PercentComplete = l.share(func(stage int) bool {
			for _, s := range l.stages {
				if s.Stage == stage {
					return s.Phase == name
				}
			}
			return false
		})
		if p.Status == "COMPLETE" { // also when its tasks weigh nothing
			p.PercentComplete = 100
		}
		all[name] = p
	}
	return all
}

// overlay puts what is known here over a job as read from the records.
func (b *progressBoard) overlay(j Job) Job {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l, ok := b.jobs[j.ID]; ok && j.Status == Progressing {
		j.PercentComplete = max(j.PercentComplete, l.job.PercentComplete)
	}
	return j
}

// watch returns a channel that holds the latest change of a job.
func (b *progressBoard) watch(id string) chan Job {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watchers[id] == nil {
		b.watchers[id] = map[chan Job]struct{}{}
	}
	w := make(chan Job, 1)
	b.watchers[id][w] = struct{}{}
	return w
}

func (b *progressBoard) unwatch(id string, w chan Job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.watchers[id], w)
	if len(b.watchers[id]) == 0 {
		delete(b.watchers, id)
	}
}

// tell replaces what watchers have not taken yet. b.mu is held.
func (b *progressBoard) tell(j Job) {
	for w := range b.watchers[j.ID] {
		select {
		case <-w:
		default:
		}
		w <- j
	}
}

func (b *progressBoard) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.jobs) == 0
}

// progressLoop stores progress while there is any; it sleeps while there is none.
func (c *Coordinator) progressLoop(ctx context.Context) {
	for ctx.Err() == nil {
		if c.live.empty() {
			select {
			case <-c.live.woken:
			case <-ctx.Done():
			}
			continue
		}
		if sleep(ctx, progressEvery) {
			c.saveProgress(ctx)
		}
	}
}

// saveProgress stores the percentages that have changed and emits the
// STATUS_UPDATE events that are due.
func (c *Coordinator) saveProgress(ctx context.Context) {
	changed, updates := c.live.due(c.now())
	if len(changed) > 0 {
		if err := c.store.SaveProgress(ctx, changed); err != nil {
			c.log.WarnContext(ctx, "store progress", "err", err)
			return
		}
		c.live.saved(changed)
	}
	for id, update := range updates {
		err := c.change(ctx, id, func(tx Tx, j *Job) error {
			if j.Status != Progressing {
				return ErrStale
			}
			detail, err := json.Marshal(update)
			if err != nil {
				return fmt.Errorf("encode status update: %w", err)
			}
			return tx.Emit(Event{At: c.now(), Kind: EventStatusUpdate, Detail: detail})
		})
		if err != nil && !errors.Is(err, ErrStale) {
			c.log.WarnContext(ctx, "emit status update", "job", id, "err", err)
		}
	}
}

// due returns what there is to store, and the status updates whose time has come.
func (b *progressBoard) due(now time.Time) (map[string]int, map[string]StatusUpdate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed, updates := map[string]int{}, map[string]StatusUpdate{}
	for id, l := range b.jobs {
		if l.job.PercentComplete > l.stored {
			changed[id] = l.job.PercentComplete
		}
		every := l.job.StatusUpdateInterval
		if every == 0 {
			every = statusUpdateEvery
		}
		switch {
		case l.update.IsZero():
			l.update = now.Add(every)
		case !now.Before(l.update):
			l.update = now.Add(every)
			updates[id] = StatusUpdate{
				JobPercentComplete: l.job.PercentComplete, CurrentPhase: l.job.Phase,
				RetryCount: l.job.RetryCount, PhaseProgress: l.phases(),
			}
		}
	}
	return changed, updates
}

// saved notes what the records have.
func (b *progressBoard) saved(percent map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, p := range percent {
		if l, ok := b.jobs[id]; ok {
			l.stored = max(l.stored, p)
		}
	}
}

// sleep waits, and reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

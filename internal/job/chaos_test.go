package job_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/queue"
	"vodwright.dev/vodwright/internal/store"
)

// The chaos tests run a server in small as a process of its own, this test
// binary executed again, which kills itself at a chosen point: before, within and
// after each thing it does to its records, its queue and its tasks. Then it is
// started again, and what must hold is read from its records and from a journal
// that its tasks write.

const (
	chaosDir  = "VODWRIGHT_CHAOS_DIR"  // folder of the server
	chaosKill = "VODWRIGHT_CHAOS_KILL" // number of the point at which it kills itself; 0 is never
	chaosMode = "VODWRIGHT_CHAOS_MODE" // how its job is to end: a job.Status
)

const chaosChunks = 4

func TestMain(m *testing.M) {
	if dir := os.Getenv(chaosDir); dir != "" {
		if err := chaosServer(dir, job.Status(os.Getenv(chaosMode))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// killer ends the process without a word at its point.
type killer struct{ left atomic.Int64 }

func (k *killer) point() {
	if k.left.Add(-1) == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // there is nobody to tell
		select {}
	}
}

// around calls do between two points.
func (k *killer) around(do func()) {
	k.point()
	do()
	k.point()
}

type mortalStore struct {
	job.Store
	k *killer
}

func (s mortalStore) InsertJob(ctx context.Context, j job.Job, t *job.Token, e ...job.Errand) (stored job.Job, fresh bool, err error) {
	s.k.around(func() { stored, fresh, err = s.Store.InsertJob(ctx, j, t, e...) })
	return
}

func (s mortalStore) ChangeJob(ctx context.Context, id string, change func(job.Tx, *job.Job) error) (j job.Job, err error) {
	s.k.around(func() {
		j, err = s.Store.ChangeJob(ctx, id, func(tx job.Tx, j *job.Job) error {
			defer s.k.point() // before the commit
			return change(tx, j)
		})
	})
	return
}

func (s mortalStore) AdmitJob(ctx context.Context, q string, limit int, change func(job.Tx, *job.Job) error) (j job.Job, ok bool, err error) {
	s.k.around(func() {
		j, ok, err = s.Store.AdmitJob(ctx, q, limit, func(tx job.Tx, j *job.Job) error {
			defer s.k.point()
			return change(tx, j)
		})
	})
	return
}

func (s mortalStore) Settle(ctx context.Context, e job.Errand) (err error) {
	s.k.around(func() { err = s.Store.Settle(ctx, e) })
	return
}

type mortalQueue struct {
	job.TaskQueue
	k *killer
}

func (q mortalQueue) Publish(ctx context.Context, refs []job.Ref) error {
	q.k.point()
	half := len(refs) / 2
	err := q.TaskQueue.Publish(ctx, refs[:half])
	q.k.point()
	if err == nil {
		err = q.TaskQueue.Publish(ctx, refs[half:])
	}
	q.k.point()
	return err
}

func (q mortalQueue) Drop(ctx context.Context, id string) (err error) {
	q.k.around(func() { err = q.TaskQueue.Drop(ctx, id) })
	return
}

func (q mortalQueue) Deliver(ctx context.Context, last <-chan struct{}, slots int, handle func(context.Context, job.Lease)) error {
	return q.TaskQueue.Deliver(ctx, last, slots, func(ctx context.Context, l job.Lease) { handle(ctx, mortalLease{l, q.k}) })
}

type mortalLease struct {
	job.Lease
	k *killer
}

func (l mortalLease) Done(ctx context.Context) (err error) {
	l.k.around(func() { err = l.Lease.Done(ctx) })
	return
}

// journal is a file of lines, each there as a whole or not at all.
type journal struct {
	mu   sync.Mutex
	file *os.File
}

func (j *journal) write(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.WriteString(line + "\n"); err != nil {
		panic(err)
	}
}

// chaosServer submits one job, once, and returns when it is over and cleaned up.
func chaosServer(dir string, mode job.Status) error {
	kill, err := strconv.Atoi(os.Getenv(chaosKill))
	if err != nil {
		return err
	}
	k := &killer{}
	k.left.Store(int64(kill))
	file, err := os.OpenFile(filepath.Join(dir, "journal"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	log := &journal{file: file}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	records, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "records.db")})
	if err != nil {
		return err
	}
	tasks, err := queue.Open(ctx, queue.Config{Dir: filepath.Join(dir, "queue")})
	if err != nil {
		return err
	}
	var cancelJob func(id string)
	r := &runner{
		run: func(ctx context.Context, t job.Task, outputs job.Outputs, report func(job.Progress)) (job.Result, error) {
			log.write("start " + t.Name)
			k.point()
			result, err := chaosTask(ctx, mode, t, outputs, func() { cancelJob(t.Job) })
			report(job.Progress{Done: 1, Total: 1})
			k.point()
			log.write("end " + t.Name)
			return result, err
		},
		discard: func(_ string, outcome job.Status) error {
			k.point()
			log.write("discard " + string(outcome))
			return nil
		},
	}
	jobs, err := job.New(job.Config{
		Store: mortalStore{records, k}, Tasks: mortalQueue{tasks, k}, Runner: r, Slots: 2,
		Backoff: time.Millisecond, TokenWindow: time.Hour,
	})
	if err != nil {
		return err
	}
	cancelJob = func(id string) { jobs.Cancel(ctx, id) } //nolint:errcheck // another chunk may have been first
	run, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error)
	go func() { ended <- jobs.Run(run) }()
	j, err := jobs.Create(ctx, job.Job{ClientToken: "chaos"})
	if err != nil {
		return err
	}
	for {
		if j, err = jobs.Get(ctx, j.ID); err != nil {
			return err
		}
		due, next, err := records.Errands(ctx, []job.ErrandKind{job.PublishStage, job.PublishTask, job.Discard}, time.Now(), 1)
		if err != nil {
			return err
		}
		if j.Status.Final() && len(due) == 0 && next.IsZero() {
			break
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	return errors.Join(<-ended, tasks.Close(), records.Close())
}

// chaosTask is what the tasks do.
func chaosTask(ctx context.Context, mode job.Status, t job.Task, outputs job.Outputs, cancel func()) (job.Result, error) {
	switch t.Name {
	case "probe":
		r := chunks(chaosChunks)
		r.Details = json.RawMessage(`"in"`)
		return r, nil
	case "finish":
		sum := 0
		for i := range chaosChunks {
			out, err := outputs(ctx, fmt.Sprintf("chunk/%d", i))
			if err != nil {
				return job.Result{}, err
			}
			n, err := strconv.Atoi(string(out))
			if err != nil {
				return job.Result{}, err
			}
			sum += n
		}
		return job.Result{Details: json.RawMessage(strconv.Itoa(sum))}, nil
	case "chunk/2":
		switch mode {
		case job.Canceled:
			cancel()
			<-ctx.Done()
			return job.Result{}, context.Cause(ctx)
		case job.Error:
			return job.Result{}, fault.New(fault.Unavailable, "3450", "poisoned")
		}
	}
	return job.Result{Output: json.RawMessage("1")}, nil
}

// chaos is the state of one server, seen from outside.
type chaos struct {
	t    *testing.T
	dir  string
	mode job.Status
}

// start runs the server; it returns when the job is over (true) or it was killed.
func (c *chaos) start(kill int, cut time.Duration) (finished bool) {
	c.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), chaosDir+"="+c.dir, chaosMode+"="+string(c.mode), chaosKill+"="+strconv.Itoa(kill))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	if cut > 0 {
		timer := time.AfterFunc(cut, func() { cmd.Process.Kill() }) //nolint:errcheck // it may be over
		defer timer.Stop()
	}
	err := cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		return false
	}
	if err != nil {
		c.t.Fatalf("the server failed: %v\n%s", err, stderr.String())
	}
	return true
}

// journal returns the lines that tasks wrote.
func (c *chaos) journal() []string {
	b, err := os.ReadFile(filepath.Join(c.dir, "journal"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func count(lines []string, line string) int {
	n := 0
	for _, l := range lines {
		if l == line {
			n++
		}
	}
	return n
}

// settled returns how often each task had started whose result was stored, and
// the job as the records have it now.
func (c *chaos) settled() (starts map[string]int, j job.Job) {
	c.t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(c.dir, "records.db")})
	if err != nil {
		c.t.Fatal(err)
	}
	defer s.Close()
	all, err := s.Jobs(ctx, job.Filter{Limit: 10})
	if err != nil || len(all) > 1 {
		c.t.Fatalf("%d jobs, %v", len(all), err)
	}
	starts = map[string]int{}
	if len(all) == 0 {
		return starts, job.Job{}
	}
	lines := c.journal()
	names := []string{"probe", "finish"}
	for i := range chaosChunks {
		names = append(names, fmt.Sprintf("chunk/%d", i))
	}
	for _, name := range names {
		if _, err := s.Output(ctx, all[0].ID, name); err == nil {
			starts[name] = count(lines, "start "+name)
		}
	}
	return starts, all[0]
}

// check reads what must hold once the job is over.
func (c *chaos) check() {
	c.t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(c.dir, "records.db")})
	if err != nil {
		c.t.Fatal(err)
	}
	defer s.Close()
	all, err := s.Jobs(ctx, job.Filter{Limit: 10})
	if err != nil || len(all) != 1 {
		c.t.Fatalf("%d jobs, %v", len(all), err)
	}
	j := all[0]
	if j.Status != c.mode {
		c.t.Errorf("the job is %s, want %s", j.Status, c.mode)
	}
	switch c.mode {
	case job.Complete:
		if string(j.Details) != strconv.Itoa(chaosChunks) || string(j.Input) != `"in"` || j.PercentComplete != 100 || j.RetryCount != 0 {
			c.t.Errorf("job %+v, details %s", j, j.Details)
		}
	case job.Error:
		if j.ErrorCode != 3450 || j.ErrorMessage != "poisoned" || j.RetryCount != 2 {
			c.t.Errorf("job %+v", j)
		}
	}
	events, err := s.Events(ctx, j.ID, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	var kinds []job.EventKind
	for i, e := range events {
		if e.Number != int64(i+1) || i > 0 && e.At.Before(events[i-1].At) {
			c.t.Errorf("event %d: %+v", i+1, e)
		}
		kinds = append(kinds, e.Kind)
	}
	if want := []job.EventKind{job.EventProgressing, job.EventInputInformation, job.EventKind(c.mode)}; !slices.Equal(kinds, want) {
		c.t.Errorf("events %v, want %v", kinds, want)
	}
	lines := c.journal()
	end := slices.Index(lines, "discard "+string(c.mode))
	if end < 0 {
		c.t.Fatalf("never discarded: %q", lines)
	}
	for _, l := range lines[end:] {
		if l != "discard "+string(c.mode) {
			c.t.Errorf("%q after the discard", l)
		}
	}
}

// The server is killed at every point of the life of a job; started again, it
// brings the job to its end, once, and carries no task again that was finished.
func TestKilledAtEveryPoint(t *testing.T) {
	for mode, stride := range map[job.Status]int{job.Complete: 2, job.Canceled: 5, job.Error: 5} {
		t.Run(string(mode), func(t *testing.T) {
			var (
				wg    sync.WaitGroup
				next  atomic.Int64
				kills atomic.Int64
				past  atomic.Bool
			)
			for range 2 {
				wg.Go(func() {
					for !past.Load() && !t.Failed() {
						point := 1 + stride*int(next.Add(1)-1)
						t.Run(strconv.Itoa(point), func(t *testing.T) {
							if killedAt(t, mode, point) {
								kills.Add(1)
							} else {
								past.Store(true)
							}
						})
					}
				})
			}
			wg.Wait()
			t.Logf("killed at %d points", kills.Load())
			if n := kills.Load(); n < 12 || mode == job.Complete && n < 30 {
				t.Errorf("killed at %d points only", n)
			}
		})
	}
}

// killedAt kills a new server at one point and checks how it goes on. It returns
// false when the job was over before that point.
func killedAt(t *testing.T, mode job.Status, point int) (killed bool) {
	c := &chaos{t: t, dir: t.TempDir(), mode: mode}
	killed = !c.start(point, 0)
	before, _ := c.settled()
	if !c.start(0, 0) {
		t.Error("killed by somebody else")
	}
	lines := c.journal()
	for name, n := range before {
		if got := count(lines, "start "+name); got != n {
			t.Errorf("task %s was finished and started again: %d starts, then %d", name, n, got)
		}
	}
	c.check()
	if t.Failed() {
		t.Logf("journal %q", lines)
	}
	return killed
}

// One job survives being killed again and again, from outside, at any time.
func TestKilledAgainAndAgain(t *testing.T) {
	c := &chaos{t: t, dir: t.TempDir(), mode: job.Complete}
	kills := 0
	for cut := 20 * time.Millisecond; ; cut += 5 * time.Millisecond {
		before, _ := c.settled()
		if c.start(0, cut) {
			break
		}
		kills++
		lines := c.journal()
		for name, n := range before {
			if got := count(lines, "start "+name); got != n {
				t.Errorf("kill %d: task %s was finished and started again", kills, name)
			}
		}
	}
	t.Logf("killed %d times", kills)
	c.check()
}

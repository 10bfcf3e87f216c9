// Package queue carries work: it says which tasks wait and who has which one now.
//
// References to tasks flow in from job, leases flow out to handlers. What a task
// is, what came of it and what follows stays in the records; everything here can
// be lost and is made again from them.
//
// It is an embedded NATS server with JetStream that listens nowhere: the process
// talks to it in memory. It may touch the folder it is given, and nothing else.
//
// One stream, TASKS, a work queue on files that are synced before a publish is
// acknowledged, holds one message per task under
//
//	tasks.<rank>.<job>.<number>     rank: 50 − priority of the job, three digits
//
// at most one per subject, so that publishing again does nothing. Each job with
// messages has a consumer, its line; lines are served in the order of their names,
// rank then job ID, which starts with the milliseconds of its creation: exactly by
// priority, then age. A line serves its tasks in the order they were published.
//
// Leases end with the process, as nobody else can hold one: opening the queue
// makes all consumers anew, so that what was leased is delivered at once.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

const (
	streamName     = "TASKS"
	startTimeout   = 20 * time.Second
	requestTimeout = 10 * time.Second
	// publishWindow bounds messages in flight: each is synced to the disk.
	publishWindow = 256
	// maxStore bounds the stream on disk. A message is about 100 bytes.
	maxStore = 1 << 30
)

// Config says where the queue keeps its files.
type Config struct {
	Dir    string       // made when it does not exist; one process at a time may use it
	Logger *slog.Logger // nil discards
}

// Queue is the open queue. It is safe for concurrent use.
type Queue struct {
	log    *slog.Logger
	lock   *os.File
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	woken  chan struct{} // something may be waiting

	mu     sync.Mutex
	lines  []*line // in the order they are served
	leases map[string]map[*lease]struct{}
}

var _ job.TaskQueue = (*Queue)(nil)

// line is the consumer of one job's tasks.
type line struct {
	rank, job string
	consumer  jetstream.Consumer
	waiting   int // messages that were published and not delivered, as far as is known here
}

func (l *line) name() string    { return l.rank + "_" + l.job }
func (l *line) subject() string { return "tasks." + l.rank + "." + l.job + ".>" }

// Open starts the server on its folder. A folder that another process uses is a
// fault.Conflict. Files that the server cannot read are dropped: all they say is
// in the records too. The caller closes the Queue.
func Open(ctx context.Context, cfg Config) (*Queue, error) {
	q := &Queue{log: cfg.Logger, woken: make(chan struct{}, 1), leases: map[string]map[*lease]struct{}{}}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dir == "" {
		return nil, fault.New(fault.Invalid, "", "open task queue: no folder given")
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open task queue: %w", err)
	}
	var err error
	if q.lock, err = lockFolder(cfg.Dir); err != nil {
		return nil, err
	}
	if err = q.start(ctx, cfg.Dir); err != nil && ctx.Err() == nil {
		q.log.WarnContext(ctx, "task queue unreadable, made anew from the records", "dir", cfg.Dir, "err", err)
		q.stop()
		if err = os.RemoveAll(filepath.Join(cfg.Dir, server.JetStreamStoreDir)); err == nil {
			err = q.start(ctx, cfg.Dir)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open task queue %q: %w", cfg.Dir, err), q.Close())
	}
	return q, nil
}

// lockFolder takes the folder for this process; the lock ends with the process.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open task queue: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fault.New(fault.Conflict, "", "open task queue: another process uses the folder %q", dir).
			WithHint("stop the other vodwright, or give this one a --data folder of its own")
	}
	return f, nil
}

func (q *Queue) start(ctx context.Context, dir string) error {
	s, err := server.NewServer(&server.Options{
		ServerName: "vodwright", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: dir, SyncAlways: true,
		JetStreamMaxMemory: 16 << 20, JetStreamMaxStore: maxStore,
	})
	if err != nil {
		return fmt.Errorf("configure server: %w", err)
	}
	s.SetLoggerV2(logger{q.log}, false, false, false)
	q.server = s
	s.Start()
	if !s.ReadyForConnections(startTimeout) || !s.JetStreamEnabled() {
		return errors.New("start server: JetStream did not come up")
	}
	if q.conn, err = nats.Connect("", nats.InProcessServer(s), nats.Name("vodwright"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond)); err != nil {
		return fmt.Errorf("connect to server: %w", err)
	}
	if q.js, err = jetstream.New(q.conn, jetstream.WithPublishAsyncMaxPending(publishWindow)); err != nil {
		return fmt.Errorf("connect to server: %w", err)
	}
	ctx, done := context.WithTimeout(ctx, startTimeout)
	defer done()
	if q.stream, err = q.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: streamName, Subjects: []string{"tasks.>"},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		// One message a task, for as long as the task is not done: that, and not a
		// window of time, is what makes publishing twice harmless.
		MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true,
		Duplicates: time.Second,
	}); err != nil {
		return fmt.Errorf("make stream: %w", err)
	}
	if _, err := q.conn.Subscribe("ctl.cancel.*", func(m *nats.Msg) {
		q.cancelLeases(strings.TrimPrefix(m.Subject, "ctl.cancel."))
	}); err != nil {
		return fmt.Errorf("subscribe to cancels: %w", err)
	}
	return q.recover(ctx)
}

// recover makes the lines of the messages that an earlier process left.
func (q *Queue) recover(ctx context.Context) error {
	names := q.stream.ConsumerNames(ctx)
	for name := range names.Name() {
		if err := q.stream.DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("delete consumer %q: %w", name, err)
		}
	}
	if err := names.Err(); err != nil {
		return fmt.Errorf("list consumers: %w", err)
	}
	refs, err := q.Pending(ctx)
	if err != nil {
		return err
	}
	for _, r := range refs {
		l, err := q.line(ctx, r)
		if err != nil {
			return err
		}
		l.waiting++
	}
	return nil
}

// Close stops the server. Deliver must have returned.
func (q *Queue) Close() error {
	q.stop()
	if q.lock == nil {
		return nil
	}
	return q.lock.Close()
}

func (q *Queue) stop() {
	if q.conn != nil {
		q.conn.Close()
	}
	if q.server != nil {
		q.server.Shutdown()
		q.server.WaitForShutdown()
	}
}

func subjectOf(r job.Ref) string {
	return "tasks." + rankOf(r.Priority) + "." + r.Job + "." + strconv.Itoa(r.Number)
}

func rankOf(priority int) string { return fmt.Sprintf("%03d", job.MaxPriority-priority) }

func refOf(subject string) (job.Ref, error) {
	part := strings.Split(subject, ".")
	if len(part) != 4 {
		return job.Ref{}, fmt.Errorf("read subject %q: not a task's", subject)
	}
	rank, err := strconv.Atoi(part[1])
	number, err2 := strconv.Atoi(part[3])
	if err := errors.Join(err, err2); err != nil {
		return job.Ref{}, fmt.Errorf("read subject %q: %w", subject, err)
	}
	return job.Ref{Job: part[2], Number: number, Priority: job.MaxPriority - rank}, nil
}

// line returns the line of a task's job, made when there is none.
func (q *Queue) line(ctx context.Context, r job.Ref) (*line, error) {
	l := &line{rank: rankOf(r.Priority), job: r.Job}
	q.mu.Lock()
	defer q.mu.Unlock() // also while the consumer is made: two must not be
	i, ok := slices.BinarySearchFunc(q.lines, l, func(a, b *line) int { return strings.Compare(a.name(), b.name()) })
	if ok {
		return q.lines[i], nil
	}
	var err error
	l.consumer, err = q.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: l.name(), FilterSubject: l.subject(), AckPolicy: jetstream.AckExplicitPolicy, AckWait: job.LeaseTime,
		MaxDeliver: -1, MaxAckPending: -1,
		MemoryStorage: true, // leases end with the process anyway
	})
	if err != nil {
		return nil, fmt.Errorf("make consumer %q: %w", l.name(), err)
	}
	q.lines = slices.Insert(q.lines, i, l)
	return l, nil
}

// Publish implements job.TaskQueue.
func (q *Queue) Publish(ctx context.Context, refs []job.Ref) error {
	ctx, done := context.WithTimeout(ctx, startTimeout)
	defer done()
	for chunk := range slices.Chunk(refs, publishWindow) {
		there, err := q.publish(ctx, chunk)
		if err != nil {
			return err
		}
		if len(there) == 0 {
			continue
		}
		// A message goes a moment after its acknowledgement: one that is still
		// there may be on its way out.
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := q.publish(ctx, there); err != nil {
			return err
		}
	}
	return nil
}

// publish sends messages and returns the tasks that have one already.
func (q *Queue) publish(ctx context.Context, refs []job.Ref) (there []job.Ref, err error) {
	futures := make([]jetstream.PubAckFuture, len(refs))
	for i, r := range refs {
		if _, err := q.line(ctx, r); err != nil {
			return nil, err
		}
		if futures[i], err = q.js.PublishAsync(subjectOf(r), nil); err != nil {
			return nil, fmt.Errorf("publish task %d of job %s: %w", r.Number, r.Job, err)
		}
	}
	for i, f := range futures {
		select {
		case <-f.Ok():
			q.waits(refs[i])
		case err := <-f.Err():
			if !isThere(err) {
				return nil, fmt.Errorf("publish task %d of job %s: %w", refs[i].Number, refs[i].Job, err)
			}
			there = append(there, refs[i])
		case <-ctx.Done():
			return nil, fmt.Errorf("publish task %d of job %s: %w", refs[i].Number, refs[i].Job, ctx.Err())
		}
	}
	q.wake()
	return there, nil
}

// waits notes that a task waits, unless its job was dropped meanwhile.
func (q *Queue) waits(r job.Ref) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := q.find(r); i >= 0 {
		q.lines[i].waiting++
	}
}

// isThere reports whether a publish was refused because the task has a message.
// The server has one code for all that its store refuses, so the text decides.
func isThere(err error) bool {
	var e *jetstream.APIError
	return errors.As(err, &e) && strings.Contains(e.Description, server.ErrMaxMsgsPerSubject.Error())
}

// Pending implements job.TaskQueue.
func (q *Queue) Pending(ctx context.Context) ([]job.Ref, error) {
	ctx, done := context.WithTimeout(ctx, startTimeout)
	defer done()
	info, err := q.stream.Info(ctx, jetstream.WithSubjectFilter("tasks.>"))
	if err != nil {
		return nil, fmt.Errorf("list waiting tasks: %w", err)
	}
	refs := make([]job.Ref, 0, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		r, err := refOf(subject)
		if err != nil {
			return nil, err
		}
		refs = append(refs, r)
	}
	return refs, nil
}

// Drop implements job.TaskQueue.
func (q *Queue) Drop(ctx context.Context, id string) error {
	ctx, done := context.WithTimeout(ctx, requestTimeout)
	defer done()
	err := q.conn.Publish("ctl.cancel."+id, nil)
	if err == nil {
		err = q.conn.FlushWithContext(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lines = slices.DeleteFunc(q.lines, func(l *line) bool {
		if l.job != id {
			return false
		}
		if e := q.stream.DeleteConsumer(ctx, l.name()); e != nil && !errors.Is(e, jetstream.ErrConsumerNotFound) {
			err = errors.Join(err, e)
		}
		return true
	})
	err = errors.Join(err, q.stream.Purge(ctx, jetstream.WithPurgeSubject("tasks.*."+id+".>")))
	if err != nil {
		return fmt.Errorf("drop tasks of job %s: %w", id, err)
	}
	return nil
}

func (q *Queue) wake() {
	select {
	case q.woken <- struct{}{}:
	default:
	}
}

// logger gives what the server has to say to the log; it says nothing in normal
// operation above the level of debugging.
type logger struct{ log *slog.Logger }

func (l logger) Noticef(format string, v ...any) { l.log.Debug("nats: " + fmt.Sprintf(format, v...)) }

func (l logger) Warnf(format string, v ...any) { l.log.Warn("nats: " + fmt.Sprintf(format, v...)) }

func (l logger) Fatalf(format string, v ...any) { l.log.Error("nats: " + fmt.Sprintf(format, v...)) }

func (l logger) Errorf(format string, v ...any) { l.log.Error("nats: " + fmt.Sprintf(format, v...)) }
func (logger) Debugf(string, ...any)            {}
func (logger) Tracef(string, ...any)            {}

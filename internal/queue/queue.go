// Package queue carries work: it says which tasks wait and who has which one now.
//
// References to tasks flow in from job, leases flow out to handlers. What a task
// is, what came of it and what follows stays in the records; everything here can
// be lost and is made again from them.
//
// It is an embedded NATS server with JetStream, which the process talks to in memory
// and which listens nowhere unless it is told to; or a NATS cluster elsewhere. It may
// touch the folder it is given and the network. Processes that share a queue also
// talk to each other over it: Call and Tell ask any server, Answer and Hear are one.
//
// One stream, TASKS, a work queue on files that are synced before a publish is
// acknowledged, holds one message per task under
//
//	tasks.<rank>.<job>.<number>     rank: 50 − priority of the job, three digits
//
// at most one per subject, so that publishing again does nothing. Each job with
// messages has a consumer, its line. Which line is served next is job.Turns's to say:
// by priority, and jobs of equal priority share. A line serves its tasks in the order
// they were published.
//
// Where nobody else can hold a lease, leases end with the process: opening the queue
// makes all consumers anew, so that what was leased is delivered at once. Where
// others can, leases outlive it, who publishes tells the others, and all look now and
// then which lines there are: the messages say so, not any memory.
package queue

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
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

// Config says where the queue is.
type Config struct {
	Dir    string // of the embedded server's files; made when it does not exist; one process at a time may use it
	Listen string // HOST:PORT on which the embedded server lets others join; "" is nowhere
	Token  string // that they must have
	// URLs are those of a cluster elsewhere instead: nats://USER:PASSWORD@HOST:PORT.
	URLs []string
	// Join makes this one of those who carry tasks beside the servers: it makes
	// nothing that is not there.
	Join  bool
	Owner string // of the records that a cluster's tasks are of; others are refused
	// Carries says whether the tasks of a job are delivered here; nil: of all. It is
	// asked once a job, and again after an error.
	Carries func(ctx context.Context, job string) (bool, error)
	Name    string       // of this process, for the cluster's operators; "" is vodwright
	Logger  *slog.Logger // nil discards
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
	carry  func(ctx context.Context, job string) (bool, error)
	shared bool   // others publish and carry too
	id     string // of this process, among them

	mu     sync.Mutex
	lines  []*line // by name
	turns  job.Turns
	leases map[string]map[*lease]struct{}
	gone   map[string]time.Time // jobs that were dropped, for a while: messages of theirs may still be seen
}

var _ job.TaskQueue = (*Queue)(nil)

// line is the consumer of one job's tasks.
type line struct {
	rank, job string
	consumer  jetstream.Consumer // nil until it is asked, for a line that others published to
	asked     bool               // whether its tasks are delivered here
	foreign   bool               // they are not
	waiting   int                // messages that were published and not delivered, as far as is known here
}

func (l *line) name() string    { return l.rank + "_" + l.job }
func (l *line) subject() string { return "tasks." + l.rank + "." + l.job + ".>" }

// Open starts the server on its folder. A folder that another process uses is a
// fault.Conflict. Files that the server cannot read are dropped: all they say is
// in the records too. The caller closes the Queue.
func Open(ctx context.Context, cfg Config) (*Queue, error) {
	q := &Queue{log: cfg.Logger, woken: make(chan struct{}, 1), leases: map[string]map[*lease]struct{}{}, gone: map[string]time.Time{}, id: nats.NewInbox()[len(nats.InboxPrefix):]}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	q.carry = cfg.Carries
	q.shared = cfg.Listen != "" || len(cfg.URLs) > 0
	if cfg.Name == "" {
		cfg.Name = "vodwright"
	}
	if len(cfg.URLs) > 0 {
		if err := q.connect(ctx, cfg); err != nil {
			return nil, errors.Join(err, q.Close())
		}
		return q, nil
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
	if err = q.start(ctx, cfg); err != nil && ctx.Err() == nil && !errors.Is(err, errAddress) {
		q.log.WarnContext(ctx, "task queue unreadable, made anew from the records", "dir", cfg.Dir, "err", err)
		q.stop()
		if err = os.RemoveAll(filepath.Join(cfg.Dir, server.JetStreamStoreDir)); err == nil {
			err = q.start(ctx, cfg)
		}
	}
	if errors.Is(err, errAddress) {
		return nil, errors.Join(fault.New(fault.Unavailable, "", "workers cannot join at %s: %w", cfg.Listen, err).
			WithHint("choose another address with --join-listen; port 0 is any free port"), q.Close())
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

const maxPayload = 8 << 20 // a plan of some thousand chunks is a message

// errAddress is why the embedded server cannot listen.
var errAddress = errors.New("the address is not free")

func (q *Queue) start(ctx context.Context, cfg Config) error {
	own := nats.NewInbox() // known to this process alone
	options := &server.Options{
		ServerName: "vodwright", DontListen: cfg.Listen == "", NoSigs: true,
		JetStream: true, StoreDir: cfg.Dir, SyncAlways: true, MaxPayload: maxPayload,
		JetStreamMaxMemory: 16 << 20, JetStreamMaxStore: maxStore,
		CustomClientAuthentication: door{own: own, token: cfg.Token},
	}
	if cfg.Listen != "" {
		host, port, err := splitAddress(cfg.Listen)
		if err != nil {
			return err
		}
		options.Host, options.Port = host, port
		if port == 0 {
			options.Port = server.RANDOM_PORT
		}
	}
	s, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("configure server: %w", err)
	}
	s.SetLoggerV2(logger{q.log}, false, false, false)
	q.server = s
	s.Start()
	if !s.ReadyForConnections(startTimeout) || !s.JetStreamEnabled() {
		return errors.New("start server: JetStream did not come up")
	}
	if q.conn, err = nats.Connect("", nats.InProcessServer(s), nats.Token(own), nats.Name(cfg.Name), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond)); err != nil {
		return fmt.Errorf("connect to server: %w", err)
	}
	return q.prepare(ctx, jetstream.StreamConfig{Replicas: 1})
}

// splitAddress reads HOST:PORT and finds out whether the port is free: the server
// ends the process when it is not.
func splitAddress(address string) (string, int, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", errAddress, err)
	}
	if err := l.Close(); err != nil {
		return "", 0, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.Atoi(port)
	return host, n, err
}

// door lets in the process itself, and whoever has the token with the rights of one
// who carries tasks.
type door struct{ own, token string }

// Check implements server.Authentication.
func (d door) Check(c server.ClientAuthentication) bool {
	given := c.GetOpts().Token
	same := func(want string) bool {
		return want != "" && subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
	}
	switch {
	case same(d.own):
		return true
	case same(d.token):
		c.RegisterUser(&server.User{Username: "worker", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				callSubject + ">", tellSubject + ">", waitsSubject + ">", "$JS.ACK." + streamName + ".>", "$JS.API.STREAM.INFO." + streamName,
				"$JS.API.CONSUMER.CREATE." + streamName + ".>", "$JS.API.CONSUMER.INFO." + streamName + ".>", "$JS.API.CONSUMER.MSG.NEXT." + streamName + ".>",
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{nats.InboxPrefix + ">", controlSubjects}},
		}})
		return true
	}
	return false
}

// prepare makes what the queue is of on a server that answers.
func (q *Queue) prepare(ctx context.Context, stream jetstream.StreamConfig) (err error) {
	if q.js, err = jetstream.New(q.conn, jetstream.WithPublishAsyncMaxPending(publishWindow)); err != nil {
		return fmt.Errorf("connect to server: %w", err)
	}
	ctx, done := context.WithTimeout(ctx, startTimeout)
	defer done()
	stream.Name, stream.Subjects = streamName, []string{"tasks.>"}
	stream.Retention, stream.Storage = jetstream.WorkQueuePolicy, jetstream.FileStorage
	// One message a task, for as long as the task is not done: that, and not a
	// window of time, is what makes publishing twice harmless.
	stream.MaxMsgsPerSubject, stream.Discard, stream.DiscardNewPerSubject = 1, jetstream.DiscardNew, true
	stream.Duplicates = time.Second
	if q.stream, err = q.js.CreateOrUpdateStream(ctx, stream); err != nil {
		return fmt.Errorf("make stream: %w", err)
	}
	if err := q.listen(); err != nil {
		return err
	}
	if q.shared {
		return q.refresh(ctx)
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

// priorityOf is the reverse of rankOf; what is no rank goes last.
func priorityOf(rank string) int {
	n, err := strconv.Atoi(rank)
	if err != nil {
		return job.MinPriority
	}
	return job.MaxPriority - n
}

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
	delete(q.gone, r.Job)
	i, ok := slices.BinarySearchFunc(q.lines, l, func(a, b *line) int { return strings.Compare(a.name(), b.name()) })
	if ok && q.lines[i].consumer != nil {
		return q.lines[i], nil
	}
	c, err := q.consumer(ctx, l)
	if err != nil {
		return nil, err
	}
	if ok {
		q.lines[i].consumer = c
		return q.lines[i], nil
	}
	l.consumer = c
	q.lines = slices.Insert(q.lines, i, l)
	return l, nil
}

// consumer makes the consumer of a line, or finds it: any number of processes may.
func (q *Queue) consumer(ctx context.Context, l *line) (jetstream.Consumer, error) {
	config := jetstream.ConsumerConfig{
		Durable: l.name(), FilterSubject: l.subject(), AckPolicy: jetstream.AckExplicitPolicy, AckWait: job.LeaseTime,
		MaxDeliver: -1, MaxAckPending: -1,
		MemoryStorage: true, // leases end with the process anyway
	}
	if q.shared {
		config.MemoryStorage = false
		config.InactiveThreshold = forgotten
	}
	c, err := q.stream.CreateOrUpdateConsumer(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("make consumer %q: %w", l.name(), err)
	}
	return c, nil
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
	q.announce(refs)
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
	err := q.conn.Publish(cancelSubject+id, []byte(q.id))
	if err == nil {
		err = q.conn.FlushWithContext(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left(id)
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

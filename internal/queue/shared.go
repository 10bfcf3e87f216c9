package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// Subjects beside those of tasks. What goes over them can get lost: it makes things
// quick, not right.
const (
	controlSubjects = "ctl.>"
	cancelSubject   = "ctl.cancel." // + job: it is over; the sender's id
	waitsSubject    = "ctl.waits."  // + rank.job: tasks of it were published; the sender's id
)

const (
	// forgotten is after how long a consumer goes that nobody asks: of a job that
	// was dropped while somebody made it. One that is needed is made again.
	forgotten = time.Hour
	// ownerKey is of the stream's metadata: whose tasks it has.
	ownerKey = "vodwright-owner"
	// replicas is how many nodes of a cluster keep the tasks.
	replicas = 3
)

// connect uses a cluster elsewhere.
func (q *Queue) connect(ctx context.Context, cfg Config) error {
	where := strings.Join(withoutSecrets(cfg.URLs), ", ")
	lost := func(_ *nats.Conn, err error) {
		if err != nil {
			q.log.Warn("connection to NATS lost", "err", err)
		}
	}
	conn, err := nats.Connect(strings.Join(cfg.URLs, ","), nats.Name(cfg.Name), nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond), nats.Timeout(5*time.Second), nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(lost), nats.ReconnectHandler(func(c *nats.Conn) {
			q.log.Info("connected to NATS again", "server", c.ConnectedUrlRedacted())
			q.wake()
		}), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { q.log.Warn("nats", "err", err) }))
	switch {
	case errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired):
		return fault.New(fault.Denied, "", "NATS at %s refuses these credentials: %w", where, err).
			WithHint("give them in the URL: nats://TOKEN@HOST:PORT or nats://USER:PASSWORD@HOST:PORT")
	case err != nil:
		return fault.New(fault.Unavailable, "", "no NATS server answers at %s: %w", where, err).
			WithHint("is it running, and is the port open from here?")
	}
	q.conn = conn
	if cfg.Join {
		return q.join(ctx, where)
	}
	err = q.prepareCluster(ctx, cfg.Owner, where)
	switch {
	case err == nil || fault.Of(err).Hint != "":
		return err
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		return fault.New(fault.Invalid, "", "NATS at %s has no JetStream: %w", where, err).
			WithHint("start its nodes with -js, or jetstream {} in their configuration, and let this account use it")
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Unavailable, "", "NATS at %s does not answer as JetStream: %w", where, err).
			WithHint("a cluster needs most of its nodes; an account needs the right to publish to $JS.API.>, tasks.>, ctl.>, rpc.> and tell.>, and to subscribe to all of them and _INBOX.>")
	}
	return fmt.Errorf("open task queue at %s: %w", where, err)
}

// prepareCluster keeps tasks on three nodes where there are as many.
func (q *Queue) prepareCluster(ctx context.Context, owner, where string) error {
	js, err := jetstream.New(q.conn)
	if err != nil {
		return err
	}
	look, done := context.WithTimeout(ctx, requestTimeout)
	defer done()
	want := 1
	if len(q.conn.Servers()) >= replicas {
		want = replicas
	}
	if s, err := js.Stream(look, streamName); err == nil { // never fewer than it has
		if of := s.CachedInfo().Config.Metadata[ownerKey]; of != owner {
			return fault.New(fault.Conflict, "", "NATS at %s has the tasks of another server", where).
				WithHint("give this one a cluster, or an account, of its own; if that server is gone: nats stream rm %s", streamName)
		}
		want = max(want, s.CachedInfo().Config.Replicas)
	} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	made := jetstream.StreamConfig{Replicas: want, Metadata: map[string]string{ownerKey: owner}}
	err = q.prepare(ctx, made)
	var refused *jetstream.APIError
	if want > 1 && errors.As(err, &refused) && refused.Code >= 500 && q.stream == nil {
		q.log.WarnContext(ctx, "tasks are kept on one NATS node: no three of them have JetStream", "err", err)
		made.Replicas = 1
		err = q.prepare(ctx, made)
	}
	return err
}

// join finds what servers made.
func (q *Queue) join(ctx context.Context, where string) (err error) {
	if q.js, err = jetstream.New(q.conn); err != nil {
		return err
	}
	ctx, done := context.WithTimeout(ctx, requestTimeout)
	defer done()
	if q.stream, err = q.js.Stream(ctx, streamName); err != nil {
		return fault.New(fault.Unavailable, "", "there is no Vodwright server at %s: %w", where, err).
			WithHint("start one first: vodwright serve --join-listen HOST:PORT, or with --nats and the same cluster")
	}
	if err := q.listen(); err != nil {
		return err
	}
	return q.refresh(ctx)
}

// listen hears of jobs that are over, and of lines that others publish to: by one
// subscription, so that it hears in the order in which it was told.
func (q *Queue) listen() error {
	if _, err := q.conn.Subscribe(controlSubjects, func(m *nats.Msg) {
		if id, ok := strings.CutPrefix(m.Subject, cancelSubject); ok {
			q.cancelLeases(id)
			if string(m.Data) != q.id { // else Drop has done so
				q.mu.Lock()
				q.left(id)
				q.lines = slices.DeleteFunc(q.lines, func(l *line) bool { return l.job == id })
				q.mu.Unlock()
			}
			return
		}
		rank, id, ok := strings.Cut(strings.TrimPrefix(m.Subject, waitsSubject), ".")
		if ok && string(m.Data) != q.id {
			q.learn(rank, id, 1)
			q.wake()
		}
	}); err != nil {
		return fmt.Errorf("subscribe to what others tell: %w", err)
	}
	return q.conn.FlushTimeout(requestTimeout)
}

// left notes that a job was dropped. q.mu is held.
func (q *Queue) left(id string) {
	maps.DeleteFunc(q.gone, func(_ string, at time.Time) bool { return time.Since(at) > 2*requestTimeout })
	q.gone[id] = time.Now()
}

// learn notes a line that others publish to.
func (q *Queue) learn(rank, id string, waiting int) {
	l := &line{rank: rank, job: id}
	q.mu.Lock()
	defer q.mu.Unlock()
	i, ok := slices.BinarySearchFunc(q.lines, l, func(a, b *line) int { return strings.Compare(a.name(), b.name()) })
	if !ok {
		q.lines = slices.Insert(q.lines, i, l)
	}
	delete(q.gone, id)
	q.lines[i].waiting = max(q.lines[i].waiting, waiting)
}

// announce tells others of tasks that wait.
func (q *Queue) announce(refs []job.Ref) {
	if !q.shared {
		return
	}
	told := map[string]bool{}
	for _, r := range refs {
		subject := waitsSubject + rankOf(r.Priority) + "." + r.Job
		if told[subject] {
			continue
		}
		told[subject] = true
		if err := q.conn.Publish(subject, []byte(q.id)); err != nil {
			q.log.Debug("tell of waiting tasks", "err", err) // they look by themselves soon
		}
	}
}

// refresh makes the lines those of the messages that there are.
func (q *Queue) refresh(ctx context.Context) error {
	refs, err := q.Pending(ctx)
	if err != nil {
		return err
	}
	type at struct{ rank, job string }
	there := map[at]bool{}
	q.mu.Lock()
	for _, r := range refs {
		if _, gone := q.gone[r.Job]; !gone {
			there[at{rankOf(r.Priority), r.Job}] = true
		}
	}
	q.mu.Unlock()
	for l := range there {
		q.learn(l.rank, l.job, 0)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lines = slices.DeleteFunc(q.lines, func(l *line) bool { return l.waiting == 0 && !there[at{l.rank, l.job}] })
	return nil
}

// Address returns where the embedded server listens, "" for nowhere.
func (q *Queue) Address() string {
	if q.server == nil || q.server.Addr() == nil {
		return ""
	}
	return q.server.Addr().String()
}

// withoutSecrets are URLs as messages may show them.
func withoutSecrets(urls []string) []string {
	out := make([]string, len(urls))
	for i, u := range urls {
		scheme, rest, ok := strings.Cut(u, "://")
		if !ok {
			scheme, rest = "nats", u
		}
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			rest = rest[at+1:]
		}
		out[i] = scheme + "://" + rest
	}
	return out
}

package logs

import (
	"context"
	"log/slog"
	"sync"
	"time"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/fault"
)

// The service's bounds of what is written.
const (
	MaxMessage   = 1 << 20 // bytes of a message, of a batch with eventBytes an event
	MaxBatch     = 10000   // events
	eventBytes   = 26      // counted with every event beside its message
	sweepEvery   = 10 * time.Minute
	sweepAtOnce  = 5000 // events a transaction: other writers wait for it
	maxNameBytes = 512
)

// Event is one thing that was logged.
type Event struct {
	Time    time.Time // kept in milliseconds
	Message string    // UTF-8, not empty
}

// Record is an Event that is kept.
type Record struct {
	ID       int64 // order of writing among all events
	Stream   string
	Time     time.Time
	Ingested time.Time
	Message  string
}

// Group is a log group.
type Group struct {
	Name          string
	Created       time.Time
	RetentionDays int   // 0 keeps events for ever
	StoredBytes   int64 // of messages, each with 26 bytes
}

// Stream is a log stream. First, Last and Ingested are zero before its first event.
type Stream struct {
	Name                           string
	Created, First, Last, Ingested time.Time
}

// Batch is what one writer writes to one stream at once.
type Batch struct {
	Group, Stream string
	Create        bool // make group and stream when they are missing
	Ingested      time.Time
	Events        []Event
}

// GroupQuery says which groups a list holds, in the order of names.
type GroupQuery struct {
	Prefix   string
	Contains string // case-insensitive
	After    string // name of the last one of the page before
	Limit    int
}

// StreamQuery says which streams of a group a list holds: by name, or by the
// time of the last event and then the name.
type StreamQuery struct {
	Prefix     string
	ByLast     bool
	Descending bool
	After      *Stream // the last one of the page before
	Limit      int
}

// Position is a place in the order of events.
type Position struct {
	Time time.Time
	ID   int64
}

// EventQuery says which events of a group are read, in order of time.
type EventQuery struct {
	Group        string
	Streams      []string  // names; nil is all
	StreamPrefix string    // empty is any
	From, Until  time.Time // From <= time < Until; zero is unbounded
	Beyond       *Position // excluded; events after it, or before it when Descending
	Descending   bool
	Limit        int
}

// Store keeps logs; *store.Store is it. What is not there is a fault.NotFound, a
// name that is taken a fault.Conflict. It is wide: its methods share three tables.
type Store interface {
	CreateLogGroup(ctx context.Context, g Group, tags map[string]string) error
	LogGroup(ctx context.Context, name string) (Group, error)
	LogGroups(ctx context.Context, q GroupQuery) ([]Group, error)
	SetLogRetention(ctx context.Context, group string, days int) error
	DeleteLogGroup(ctx context.Context, name string) error
	CreateLogStream(ctx context.Context, group, stream string, at time.Time) error
	DeleteLogStream(ctx context.Context, group, stream string) error
	LogStream(ctx context.Context, group, stream string) (Stream, error)
	LogStreams(ctx context.Context, group string, q StreamQuery) ([]Stream, error)
	// AppendLog stores batches in one commit; a batch whose group or stream is
	// missing has its error in the list, which is as long as batches.
	AppendLog(ctx context.Context, batches []Batch) ([]error, error)
	LogEvents(ctx context.Context, q EventQuery) ([]Record, error)
	// ExpireLog drops up to limit events that are older than their group's
	// retention and returns how many there were.
	ExpireLog(ctx context.Context, now time.Time, limit int) (int, error)

	// Tags, SetTags and RemoveTags name a group by TagsOf.
	Tags(ctx context.Context, resource string) (map[string]string, error)
	SetTags(ctx context.Context, resource string, tags map[string]string) error
	RemoveTags(ctx context.Context, resource string, names []string) error
}

// TagsOf returns the name under which the tags of a group are kept: the resource
// part of its ARN.
func TagsOf(group string) string { return "log-group:" + group }

// Config says what Logs is made of. Store is needed.
type Config struct {
	Store  Store
	Logger *slog.Logger
	Now    func() time.Time // default time.Now
}

// Logs writes and expires logs. It is safe for concurrent use.
type Logs struct {
	store Store
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	waiting []*write
	writing bool // somebody commits, and will look at waiting again
}

// write is a batch on its way to the store.
type write struct {
	batch Batch
	done  chan error
}

// New returns the logs of a store. It starts nothing.
func New(cfg Config) *Logs {
	l := &Logs{store: cfg.Store, log: cfg.Logger, now: cfg.Now}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.now == nil {
		l.now = time.Now
	}
	return l
}

// Append writes events to a stream, which is made with its group when missing,
// and returns when they are on the disk. Events of one call may have any order;
// a message that is larger than MaxMessage is cut, one that is empty is skipped,
// one that is not UTF-8 is mended: what the house logs is never refused.
func (l *Logs) Append(ctx context.Context, group, stream string, events []Event) error {
	kept := make([]Event, 0, len(events))
	for _, e := range events {
		if e.Message = clean(e.Message); e.Message != "" {
			kept = append(kept, e)
		}
	}
	return l.put(ctx, Batch{Group: group, Stream: stream, Create: true, Events: kept})
}

// clean makes a message fit to be kept.
func clean(m string) string {
	if len(m) > MaxMessage {
		m = m[:MaxMessage]
		for i := 1; i < utf8.UTFMax && len(m) > 0; i++ {
			if r, n := utf8.DecodeLastRuneInString(m); r != utf8.RuneError || n != 1 {
				break
			}
			m = m[:len(m)-1]
		}
	}
	if !utf8.ValidString(m) {
		m = string([]rune(m))
	}
	return m
}

// put commits a batch, together with those that others bring meanwhile.
func (l *Logs) put(ctx context.Context, b Batch) error {
	b.Ingested = l.now().UTC().Truncate(time.Millisecond)
	w := &write{batch: b, done: make(chan error, 1)}
	l.mu.Lock()
	l.waiting = append(l.waiting, w)
	lead := !l.writing
	l.writing = true
	l.mu.Unlock()
	if lead {
		go l.drain(context.WithoutCancel(ctx)) // until nothing waits: longer than any one writer should
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return fault.New(fault.Canceled, "", "append to log stream %q: %w", b.Stream, ctx.Err())
	}
}

// drain commits what waits until nothing does.
func (l *Logs) drain(ctx context.Context) {
	for {
		l.mu.Lock()
		all := l.waiting
		l.waiting = nil
		l.writing = len(all) > 0
		l.mu.Unlock()
		if len(all) == 0 {
			return
		}
		batches := make([]Batch, len(all))
		for i, w := range all {
			batches[i] = w.batch
		}
		each, err := l.store.AppendLog(ctx, batches)
		for i, w := range all {
			if err == nil {
				w.done <- each[i]
			} else {
				w.done <- err
			}
		}
	}
}

// Run drops events that are older than their group's retention, until ctx ends.
func (l *Logs) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := l.Expire(ctx); err != nil && ctx.Err() == nil {
			l.log.ErrorContext(ctx, "expire log events", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Expire drops all events that are older than their group's retention now.
func (l *Logs) Expire(ctx context.Context) error {
	for {
		n, err := l.store.ExpireLog(ctx, l.now(), sweepAtOnce)
		if err != nil || n == 0 {
			return err
		}
	}
}

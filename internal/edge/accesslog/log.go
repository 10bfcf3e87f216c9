// Package accesslog keeps the standard access logs of distributions: an [Entry] a
// request comes in, gzip files in CloudFront's format go out, into the bucket
// that the distribution names, as PREFIX/DISTRIBUTION.YYYY-MM-DD-HH.UNIQUE.gz.
//
// Noting an entry costs a microsecond and never waits for a disk: it is formatted
// into memory. Once a second what has come in is appended to a spool file in the
// log's folder; every Interval, and when the server ends, the spool files are
// packed and put into their buckets. What kill -9 or a crash of the process costs
// is the last second; what a power failure costs is what the system had not
// written back. What could not be delivered is tried again, after a restart too.
//
// It touches its folder, a clock and the bucket through [Bucket].
package accesslog

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// Bucket takes finished files. Implementations are safe for concurrent use.
type Bucket interface {
	// PutLog stores the file at path as an object of a bucket.
	PutLog(ctx context.Context, bucket, key, path string) error
}

// Target is where a distribution's log goes.
type Target struct {
	Distribution, Bucket string
	Prefix               string // put before the name as it is
	Cookies              bool   // log cookies
}

// Config is what a Log is made of. Dir and Bucket are required.
type Config struct {
	Dir      string        // of the spool; made when the first entry comes
	Bucket   Bucket        // where finished files go
	Interval time.Duration // between deliveries; 0 is 5 minutes
	Clock    func() time.Time
	Logger   *slog.Logger
}

// Log is the access log of all distributions. Note may be called by any number of
// goroutines; Run by one, once; Close after Run has returned and no more is noted.
type Log struct {
	cfg     Config
	full    chan struct{} // asks for a flush before its time
	dropped atomic.Int64
	second  atomic.Pointer[second]

	mu      sync.RWMutex
	streams map[Target]*stream

	disk sync.Mutex // held by whoever writes or delivers spool files
}

// stream is what has been noted for one target and is not on disk yet.
type stream struct {
	target  Target
	mu      sync.Mutex
	pending []byte
	spare   []byte // the buffer that was written last, to be used again

	// Guarded by Log.disk.
	file *os.File
	name string // of the spool file
	hour string
	size int64
}

const (
	flushEvery = time.Second
	// flushBytes asks for a flush early; maxPending is what is kept while a disk hangs.
	flushBytes, maxPending = 256 << 10, 8 << 20
	// maxSpoolFile is when a spool file is delivered before its time.
	maxSpoolFile = 64 << 20
	// maxSpool bounds what waits for a bucket that cannot be written; the oldest goes first.
	maxSpool       = 1 << 30
	deliverTimeout = 10 * time.Second // of the last delivery
)

// New returns a Log. It starts nothing and makes no folder.
func New(cfg Config) *Log {
	if cfg.Interval <= 0 {
		cfg.Interval = 5 * time.Minute
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Log{cfg: cfg, full: make(chan struct{}, 1), streams: map[Target]*stream{}}
}

// Dropped returns how many entries were lost because the disk did not keep up.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// Note takes an entry. It does not keep e.
func (l *Log) Note(to Target, e *Entry) {
	l.mu.RLock()
	s := l.streams[to]
	l.mu.RUnlock()
	if s == nil {
		s = l.stream(to)
	}
	var local [1024]byte
	line := e.appendLine(local[:0], l.when(e.Time), to.Cookies)
	s.mu.Lock()
	n := len(s.pending)
	if n+len(line) > maxPending {
		s.mu.Unlock()
		l.dropped.Add(1)
		return
	}
	s.pending = append(s.pending, line...)
	s.mu.Unlock()
	if n < flushBytes && n+len(line) >= flushBytes {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
}

// second is a second as it is written.
type second struct {
	unix int64
	text string
}

// when formats a time; all entries of a second share the text.
func (l *Log) when(t time.Time) string {
	if s := l.second.Load(); s != nil && s.unix == t.Unix() {
		return s.text
	}
	s := &second{t.Unix(), t.UTC().Format(timeFormat)}
	l.second.Store(s)
	return s.text
}

// stream returns the stream of a target, made if need be. Targets are as many as
// there are distributions with a log, and what they were before.
func (l *Log) stream(to Target) *stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.streams[to]
	if s == nil {
		s = &stream{target: to}
		l.streams[to] = s
	}
	return s
}

// Run writes what is noted to the spool and delivers it until ctx ends. It
// returns nil then; Close does the rest.
func (l *Log) Run(ctx context.Context) error {
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	deliver := time.NewTicker(l.cfg.Interval)
	defer deliver.Stop()
	l.Deliver(ctx) // what an earlier run left
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-flush.C:
			l.flush()
		case <-l.full:
			l.flush()
		case <-deliver.C:
			l.Deliver(ctx)
		}
	}
}

// Close writes and delivers what is left. What cannot be delivered stays in the spool.
func (l *Log) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), deliverTimeout)
	defer cancel()
	l.Deliver(ctx)
	return nil
}

func (l *Log) all() []*stream {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make([]*stream, 0, len(l.streams))
	for _, s := range l.streams {
		out = append(out, s)
	}
	return out
}

// flush appends what is pending to the spool files.
func (l *Log) flush() {
	l.disk.Lock()
	defer l.disk.Unlock()
	hour := l.cfg.Clock().UTC().Format("2006-01-02-15")
	for _, s := range l.all() {
		if s.file != nil && (s.hour != hour || s.size >= maxSpoolFile) {
			l.finish(s)
		}
		s.mu.Lock()
		text := s.pending
		s.pending, s.spare = s.spare[:0], nil
		s.mu.Unlock()
		if len(text) > 0 {
			if err := l.write(s, hour, text); err != nil {
				l.dropped.Add(int64(bytes.Count(text, []byte("\n"))))
				l.cfg.Logger.Error("write access log", "distribution", s.target.Distribution, "error", err)
			}
		}
		if cap(text) <= flushBytes*4 { // a burst's buffer is not kept
			s.mu.Lock()
			s.spare = text[:0]
			s.mu.Unlock()
		}
	}
}

const spoolEnd = ".spool"

func (l *Log) write(s *stream, hour string, text []byte) error {
	if s.file == nil {
		if err := os.MkdirAll(l.cfg.Dir, 0o700); err != nil {
			return err
		}
		s.hour, s.name, s.size = hour, s.target.Distribution+"."+hour+"."+unique(), 0
		f, err := os.OpenFile(filepath.Join(l.cfg.Dir, s.name+spoolEnd), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		s.file = f
		// The first line says where the rest goes, for whoever finds the file after a restart.
		line, err := json.Marshal(s.target)
		if err != nil {
			return err
		}
		if _, err := f.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	n, err := s.file.Write(text)
	s.size += int64(n)
	return err
}

// finish closes a stream's spool file: the next entry begins another.
func (l *Log) finish(s *stream) {
	if s.file == nil {
		return
	}
	if err := s.file.Close(); err != nil {
		l.cfg.Logger.Error("close access log", "file", s.name, "error", err)
	}
	s.file = nil
}

// unique returns CloudFront's kind of unique ending.
func unique() string {
	const alphabet = "0123456789abcdef"
	b := make([]byte, 8)
	for i := range b {
		b[i] = alphabet[rand.IntN(len(alphabet))]
	}
	return string(b)
}

// Deliver writes what is pending and puts every spool file into its bucket.
func (l *Log) Deliver(ctx context.Context) {
	l.flush()
	l.disk.Lock()
	defer l.disk.Unlock()
	for _, s := range l.all() {
		l.finish(s)
	}
	entries, err := os.ReadDir(l.cfg.Dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.cfg.Logger.Error("read spool of access logs", "error", err)
		}
		return
	}
	refused := map[string]bool{} // buckets, so that a missing one is met once
	var left []fs.FileInfo
	for _, e := range entries {
		name, ours := strings.CutSuffix(e.Name(), spoolEnd)
		if !ours {
			if strings.HasSuffix(e.Name(), ".gz") { // of a delivery that was cut short
				_ = os.Remove(filepath.Join(l.cfg.Dir, e.Name()))
			}
			continue
		}
		if err := l.deliver(ctx, name, refused); err != nil {
			if info, err := e.Info(); err == nil {
				left = append(left, info)
			}
			if ctx.Err() != nil {
				return
			}
			l.cfg.Logger.Warn("deliver access log", "file", name, "error", err, "hint", fault.Of(err).Hint)
		}
	}
	l.prune(left)
}

func (l *Log) deliver(ctx context.Context, name string, refused map[string]bool) error {
	path := filepath.Join(l.cfg.Dir, name+spoolEnd)
	spool, err := os.Open(path)
	if err != nil {
		return err
	}
	defer spool.Close()
	from := bufio.NewReaderSize(spool, 64<<10)
	first, err := from.ReadBytes('\n')
	var to Target
	if err != nil || json.Unmarshal(first, &to) != nil { // cut short before anything was in it
		return os.Remove(path)
	}
	if refused[to.Bucket] {
		return fault.New(fault.Unavailable, "", "bucket %q takes no logs", to.Bucket)
	}
	packed := filepath.Join(l.cfg.Dir, name+".gz")
	if err := pack(packed, from); err != nil {
		return fmt.Errorf("pack access log: %w", err)
	}
	defer os.Remove(packed)
	if err := l.cfg.Bucket.PutLog(ctx, to.Bucket, to.Prefix+name+".gz", packed); err != nil {
		refused[to.Bucket] = true
		return fmt.Errorf("put access log into bucket %q: %w", to.Bucket, err)
	}
	return os.Remove(path)
}

// pack writes the lines of a spool file, with the head before them. A last line
// that a crash cut short is left out.
func pack(to string, from *bufio.Reader) (err error) {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z := gzip.NewWriter(f)
	if _, err := io.WriteString(z, head); err != nil {
		return err
	}
	for {
		line, err := from.ReadSlice('\n')
		if err == io.EOF {
			return z.Close()
		} else if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if _, err := z.Write(line); err != nil {
			return err
		}
	}
}

// prune removes the oldest of the files that could not be delivered.
func (l *Log) prune(left []fs.FileInfo) {
	slices.SortFunc(left, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	var sum int64
	for _, info := range left {
		if sum += info.Size(); sum > maxSpool {
			l.cfg.Logger.Error("drop access log that cannot be delivered", "file", info.Name())
			_ = os.Remove(filepath.Join(l.cfg.Dir, info.Name()))
		}
	}
}

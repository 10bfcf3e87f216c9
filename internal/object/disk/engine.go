package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
)

// Config says where the folder is and who hears of changes.
type Config struct {
	Dir    string          // absolute; made when missing
	Events event.ObjectLog // nil: nobody hears of them
	Logger *slog.Logger    // nil discards
}

// Engine is the open folder. It is safe for concurrent use. Errors a caller can
// act on are *fault.Error with S3's codes.
type Engine struct {
	dir    string
	log    *slog.Logger
	events event.ObjectLog
	lock   *os.File
	j      *journal
	seq    *catalog.Sequence

	// mu is held shared by every change of a key and alone by a change of the
	// set of buckets, so that no key comes to life in a bucket that goes.
	mu      sync.RWMutex
	buckets map[string]*Bucket

	keys    keyedMutex // by bucket and key: changes of an entry
	uploads keyedMutex // by upload id

	holdMu sync.Mutex
	holds  map[string]hold // folders of segments that are being read, by blob

	joins chan toJoin // what Run may join; a hint, lost with the process

	pendingMu sync.Mutex
	pending   []pendingEvent
	wake      chan struct{}
}

type hold struct {
	readers int
	dropped bool
}

type toJoin struct{ bucket, key, version string }

type pendingEvent struct {
	event   event.ObjectEvent
	segment *segment
}

// Open opens the folder, makes it when it does not exist, and finishes what a
// killed process left half done. One process may have the folder open.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if !filepath.IsAbs(cfg.Dir) {
		return nil, fault.New(fault.Invalid, "", "open object store: folder %q is not absolute", cfg.Dir)
	}
	e := &Engine{
		dir: cfg.Dir, log: cfg.Logger, events: cfg.Events, wake: make(chan struct{}, 1), seq: catalog.NewSequence(),
		holds: map[string]hold{}, joins: make(chan toJoin, 64),
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if err := e.open(ctx); err != nil {
		if e.lock != nil {
			e.lock.Close()
		}
		return nil, fmt.Errorf("open object store %q: %w", cfg.Dir, err)
	}
	return e, nil
}

func (e *Engine) open(ctx context.Context) error {
	for _, d := range []string{"", "buckets", "uploads", "blobs", "staging", "journal"} {
		if err := os.MkdirAll(filepath.Join(e.dir, d), 0o755); err != nil {
			return err
		}
	}
	// Whoever made the folder around it, nobody else of the machine reads objects.
	if err := errors.Join(os.Chmod(e.dir, 0o700), syncDir(filepath.Dir(e.dir)), syncDir(e.dir)); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(e.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	e.lock = lock
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fault.New(fault.Conflict, "", "another process has the folder open: %w", err).
			WithHint("stop the other vodwright, or point --data at another folder")
	}
	if err := e.loadBuckets(); err != nil {
		return err
	}
	var events []event.ObjectEvent
	e.j, err = openJournal(filepath.Join(e.dir, "journal"), func(r *record) error {
		if r.Event != nil {
			events = append(events, *r.Event)
		}
		if b := e.buckets[r.Bucket]; b == nil || b.ID != r.BucketID {
			return nil // the bucket went later
		}
		return e.replay(r)
	})
	if err != nil {
		return err
	}
	if len(events) > 0 && e.events != nil {
		newest, err := e.events.AppendObjectEvents(ctx, events)
		if err != nil {
			return fmt.Errorf("append %d events of objects: %w", len(events), err)
		}
		e.j.tell(newest)
		e.j.old[len(e.j.old)-1].told = newest
	}
	for _, s := range e.j.old {
		e.j.done(s)
	}
	return emptyDir(filepath.Join(e.dir, "staging"))
}

// Run hands events to the event log, keeps the journal short and joins the
// segments of finished uploads, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	var joining sync.WaitGroup
	defer joining.Wait()
	joining.Go(func() { e.joinUploads(ctx) })
	const (
		retry = time.Second      // after the event log refused
		tidy  = 30 * time.Second // between checkpoints
	)
	ticker := time.NewTicker(tidy)
	defer ticker.Stop()
	if err := e.checkpoint(ctx, false); err != nil {
		e.log.ErrorContext(ctx, "checkpoint of the object journal", "err", err)
	}
	for {
		var again <-chan time.Time
		if err := e.deliver(ctx); err != nil && ctx.Err() == nil {
			e.log.ErrorContext(ctx, "events of objects wait", "err", err)
			again = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-e.wake:
		case <-again:
		case <-ticker.C:
			if err := e.checkpoint(ctx, true); err != nil {
				e.log.ErrorContext(ctx, "checkpoint of the object journal", "err", err)
			}
		}
	}
}

// joinUploads makes one file of what uploads left in parts, so that a snapshot
// is a link by the time a job asks for one.
func (e *Engine) joinUploads(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-e.joins:
			r, err := e.Open(u.bucket, u.key, u.version)
			if err == nil && r.file == nil {
				var joined *Reader
				if joined, err = e.join(ctx, u.bucket, u.key, r); err == nil {
					joined.Close()
				}
			}
			r.Close()
			if err != nil && ctx.Err() == nil && fault.KindOf(err) != fault.NotFound {
				e.log.ErrorContext(ctx, "join the parts of an upload", "bucket", u.bucket, "key", u.key, "err", err)
			}
		}
	}
}

// deliver hands all waiting events to the event log.
func (e *Engine) deliver(ctx context.Context) error {
	for {
		e.pendingMu.Lock()
		batch := e.pending[:min(len(e.pending), 256):min(len(e.pending), 256)]
		e.pendingMu.Unlock()
		if len(batch) == 0 {
			return nil
		}
		events := make([]event.ObjectEvent, len(batch))
		for i, p := range batch {
			events[i] = p.event
		}
		newest, err := e.events.AppendObjectEvents(ctx, events)
		if err != nil {
			return err
		}
		e.j.tell(newest)
		e.pendingMu.Lock()
		e.pending = e.pending[len(batch):]
		if len(e.pending) == 0 {
			e.pending = nil
		}
		e.pendingMu.Unlock()
		for _, p := range batch {
			e.j.done(p.segment)
		}
	}
}

// checkpoint keeps the journal short, and tells the event log of which events it
// will hear no more.
func (e *Engine) checkpoint(ctx context.Context, all bool) error {
	released, err := e.j.checkpoint(e.dir, all)
	if err != nil || released == 0 || e.events == nil {
		return err
	}
	return e.events.ReleaseObjectEvents(ctx, released) // another release says it if this fails
}

// Close hands over the last events, when the event log takes them, and closes
// the folder. Call it after Run returned and writers stopped.
func (e *Engine) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var errs []error
	if err := e.deliver(ctx); err != nil {
		errs = append(errs, fmt.Errorf("append events of objects: %w", err))
	}
	errs = append(errs, e.checkpoint(ctx, true), e.j.close(), e.lock.Close())
	return errors.Join(errs...)
}

// commit makes one change durable and visible. The caller holds mu shared and
// the key's lock, has read the entry under it, and has put the bytes on disk.
func (e *Engine) commit(r *record) error {
	if err := e.prepare(r); err != nil {
		return err
	}
	temp, err := e.stageEntry(r)
	if err != nil {
		return err
	}
	seg, err := e.j.append(r)
	if err != nil {
		if temp != "" {
			os.Remove(temp)
		}
		return err
	}
	if err := e.apply(r, temp); err != nil {
		// The journal says that it happened and the folder does not: only a
		// replay may decide what comes next.
		return e.j.breakWith(fmt.Errorf("apply change of %q in %q: %w", r.Key, r.Bucket, err))
	}
	if r.Event == nil || e.events == nil {
		e.j.done(seg)
		return nil
	}
	e.pendingMu.Lock()
	e.pending = append(e.pending, pendingEvent{*r.Event, seg})
	e.pendingMu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return nil
}

// replay does again what commit does after its journal record.
func (e *Engine) replay(r *record) error {
	if err := e.prepare(r); err != nil {
		return err
	}
	temp, err := e.stageEntry(r)
	if err != nil {
		return err
	}
	return e.apply(r, temp)
}

// prepare makes the folders that a change needs, so that nothing that can run
// out of space is left for after the commit.
func (e *Engine) prepare(r *record) error {
	for _, id := range []string{r.Land, r.Upload} {
		if id != "" {
			if err := os.MkdirAll(filepath.Dir(e.blobPath(id)), 0o755); err != nil {
				return diskError(err)
			}
		}
	}
	if r.Entry != nil {
		if err := os.MkdirAll(filepath.Dir(e.entryPath(r.Bucket, r.Key)), 0o755); err != nil {
			return diskError(err)
		}
	}
	return nil
}

// stageEntry writes the key's new entry beside its place. It is not synced: the
// journal holds it until a checkpoint has synced everything.
func (e *Engine) stageEntry(r *record) (temp string, err error) {
	if r.Entry == nil {
		return "", nil
	}
	b, err := json.Marshal(r.Entry)
	if err != nil {
		return "", err
	}
	temp = e.stagingPath("entry-" + e.seq.Next(""))
	if err := os.WriteFile(temp, b, 0o644); err != nil {
		os.Remove(temp)
		return "", diskError(err)
	}
	return temp, nil
}

func (e *Engine) apply(r *record, temp string) error {
	if r.Land != "" {
		if err := renameIfThere(e.stagingPath(r.Land), e.blobPath(r.Land)); err != nil {
			return err
		}
	}
	if r.Upload != "" {
		if err := e.landUpload(r); err != nil {
			return err
		}
	}
	path := e.entryPath(r.Bucket, r.Key)
	if r.Entry == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		e.pruneFolders(r.Bucket, filepath.Dir(path))
	} else {
		err := os.Rename(temp, path)
		for range 100 { // a deletion may prune the folder between prepare and here
			if !errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
				err = os.Rename(temp, path)
			}
		}
		if err != nil {
			return err
		}
	}
	for _, id := range r.Drop {
		if err := e.dropBlob(id); err != nil {
			return err
		}
	}
	return nil
}

// pruneFolders removes dir and its parents below the bucket while they are empty.
func (e *Engine) pruneFolders(bucket, dir string) {
	for root := e.keysPath(bucket); dir != root && len(dir) > len(root); dir = filepath.Dir(dir) {
		if os.Remove(dir) != nil {
			return
		}
	}
}

func (e *Engine) stagingPath(name string) string { return filepath.Join(e.dir, "staging", name) }
func (e *Engine) bucketPath(bucket string) string {
	return filepath.Join(e.dir, "buckets", bucket)
}

func (e *Engine) keysPath(bucket string) string { return filepath.Join(e.bucketPath(bucket), "keys") }

func (e *Engine) entryPath(bucket, key string) string {
	return filepath.Join(e.keysPath(bucket), entryPath(key))
}

// blobPath returns where a blob, or a part in an upload's blob, is. The last
// characters of a ULID are random: they spread the blobs over 1024 folders.
func (e *Engine) blobPath(blob string) string {
	id, _ := catalog.SplitBlob(blob)
	return filepath.Join(e.dir, "blobs", id[max(0, len(id)-2):], blob)
}

// readEntry returns the key's entry, nil when the key does not exist.
func (e *Engine) readEntry(bucket, key string) (*entry, error) {
	b, err := os.ReadFile(e.entryPath(bucket, key))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENAMETOOLONG) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entry, err := decodeEntry(b)
	if err != nil {
		return nil, fmt.Errorf("read entry of %q in %q: %w", key, bucket, err)
	}
	return entry, nil
}

func emptyDir(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := os.RemoveAll(filepath.Join(dir, n.Name())); err != nil {
			return err
		}
	}
	return nil
}

// diskError gives a full disk and an over-long path their S3 meaning.
func diskError(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return noSpace(err)
	case errors.Is(err, unix.ENAMETOOLONG):
		return fault.New(fault.Invalid, "KeyTooLongError", "the key is too long for the file system: %w", err)
	}
	return err
}

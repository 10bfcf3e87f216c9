package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
)

// record is one change of one key. Applying it twice, or after later records
// were applied and before they are applied again, gives the same folder.
type record struct {
	Bucket, BucketID, Key string
	Entry                 *entry             `json:",omitempty"` // the key from now on; nil: it goes
	Land                  string             `json:",omitempty"` // a staged blob that moves to blobs/
	Upload                string             `json:",omitempty"` // an upload whose folder moves to blobs/
	Drop                  []string           `json:",omitempty"` // blobs that nothing names any more
	Event                 *event.ObjectEvent `json:",omitempty"`
}

// rotateBytes is the size at which a journal file is closed: replaying it after
// a crash takes well under a second.
const rotateBytes = 4 << 20

// maxRecordBytes bounds what is read back for one record.
const maxRecordBytes = 1 << 30

// journal is an append-only log in numbered files. It is safe for concurrent
// use; concurrent appends share an fsync.
type journal struct {
	dir string

	mu      sync.Mutex // guards what follows and the order of writes
	file    *os.File
	segment *segment
	size    int64 // of the open file, bytes
	written int64 // appends so far
	old     []*segment
	broken  error
	told    int64 // position of the newest event that the event log has

	syncMu sync.Mutex // held by the one that syncs
	synced int64      // appends known to be on disk; guarded by syncMu
}

// segment is one journal file. open counts its changes that are not applied or
// whose event is not in the event log yet; guarded by journal.mu.
type segment struct {
	path string
	file *os.File // nil for one of an earlier process
	open int
	// told is set when the file is full: the events up to that position of the
	// event log are in this file, or were in one before it.
	told int64
}

func (j *journal) startSegment() error {
	n := 0
	if j.segment != nil {
		n, _ = strconv.Atoi(filepath.Base(j.segment.path))
	} else if len(j.old) > 0 {
		n, _ = strconv.Atoi(filepath.Base(j.old[len(j.old)-1].path))
	}
	path := filepath.Join(j.dir, fmt.Sprintf("%012d", n+1))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if err := syncDir(j.dir); err != nil {
		return errors.Join(err, f.Close())
	}
	j.file, j.segment, j.size = f, &segment{path: path, file: f}, 0
	return nil
}

// append writes r and returns when it is on disk. The segment it returns waits
// for one call of done.
func (j *journal) append(r *record) (*segment, error) {
	frame, err := encodeFrame(r)
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	if j.broken != nil {
		defer j.mu.Unlock()
		return nil, j.broken
	}
	if j.size >= rotateBytes {
		if err := j.rotate(); err != nil {
			defer j.mu.Unlock()
			return nil, j.fail(err)
		}
	}
	file, seg := j.file, j.segment
	if _, err := file.WriteAt(frame, j.size); err != nil {
		defer j.mu.Unlock()
		if terr := file.Truncate(j.size); terr != nil {
			return nil, j.fail(errors.Join(err, terr))
		}
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			return nil, noSpace(err)
		}
		return nil, err
	}
	j.size += int64(len(frame))
	j.written++
	seg.open++
	mine := j.written
	j.mu.Unlock()

	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	if j.synced >= mine {
		return seg, nil
	}
	j.mu.Lock()
	all, file := j.written, j.file // a rotation syncs what it closes
	j.mu.Unlock()
	if err := unix.Fdatasync(int(file.Fd())); err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		// After a failed fsync the kernel may forget the page: nothing written
		// from here on could be promised.
		return nil, j.fail(err)
	}
	j.synced = max(j.synced, all)
	return seg, nil
}

// rotate closes the open file and starts the next; j.mu is held.
func (j *journal) rotate() error {
	if err := j.file.Sync(); err != nil {
		return err
	}
	// The file stays open for an append that is about to sync it; checkpoint
	// closes it.
	j.segment.told = j.told
	j.old = append(j.old, j.segment)
	return j.startSegment()
}

// tell says up to where the event log has the events of the changes so far.
func (j *journal) tell(position int64) {
	j.mu.Lock()
	j.told = position
	j.mu.Unlock()
}

// fail makes every later append fail; j.mu is held.
func (j *journal) fail(err error) error {
	if j.broken == nil {
		j.broken = fault.New(fault.Internal, "InternalError", "the object journal can not be written: %w", err).
			WithHint("check the disk, then restart: what was acknowledged is kept")
	}
	return j.broken
}

// breakWith is fail for callers outside.
func (j *journal) breakWith(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.fail(err)
}

// done says that a change of seg is applied and its event kept.
func (j *journal) done(seg *segment) {
	j.mu.Lock()
	seg.open--
	j.mu.Unlock()
}

// checkpoint removes journal files that are not needed any more. With all set,
// the open file counts too, however small. root is any path of the file system.
// When released is not 0, no event up to that position of the event log is in the
// journal from now on.
func (j *journal) checkpoint(root string, all bool) (released int64, err error) {
	j.mu.Lock()
	if all && j.broken == nil && j.size > 0 && j.segment.open == 0 {
		if err := j.rotate(); err != nil {
			defer j.mu.Unlock()
			return 0, j.fail(err)
		}
	}
	n := 0
	for n < len(j.old) && j.old[n].open == 0 {
		n++
	}
	gone := j.old[:n:n]
	j.mu.Unlock()
	if n == 0 {
		return 0, nil
	}
	if err := syncFileSystem(root); err != nil {
		return 0, err
	}
	// Oldest first: a change must never be replayed without the later ones of its key.
	for _, s := range gone {
		if err := os.Remove(s.path); err != nil {
			return 0, err
		}
		if s.file != nil {
			s.file.Close() // it was synced when it was rotated
		}
		j.mu.Lock()
		j.old = j.old[1:]
		j.mu.Unlock()
	}
	return gone[n-1].told, syncDir(j.dir)
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken == nil {
		j.broken = fault.New(fault.Unavailable, "ServiceUnavailable", "the object store is closed")
	}
	errs := []error{j.file.Close()}
	for _, s := range j.old {
		if s.file != nil {
			errs = append(errs, s.file.Close())
		}
	}
	return errors.Join(errs...)
}

// openJournal reads what the last process left, in order, and starts a new file.
// The files read stay until a checkpoint, each with one open change that the
// caller ends with done.
func openJournal(dir string, replay func(*record) error) (*journal, error) {
	j := &journal{dir: dir}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	sort.Slice(names, func(a, b int) bool { return names[a].Name() < names[b].Name() })
	for i, n := range names {
		path := filepath.Join(dir, n.Name())
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		rest, err := replayAll(b, replay)
		if err != nil {
			return nil, fmt.Errorf("replay journal %q: %w", path, err)
		}
		// The end of the last file may be a record that was being written, and
		// so never acknowledged. A file before it was synced when it was closed.
		if rest > 0 && i < len(names)-1 {
			return nil, fault.New(fault.Internal, "", "object journal %q is damaged %d bytes before its end", path, rest).
				WithHint("the disk lost data that was on it; restore the folder from a backup, or remove the journal file to go on without its changes")
		}
		j.old = append(j.old, &segment{path: path, open: 1})
	}
	return j, j.startSegment()
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A frame is the payload's length and CRC-32C, both big endian, then the payload.
const frameHead = 8

func encodeFrame(r *record) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, frameHead))
	if err := json.NewEncoder(&b).Encode(r); err != nil {
		return nil, fmt.Errorf("encode journal record: %w", err)
	}
	frame := b.Bytes()
	payload := frame[frameHead:]
	binary.BigEndian.PutUint32(frame, uint32(len(payload)))
	binary.BigEndian.PutUint32(frame[4:], crc32.Checksum(payload, castagnoli))
	return frame, nil
}

// replayAll hands over the records in b and returns how many bytes at the end
// are not whole records.
func replayAll(b []byte, replay func(*record) error) (rest int, err error) {
	for {
		r, n, err := decodeFrame(b)
		if err != nil {
			return len(b), nil
		}
		if err := replay(r); err != nil {
			return 0, err
		}
		b = b[n:]
	}
}

// decodeFrame reads one frame at the head of b; io.ErrUnexpectedEOF says that
// there is none.
func decodeFrame(b []byte) (*record, int, error) {
	if len(b) < frameHead {
		return nil, 0, io.ErrUnexpectedEOF
	}
	n := binary.BigEndian.Uint32(b)
	if n > maxRecordBytes || int(n) > len(b)-frameHead {
		return nil, 0, io.ErrUnexpectedEOF
	}
	payload := b[frameHead : frameHead+int(n)]
	if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(b[4:]) {
		return nil, 0, io.ErrUnexpectedEOF
	}
	r := new(record)
	if err := json.Unmarshal(payload, r); err != nil {
		return nil, 0, io.ErrUnexpectedEOF
	}
	return r, frameHead + int(n), nil
}

func noSpace(err error) error {
	return fault.New(fault.Unavailable, "InsufficientStorage", "there is no space left for objects: %w", err).
		WithHint("free some space on the disk of the data folder")
}

package disk

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
)

// events is an event log in memory.
type events struct {
	mu   sync.Mutex
	seen map[string]event.ObjectEvent
	list []event.ObjectEvent
	fail bool

	released  int64
	onRelease func()
	again     []string // handed over again though they were released
}

// ReleaseObjectEvents forgets nothing, so that the test may tell what comes again.
func (l *events) ReleaseObjectEvents(_ context.Context, position int64) error {
	l.mu.Lock()
	l.released = max(l.released, position)
	l.mu.Unlock()
	if l.onRelease != nil {
		l.onRelease()
	}
	return nil
}

func (l *events) AppendObjectEvents(_ context.Context, es []event.ObjectEvent) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail {
		return 0, errors.New("the log is down")
	}
	for _, e := range es {
		if slices.ContainsFunc(l.list[:l.released], func(old event.ObjectEvent) bool { return old.Sequencer == e.Sequencer }) {
			l.again = append(l.again, e.Sequencer)
		}
	}
	if l.seen == nil {
		l.seen = map[string]event.ObjectEvent{}
	}
	for _, e := range es {
		if _, dup := l.seen[e.Sequencer]; !dup {
			l.seen[e.Sequencer] = e
			l.list = append(l.list, e)
		}
	}
	return int64(len(l.list)), nil
}

func openAt(t *testing.T, dir string, l event.ObjectLog) *Engine {
	t.Helper()
	e, err := Open(t.Context(), Config{Dir: dir, Events: l})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newEngine(t *testing.T) *Engine {
	t.Helper()
	e := openAt(t, filepath.Join(t.TempDir(), "objects"), &events{})
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		checkFolder(t, e.dir)
	})
	return e
}

func bucket(t *testing.T, e *Engine, name string, v Versioning) string {
	t.Helper()
	if _, err := e.CreateBucket(name, v, nil); err != nil {
		t.Fatal(err)
	}
	return name
}

func put(t testing.TB, e *Engine, bucket, key, content string) Version {
	t.Helper()
	v, err := tryPut(e, bucket, key, content)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func tryPut(e *Engine, bucket, key, content string) (Version, error) {
	s, err := e.Stage()
	if err != nil {
		return Version{}, err
	}
	defer s.Discard()
	if _, err := io.WriteString(s, content); err != nil {
		return Version{}, err
	}
	return s.Publish(Publish{Bucket: bucket, Key: key, Event: event.ObjectCreatedPut})
}

func get(t testing.TB, e *Engine, bucket, key, version string) string {
	t.Helper()
	r, err := e.Open(bucket, key, version)
	if err != nil {
		t.Fatalf("open %s/%s %s: %v", bucket, key, version, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if err == nil || fault.Of(err).Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// checkFolder fails when the folder of a closed engine holds bytes that nothing
// names, lacks some that something names, or has rests.
func checkFolder(t testing.TB, dir string) {
	t.Helper()
	named := map[string]bool{}
	filepath.WalkDir(filepath.Join(dir, "buckets"), func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "bucket.json" {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		en, err := decodeEntry(b)
		if err != nil {
			t.Errorf("entry %s: %v", p, err)
			return nil
		}
		for _, v := range en.Versions {
			var size int64
			for _, s := range v.Segments {
				id, _ := catalog.SplitBlob(s.Blob)
				named[id] = true
				fi, err := os.Stat(filepath.Join(dir, "blobs", id[len(id)-2:], s.Blob))
				if err != nil {
					t.Errorf("version %s of %q: %v", v.ID, en.Key, err)
					continue
				}
				size += fi.Size()
			}
			if size != v.Size {
				t.Errorf("version %s of %q has %d bytes, says %d", v.ID, en.Key, size, v.Size)
			}
		}
		return nil
	})
	blobs, _ := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	for _, b := range blobs {
		if !named[filepath.Base(b)] {
			t.Errorf("nothing names blob %s", b)
		}
	}
	if rests, _ := filepath.Glob(filepath.Join(dir, "staging", "*")); len(rests) > 0 {
		t.Errorf("left in staging: %v", rests)
	}
}

func TestUnversionedObjectIsReplacedAndRemoved(t *testing.T) {
	e := newEngine(t)
	b := bucket(t, e, "plain", "")
	_, err := e.Stat(b, "k", "")
	wantCode(t, err, "NoSuchKey")
	_, err = e.Stat("nope", "k", "")
	wantCode(t, err, "NoSuchBucket")
	put(t, e, b, "k", "one")
	before, err := e.Open(b, "k", "")
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	v := put(t, e, b, "k", "two")
	if v.ID != NullVersion || v.ETag != md5Of("two") {
		t.Errorf("version %+v", v)
	}
	if got := get(t, e, b, "k", ""); got != "two" {
		t.Errorf("got %q", got)
	}
	if old, _ := io.ReadAll(before); string(old) != "one" {
		t.Errorf("a reader of the old version read %q", old)
	}
	for range 2 { // the second finds nothing, which is no error
		if d, err := e.Delete(b, "k", "", nil); err != nil || d.Marker {
			t.Errorf("delete: %+v, %v", d, err)
		}
	}
	_, err = e.Stat(b, "k", "")
	wantCode(t, err, "NoSuchKey")
	if err := e.DeleteBucket(b); err != nil {
		t.Errorf("delete of the emptied bucket: %v", err)
	}
}

func md5Of(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestVersionsMarkersAndTheWayBack(t *testing.T) {
	e := newEngine(t)
	b := bucket(t, e, "versioned", "")
	put(t, e, b, "k", "null-1")
	if err := e.ChangeBucket(b, func(b *Bucket) error { b.Versioning = VersioningEnabled; return nil }); err != nil {
		t.Fatal(err)
	}
	v1, v2 := put(t, e, b, "k", "one"), put(t, e, b, "k", "two")
	d, err := e.Delete(b, "k", "", nil)
	if err != nil || !d.Marker {
		t.Fatalf("%+v, %v", d, err)
	}
	_, err = e.Stat(b, "k", "")
	wantCode(t, err, "NoSuchKey")
	_, err = e.Stat(b, "k", d.VersionID)
	wantCode(t, err, "MethodNotAllowed")
	_, err = e.Stat(b, "k", "01M8209J2X2WCZXVA33CJ82E55")
	wantCode(t, err, "NoSuchVersion")
	for id, want := range map[string]string{v1.ID: "one", v2.ID: "two", NullVersion: "null-1"} {
		if got := get(t, e, b, "k", id); got != want {
			t.Errorf("version %s is %q, want %q", id, got, want)
		}
	}
	wantCode(t, e.DeleteBucket(b), "BucketNotEmpty")

	// Suspended: the null version is replaced, the others stay.
	e.ChangeBucket(b, func(b *Bucket) error { b.Versioning = VersioningSuspended; return nil })
	if v := put(t, e, b, "k", "null-2"); v.ID != NullVersion {
		t.Errorf("version made while suspended: %s", v.ID)
	}
	page, err := e.ListVersions(b, ListInput{Max: 100})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, l := range page.Items {
		ids = append(ids, l.Version.ID)
	}
	if want := []string{NullVersion, d.VersionID, v2.ID, v1.ID}; !slices.Equal(ids, want) {
		t.Errorf("versions %v, want %v", ids, want)
	}
	// The newest goes for good: the one before it is the newest.
	for _, id := range []string{NullVersion, d.VersionID} {
		if _, err := e.Delete(b, "k", id, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := get(t, e, b, "k", ""); got != "two" {
		t.Errorf("after the marker went the object is %q", got)
	}
	for _, id := range []string{v1.ID, v2.ID} {
		e.Delete(b, "k", id, nil)
	}
	if err := e.DeleteBucket(b); err != nil {
		t.Error(err)
	}
}

func TestKeyAndFolderOfOneName(t *testing.T) {
	e := newEngine(t)
	b := bucket(t, e, "names", "")
	keys := []string{"a", "a/", "a/b", "a/b/", "a/b/c", "a-b", "a.b", "a0", "@", "@@", "%40"}
	for _, k := range keys {
		put(t, e, b, k, "content of "+k)
	}
	slices.Sort(keys)
	page, err := e.List(b, ListInput{Max: 100})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range page.Items {
		got = append(got, l.Key)
		if c := get(t, e, b, l.Key, ""); c != "content of "+l.Key {
			t.Errorf("%q holds %q", l.Key, c)
		}
	}
	if !slices.Equal(got, keys) {
		t.Errorf("listed %q, want %q", got, keys)
	}
	for _, k := range []string{"", "/x", "x//y", "./z", "a/../a", "nul\x00"} {
		_, err := tryPut(e, b, k, "x")
		if err == nil || fault.KindOf(err) != fault.Invalid {
			t.Errorf("key %q was taken: %v", k, err)
		}
		if _, err := e.Stat(b, k, ""); err == nil {
			t.Errorf("key %q reads", k)
		}
		if _, err := e.Delete(b, k, "", nil); err == nil {
			t.Errorf("key %q was deleted", k)
		}
	}
	if got := get(t, e, b, "a", ""); got != "content of a" {
		t.Errorf("an unclean key changed a: %q", got)
	}
	for _, k := range keys {
		e.Delete(b, k, "", nil)
	}
	if rest, _ := filepath.Glob(filepath.Join(e.keysPath(b), "*")); len(rest) > 0 {
		t.Errorf("folders left: %v", rest)
	}
}

func TestSnapshotNeverChanges(t *testing.T) {
	e := newEngine(t)
	b := bucket(t, e, "snapshots", "")
	dst := func(n string) string { return filepath.Join(t.TempDir(), n) }
	v := put(t, e, b, "one", "first")
	single := dst("single")
	if got, err := e.Snapshot(t.Context(), b, "one", "", single); err != nil || got.Sequence != v.Sequence {
		t.Fatalf("%+v, %v", got, err)
	}
	complete(e, b, "many", uploadOf(t, e, b, "many", "aaa", "bbb"))
	many := dst("many")
	if _, err := e.Snapshot(t.Context(), b, "many", "", many); err != nil {
		t.Fatal(err)
	}
	if r, err := e.Open(b, "many", ""); err != nil || r.File() == nil {
		t.Errorf("the segments were not joined: %v", err)
	} else {
		if v := r.Version; !slices.Equal(v.PartSizes, []int64{3, 3}) || v.ETag != "etag-2" {
			t.Errorf("joining changed the version: %+v", v)
		}
		r.Close()
	}
	a, _ := os.Stat(single)
	blob, _ := os.Stat(e.blobPath(v.Segments[0].Blob))
	if !os.SameFile(a, blob) {
		t.Error("the snapshot is a copy where a link was possible")
	}
	put(t, e, b, "one", "other")
	put(t, e, b, "many", "other")
	e.Delete(b, "one", "", nil)
	for path, want := range map[string]string{single: "first", many: "aaabbb"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("snapshot holds %q, want %q (%v)", got, want, err)
		}
	}
	if _, err := e.Snapshot(t.Context(), b, "many", "", single); !errors.Is(err, os.ErrExist) {
		t.Errorf("a snapshot over an existing file: %v", err)
	}
	if _, err := e.Snapshot(t.Context(), b, "many", "", "relative"); err == nil {
		t.Error("a relative path was taken")
	}
}

func TestCopyIsANewObject(t *testing.T) {
	e := newEngine(t)
	b := bucket(t, e, "copies", "")
	put(t, e, b, "one", "single")
	complete(e, b, "many", uploadOf(t, e, b, "many", "aaa", "bbb"))
	for _, from := range []string{"one", "many"} {
		r, err := e.Open(b, from, "")
		if err != nil {
			t.Fatal(err)
		}
		want := get(t, e, b, from, "")
		s, err := e.StageCopy(r)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		v, err := s.Publish(Publish{Bucket: b, Key: "copy", Event: event.ObjectCreatedCopy})
		if err != nil {
			t.Fatal(err)
		}
		if v.ETag != r.Version.ETag {
			t.Errorf("copy of %s has ETag %s, want %s", from, v.ETag, r.Version.ETag)
		}
		e.Delete(b, from, "", nil)
		if got := get(t, e, b, "copy", ""); got != want {
			t.Errorf("copy holds %q, want %q", got, want)
		}
	}
}

func TestFileIsTaken(t *testing.T) {
	e := newEngine(t)
	b := bucket(t, e, "taken", "")
	dir := filepath.Join(filepath.Dir(e.dir), "work")
	os.Mkdir(dir, 0o755)
	publish := func(path string) {
		t.Helper()
		s, err := e.StageFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Discard()
		if v, err := s.Publish(Publish{Bucket: b, Key: "k", Event: event.ObjectCreatedPut}); err != nil || v.ETag != md5Of("bytes") || v.Size != 5 {
			t.Fatalf("%+v, %v", v, err)
		}
		if got := get(t, e, b, "k", ""); got != "bytes" {
			t.Errorf("got %q", got)
		}
	}
	own, linked := filepath.Join(dir, "own"), filepath.Join(dir, "linked")
	os.WriteFile(own, []byte("bytes"), 0o600)
	publish(own)
	if exists(own) {
		t.Error("the file was copied, not moved")
	}
	os.WriteFile(linked, []byte("bytes"), 0o600)
	os.Link(linked, linked+"2")
	publish(linked)
	os.WriteFile(linked, []byte("BYTES"), 0o600)
	if got := get(t, e, b, "k", ""); got != "bytes" {
		t.Errorf("a write through another name changed the object: %q", got)
	}
	os.Symlink("/etc/passwd", filepath.Join(dir, "link"))
	if _, err := e.StageFile(filepath.Join(dir, "link")); err == nil {
		t.Error("a symbolic link was taken")
	}
}

func TestEventsWaitForTheirLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "objects")
	l := &events{fail: true}
	e := openAt(t, dir, l)
	b := bucket(t, e, "events", VersioningEnabled)
	var want []string
	for i := range 5 {
		want = append(want, put(t, e, b, "k", fmt.Sprint(i)).Sequence)
	}
	if err := e.Close(); err == nil {
		t.Error("Close did not say that events wait")
	}
	if _, err := Open(t.Context(), Config{Dir: dir, Events: l}); err == nil {
		t.Error("Open did not say that events wait")
	}
	l.fail = false
	for range 2 { // what the log has is not appended again
		e = openAt(t, dir, l)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, ev := range l.list {
		got = append(got, ev.Sequencer)
		if ev.VersionID != ev.Sequencer || ev.Key != "k" || ev.Name != event.ObjectCreatedPut || ev.Size != 1 {
			t.Errorf("event %+v", ev)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	checkFolder(t, dir)
}

// TestReleasedEventsNeverComeAgain takes the folder as a crash would leave it,
// whenever events are released and between the steps that lead there, and opens it again.
func TestReleasedEventsNeverComeAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "objects")
	l := &events{}
	crashes := 0
	crash := func() {
		crashes++
		left := filepath.Join(t.TempDir(), "objects")
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		again := l.onRelease
		l.onRelease = nil
		defer func() { l.onRelease = again }()
		released := l.released
		e := openAt(t, left, l)
		l.released = released // what this copy releases, the next may have
		e.j.close()
		e.lock.Close()
	}
	l.onRelease = crash
	e := openAt(t, dir, l)
	b := bucket(t, e, "events", VersioningEnabled)
	step := func(do func() error) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		crash()
	}
	for round := range 4 {
		for i := range 3 {
			step(func() error { put(t, e, b, fmt.Sprint("k", i), fmt.Sprint(round)); return nil })
		}
		step(func() error { return e.deliver(t.Context()) })
		step(func() error { put(t, e, b, "open", fmt.Sprint(round)); return nil })
		step(func() error { return e.checkpoint(t.Context(), true) }) // an event waits: nothing goes
		if want := int64(max(0, 4*round)); l.released != want {
			t.Errorf("round %d: %d events are released, want %d", round, l.released, want)
		}
		step(func() error { return e.deliver(t.Context()) })
		step(func() error { return e.checkpoint(t.Context(), true) })
		if want := int64(4 * (round + 1)); l.released != want {
			t.Errorf("round %d: %d events are released, want %d", round, l.released, want)
		}
		if round == 2 { // another process goes on
			step(e.Close)
			e = openAt(t, dir, l)
		}
	}
	step(e.Close)
	if len(l.again) > 0 || len(l.list) != 16 {
		t.Errorf("over %d crashes %d events were kept, and %d came again after their release", crashes, len(l.list), len(l.again))
	}
}

func TestFolderIsItsOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "buckets")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	e, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may enter: %v, %v", info.Mode(), err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	e := newEngine(t)
	_, err := Open(t.Context(), Config{Dir: e.dir})
	if err == nil || fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second engine opened the folder: %v", err)
	}
	if _, err := Open(t.Context(), Config{Dir: "relative"}); err == nil {
		t.Error("a relative folder was taken")
	}
}

// Writers, readers and deleters at once: every read gives one whole version.
func TestConcurrentUseOfOneKey(t *testing.T) {
	e := newEngine(t)
	b := bucket(t, e, "busy", "")
	content := func(i int) string { return strings.Repeat(fmt.Sprintf("%04d", i), 1000) }
	put(t, e, b, "f/k", content(0))
	ctx, cancel := context.WithCancel(t.Context())
	var writers, readers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 16 {
				if _, err := tryPut(e, b, "f/k", content(w*1000+i)); err != nil {
					t.Error(err)
				}
				if i%5 == 4 {
					e.Delete(b, "f/k", "", nil)
				}
				if id := uploadOf(t, e, b, "f/k", content(i), content(i)); i%8 == 0 {
					if _, _, err := complete(e, b, "f/k", id); err != nil {
						t.Error(err)
					}
				} else if err := e.AbortUpload(b, "f/k", id, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				r, err := e.Open(b, "f/k", "")
				if err != nil {
					if fault.Of(err).Code != "NoSuchKey" {
						t.Error(err)
					}
					continue
				}
				got, err := io.ReadAll(r)
				if err != nil || int64(len(got)) != r.Version.Size || len(r.Version.PartSizes) == 0 && md5Of(string(got)) != r.Version.ETag {
					t.Errorf("read %d bytes of version %+v: %v", len(got), r.Version, err)
				}
				r.Close()
				e.List(b, ListInput{Max: 10})
			}
		})
	}
	writers.Wait()
	cancel()
	readers.Wait()
	if ups, err := e.Uploads(b); err != nil || len(ups) != 0 {
		t.Errorf("uploads left: %v, %v", ups, err)
	}
}

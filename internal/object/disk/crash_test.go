package disk_test

import (
	"bufio"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/disk"
	"vodwright.dev/vodwright/internal/store"
)

// crashEnv makes the test binary the program that is killed; its value is the folder.
const crashEnv = "VODWRIGHT_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashEnv); dir != "" {
		if err := crashMe(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// line is what the child says of an operation: first that it begins, then,
// when it returned, what was acknowledged.
type line struct {
	Op, Key, Hash string
	ID            int // of the operation
	Done          bool
	Version       string // of a done write
	Upload        string
}

func open(dir string) (*disk.Engine, *store.Store, error) {
	db, err := store.Open(context.Background(), store.Config{Path: filepath.Join(dir, "records.db")})
	if err != nil {
		return nil, nil, err
	}
	e, err := disk.Open(context.Background(), disk.Config{Dir: filepath.Join(dir, "objects"), Events: db})
	return e, db, err
}

// crashMe writes, completes, deletes and says so until it is killed.
func crashMe(dir string) error {
	e, _, err := open(dir)
	if err != nil {
		return err
	}
	go e.Run(context.Background())
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	say := func(l line) {
		mu.Lock()
		defer mu.Unlock()
		out.Encode(l)
	}
	say(line{Op: "ready"})
	failed := make(chan error)
	for w := range 4 {
		go func() {
			for i := w; ; i += 4 {
				if err := crashStep(e, say, i); err != nil {
					failed <- fmt.Errorf("operation %d: %w", i, err)
				}
			}
		}()
	}
	return <-failed
}

func crashStep(e *disk.Engine, say func(line), id int) error {
	// Several writers to each key, each key with one life: keep keeps every
	// version, plain one, gone is deleted again.
	key := fmt.Sprintf("dir/%d", rand.IntN(4))
	content := fmt.Sprintf("%d-%d-", os.Getpid(), id) + strings.Repeat("x", rand.IntN(3000))
	l := line{ID: id, Key: key, Hash: hash(content)}
	stage := func(text string) (*disk.Staged, error) {
		s, err := e.Stage()
		if err == nil {
			_, err = io.WriteString(s, text)
		}
		return s, err
	}
	switch l.Op = []string{"keep", "keep", "plain", "gone", "upload"}[rand.IntN(5)]; l.Op {
	case "keep", "plain", "gone":
		s, err := stage(content)
		if err != nil {
			return err
		}
		say(l)
		v, err := s.Publish(disk.Publish{Bucket: l.Op + "-bucket", Key: key, Event: event.ObjectCreatedPut})
		if err != nil {
			return err
		}
		l.Done, l.Version = true, v.ID
		say(l)
		if l.Op == "gone" {
			_, err = e.Delete("gone-bucket", key, "", nil)
		}
		return err
	case "upload":
		u, err := e.CreateUpload("keep-bucket", key, disk.Properties{})
		if err != nil {
			return err
		}
		for n, text := range []string{content[:len(content)/2], content[len(content)/2:]} {
			s, err := stage(text)
			if err != nil {
				return err
			}
			if _, err := s.PutPart("keep-bucket", key, u.ID, n+1, disk.Checksum{}); err != nil {
				return err
			}
		}
		l.Upload = u.ID
		say(l)
		v, _, err := completeUpload(e, l)
		if err != nil {
			return err
		}
		l.Done, l.Version = true, v.ID
		say(l)
	}
	return nil
}

func completeUpload(e *disk.Engine, l line) (disk.Version, bool, error) {
	return e.CompleteUpload("keep-bucket", l.Key, l.Upload, func(_ disk.Upload, parts []disk.Part) (disk.Completion, error) {
		if len(parts) != 2 {
			return disk.Completion{}, fmt.Errorf("%d parts", len(parts))
		}
		return disk.Completion{Parts: parts, ETag: l.Hash}, nil
	})
}

func hash(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// A real process is killed at a random moment, again and again. After each kill:
// what was acknowledged is there, whole; each version has one event, and no event
// is without its version; an upload that was completed is completed, once; no
// byte is left over.
func TestKilledProcessLosesNothingAndDoublesNothing(t *testing.T) {
	dir := t.TempDir()
	e, db, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]disk.Versioning{"keep-bucket": disk.VersioningEnabled, "plain-bucket": "", "gone-bucket": ""} {
		if _, err := e.CreateBucket(name, v, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(e.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	keep := map[string]string{} // version → hash, of all acknowledged writes to keep-bucket
	begun, acked := map[string]int{}, map[string]int{}
	var past history
	for round := range rounds {
		lines := runAndKill(t, dir, time.Duration(20+rand.IntN(150))*time.Millisecond)
		e, db, err := open(dir)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		done := map[int]line{}
		for _, l := range lines {
			if l.Done {
				done[l.ID] = l
			}
		}
		for _, l := range lines {
			where := map[string]string{"upload": "keep"}[l.Op]
			if where == "" {
				where = l.Op
			}
			if l.Done {
				acked[where+l.Key]++
				if where == "keep" {
					keep[l.Version] = l.Hash
				}
				continue
			}
			begun[where+l.Key]++
			if l.Op == "upload" {
				checkUpload(t, e, l, done, keep)
			}
		}
		checkVersions(t, e, keep)
		if err := e.Close(); err != nil {
			t.Errorf("round %d: close: %v", round, err)
		}
		past.read(t, db)
		checkEvents(t, dir, db, past.events, begun, acked)
		checkRests(t, filepath.Join(dir, "objects"))
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Fatalf("after round %d", round)
		}
	}
	t.Logf("%d writes acknowledged over %d kills", sum(acked), rounds)
	if past.pruned < len(past.events)/2 {
		t.Errorf("%d of %d events were pruned", past.pruned, len(past.events))
	}
	if sum(acked) < rounds {
		t.Errorf("only %d writes in %d rounds: the test saw nothing", sum(acked), rounds)
	}
}

func sum(m map[string]int) (n int) {
	for v := range maps.Values(m) {
		n += v
	}
	return n
}

// runAndKill runs the child, kills it a while after it is ready, and returns
// what it said.
func runAndKill(t *testing.T, dir string, after time.Duration) []line {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+dir)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []line
	in := bufio.NewScanner(pipe)
	killed := false
	for in.Scan() {
		var l line
		if json.Unmarshal(in.Bytes(), &l) != nil {
			continue // cut by the kill
		}
		if l.Op == "ready" {
			killed = true
			time.AfterFunc(after, func() { cmd.Process.Kill() })
			continue
		}
		lines = append(lines, l)
	}
	err = cmd.Wait()
	if !killed {
		t.Fatalf("the child did not start: %v", err)
	}
	if code := cmd.ProcessState.ExitCode(); code != -1 {
		t.Fatalf("the child ended by itself, code %d", code)
	}
	return lines
}

// checkUpload completes an upload again: it must give the one version it has.
func checkUpload(t *testing.T, e *disk.Engine, l line, done map[int]line, keep map[string]string) {
	t.Helper()
	v, repeated, err := completeUpload(e, l)
	if err != nil {
		t.Errorf("complete upload %s again: %v", l.Upload, err)
		return
	}
	if d, ok := done[l.ID]; ok && (!repeated || v.ID != d.Version) {
		t.Errorf("upload %s was acknowledged as version %s and is now %s, repeated %v", l.Upload, d.Version, v.ID, repeated)
	}
	keep[v.ID] = l.Hash
}

func checkVersions(t *testing.T, e *disk.Engine, keep map[string]string) {
	t.Helper()
	found := map[string]bool{}
	uploads := map[string]int{}
	for _, b := range e.Buckets() {
		page, err := e.ListVersions(b.Name, disk.ListInput{Max: 1 << 30})
		if err != nil {
			t.Error(err)
			continue
		}
		for _, l := range page.Items {
			r, err := e.Open(b.Name, l.Key, l.Version.ID)
			if err != nil {
				t.Errorf("version %s of %s: %v", l.Version.ID, l.Key, err)
				continue
			}
			content, err := io.ReadAll(r)
			r.Close()
			if err != nil || hash(string(content)) != l.Version.ETag {
				t.Errorf("version %s of %s in %s is damaged: %d bytes, %v", l.Version.ID, l.Key, b.Name, len(content), err)
			}
			if b.Name == "keep-bucket" {
				found[l.Version.ID] = true
				if want := keep[l.Version.ID]; want != "" && want != l.Version.ETag {
					t.Errorf("version %s holds %s, want %s", l.Version.ID, l.Version.ETag, want)
				}
				uploads[l.Version.UploadID]++
			}
		}
	}
	for id := range keep {
		if !found[id] {
			t.Errorf("acknowledged version %s is lost", id)
		}
	}
	for id, n := range uploads {
		if id != "" && n != 1 {
			t.Errorf("upload %s made %d versions", id, n)
		}
	}
}

// history is what a feed has told, which the log may forget.
type history struct {
	events []event.ObjectEvent
	at     int64
	pruned int
}

// read goes on in the log and prunes it: an event that came again after it was
// pruned would be told twice.
func (h *history) read(t *testing.T, db *store.Store) {
	t.Helper()
	more, last, err := db.ObjectEvents(t.Context(), h.at, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	h.events, h.at = append(h.events, more...), last
	if err := db.Advance(t.Context(), event.FeedObjects, h.at, nil); err != nil {
		t.Fatal(err)
	}
	n, err := db.Prune(t.Context(), event.FeedObjects, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	h.pruned += n
}

// checkEvents compares the events with the closed engine's versions.
func checkEvents(t *testing.T, dir string, db *store.Store, all []event.ObjectEvent, begun, acked map[string]int) {
	t.Helper()
	count := map[string]int{}
	var versions []string
	last := map[string]event.ObjectEvent{}
	for _, ev := range all {
		where := strings.TrimSuffix(ev.Bucket, "-bucket") + ev.Key
		if ev.Name.Created() {
			count[where]++
		}
		if ev.Bucket == "keep-bucket" {
			versions = append(versions, ev.VersionID)
		}
		if ev.Sequencer > last[where].Sequencer {
			last[where] = ev
		}
	}
	for where, n := range count {
		if n < acked[where] || n > begun[where] {
			t.Errorf("%s: %d events for %d acknowledged and %d begun writes", where, n, acked[where], begun[where])
		}
	}
	e, err := disk.Open(t.Context(), disk.Config{Dir: filepath.Join(dir, "objects"), Events: db})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	page, err := e.ListVersions("keep-bucket", disk.ListInput{Max: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, l := range page.Items {
		have = append(have, l.Version.ID)
	}
	slices.Sort(versions)
	slices.Sort(have)
	if !slices.Equal(versions, have) {
		t.Errorf("%d events for %d versions: %v", len(versions), len(have), difference(versions, have))
	}
	// A removal follows a creation, and the last event says whether the key is there.
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b event.ObjectEvent) int { return strings.Compare(a.Sequencer, b.Sequencer) })
	there := map[string]bool{}
	for _, ev := range all {
		if ev.Bucket != "gone-bucket" {
			continue
		}
		if !ev.Name.Created() && (!there[ev.Key] || ev.Name != event.ObjectRemovedDelete) {
			t.Errorf("event %+v removes nothing", ev)
		}
		there[ev.Key] = ev.Name.Created()
	}
	for i := range 4 {
		key := fmt.Sprintf("dir/%d", i)
		if v, err := e.Stat("gone-bucket", key, ""); (err == nil) != there[key] {
			t.Errorf("gone-bucket %s: the events say there %v, the bucket %+v, %v", key, there[key], v, err)
		}
		v, err := e.Stat("plain-bucket", key, "")
		if err != nil && fault.KindOf(err) == fault.NotFound {
			continue
		}
		if ev := last["plain"+key]; err != nil || ev.Sequencer != v.Sequence || ev.ETag != v.ETag || ev.VersionID != "" {
			t.Errorf("the last event of %s is %+v, the object %+v (%v)", key, ev, v, err)
		}
	}
}

func difference(a, b []string) (out []string) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, "event without version "+s)
		}
	}
	for _, s := range b {
		if !slices.Contains(a, s) {
			out = append(out, "version without event "+s)
		}
	}
	return out
}

// checkRests looks for bytes that nothing names, in the folder of a closed engine.
func checkRests(t *testing.T, dir string) {
	t.Helper()
	var named strings.Builder
	filepath.WalkDir(filepath.Join(dir, "buckets"), func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, _ := os.ReadFile(p)
			named.Write(b)
		}
		return err
	})
	text := named.String()
	blobs, _ := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	for _, b := range blobs {
		if !strings.Contains(text, filepath.Base(b)) {
			t.Errorf("nothing names blob %s", b)
		}
	}
	if rests, _ := filepath.Glob(filepath.Join(dir, "staging", "*")); len(rests) > 0 {
		t.Errorf("left in staging: %v", rests)
	}
}

package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func reopen(t *testing.T, dir string) (*journal, []string) {
	t.Helper()
	var keys []string
	j, err := openJournal(dir, func(r *record) error { keys = append(keys, r.Key); return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.close() })
	return j, keys
}

func TestJournalReplaysWhatWasAppended(t *testing.T) {
	dir := t.TempDir()
	j, _ := reopen(t, dir)
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := j.append(&record{Key: fmt.Sprintf("%d-%d", w, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	j.close()
	if _, err := j.append(&record{Key: "late"}); err == nil {
		t.Error("a closed journal took a record")
	}
	_, keys := reopen(t, dir)
	if len(keys) != writers*each {
		t.Fatalf("%d records came back, want %d", len(keys), writers*each)
	}
	next := [writers]int{}
	for _, k := range keys {
		var w, i int
		fmt.Sscanf(k, "%d-%d", &w, &i)
		if i != next[w] {
			t.Fatalf("writer %d: record %d came when %d was next", w, i, next[w])
		}
		next[w]++
	}
}

func TestJournalEndsAtARecordThatIsNotWhole(t *testing.T) {
	for cut := 1; cut < 40; cut += 3 {
		dir := t.TempDir()
		j, _ := reopen(t, dir)
		for _, k := range []string{"one", "two", "three"} {
			if _, err := j.append(&record{Key: k}); err != nil {
				t.Fatal(err)
			}
		}
		path := j.segment.path
		j.close()
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, fi.Size()-int64(cut)); err != nil {
			t.Fatal(err)
		}
		_, keys := reopen(t, dir)
		if fmt.Sprint(keys) != "[one two]" {
			t.Errorf("cut by %d: %v came back", cut, keys)
		}
	}
}

func TestDamagedJournalBeforeTheLastFileStopsTheStore(t *testing.T) {
	dir := t.TempDir()
	j, _ := reopen(t, dir)
	j.append(&record{Key: "one"})
	path := j.segment.path
	j.close()
	reopen(t, dir) // starts a second file
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-3] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openJournal(dir, func(*record) error { return nil }); err == nil {
		t.Error("a journal that lost a synced record was taken for whole")
	}
}

func TestCheckpointKeepsWhatIsNotDone(t *testing.T) {
	dir := t.TempDir()
	j, _ := reopen(t, dir)
	seg, err := j.append(&record{Key: "open"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.checkpoint(dir, true); err != nil {
		t.Fatal(err)
	}
	if !exists(seg.path) {
		t.Fatal("the file of an open change went")
	}
	j.done(seg)
	if _, err := j.checkpoint(dir, true); err != nil {
		t.Fatal(err)
	}
	if exists(seg.path) {
		t.Error("the file of finished changes stayed")
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("journal files left: %v", names)
	}
}

func FuzzJournalFrame(f *testing.F) {
	frame, err := encodeFrame(&record{Key: "k", Entry: &entry{Key: "k", Versions: []Version{{ID: "null"}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame)
	f.Add(append(bytes.Clone(frame), frame...))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		rest, err := replayAll(b, func(*record) error { n++; return nil })
		if err != nil || rest > len(b) || n*frameHead > len(b) {
			t.Fatalf("%d records, %d bytes left of %d, %v", n, rest, len(b), err)
		}
		stop := errors.New("stop")
		if _, err := replayAll(b, func(*record) error { return stop }); n > 0 && !errors.Is(err, stop) {
			t.Fatal("an error of the replay was lost")
		}
	})
}

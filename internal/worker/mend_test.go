package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// exchange swaps two files or folders.
func exchange(a, b string) error {
	return errors.Join(os.Rename(a, a+".aside"), os.Rename(b, a), os.Rename(a+".aside", b))
}

// TestFilesThatChangePlaces has chunks of equal length change places, where each of
// them decodes and has the frames that are planned: before their outputs are made, while
// they are, and while what was made is read back.
func TestFilesThatChangePlaces(t *testing.T) {
	halves := strings.Replace(fmt.Sprintf(request, "clip.mp4", "out"), `"segmentLength":2`, `"segmentLength":3`, 1)
	r := encoded(t, halves)
	outputs := func(context.Context, string) (json.RawMessage, error) { return r.probed, nil }
	p := &probed{}
	if err := json.Unmarshal(r.probed, p); err != nil {
		t.Fatal(err)
	}
	if c := p.Plan.Ladders[0].Chunks; len(c) < 2 || c[0].To-c[0].From != c[1].To-c[1].From {
		t.Fatalf("no two chunks of equal length: %d, the first of %d frames", len(c), c[0].To-c[0].From)
	}
	content := func(root string) (all []byte) {
		for _, file := range files(t, root) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(append(all, filepath.Base(file)...), data...)
		}
		return all
	}
	var right []byte
	for _, c := range []struct {
		when  string
		swap  func(a, b string) error
		at    int // 1 is before, 2 while outputs are made, 3 while they are read back
		tries int
	}{
		{"never", nil, 0, 1},
		{"folders before", exchange, 1, 1},
		{"files before", func(a, b string) error { return exchange(filepath.Join(a, "r0.mp4"), filepath.Join(b, "r0.mp4")) }, 1, 1},
		{"folders meanwhile", exchange, 2, 2},
		{"a file is cut short meanwhile", func(a, _ string) error { return os.Truncate(filepath.Join(a, "r0.mp4"), 3000) }, 2, 2},
		{"folders afterwards", exchange, 3, 2},
	} {
		t.Run(c.when, func(t *testing.T) {
			f := &folder{root: t.TempDir(), owner: map[string]string{}}
			w := r.worker(t, f)
			once := func(at int) {
				if c.at != at {
					return
				}
				c.at = 0
				if err := c.swap(filepath.Join(w.folder("j"), "chunk-0-0"), filepath.Join(w.folder("j"), "chunk-0-1")); err != nil {
					t.Fatal(err)
				}
			}
			once(1)
			pack := func(ctx context.Context, task job.Task, p *probed, report func(job.Progress)) (Details, contents, error) {
				once(2)
				details, written, err := w.pack(ctx, task, p, report)
				once(3)
				return details, written, err
			}
			result, err := w.verified(t.Context(), r.finish, p, outputs, func(job.Progress) {}, pack)
			if err != nil {
				t.Fatal(err)
			}
			var d Details
			if err := json.Unmarshal(result.Details, &d); err != nil || d.Receipt.Tries != c.tries {
				t.Errorf("receipt %+v, %v, want %d tries", d.Receipt, err, c.tries)
			}
			if right == nil {
				right = content(f.root)
			} else if !bytes.Equal(content(f.root), right) {
				t.Error("the outputs are not those of an undisturbed job")
			}
		})
	}
}

// TestSourceThatChangesMeanwhile has a source written to while its job runs: what was
// encoded before and after is not of one film, though all of it decodes.
func TestSourceThatChangesMeanwhile(t *testing.T) {
	f := &damaging{folder: &folder{source: makeClip(t), root: t.TempDir(), owner: map[string]string{}}, key: "a/b_1_00001.ts", times: 1}
	w := newWorker(t, f.folder)
	w.cfg.Objects = f
	f.damage = func(string) error {
		source, err := os.OpenFile(filepath.Join(w.folder("job"), "source-0"), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = source.WriteAt([]byte{1}, 4000)
		return errors.Join(err, source.Close())
	}
	_, _, err := w.Local(t.Context(), "job", time.Now(), fmt.Appendf(nil, request, "clip.mp4", "out"), func(string, int) {})
	if e := fault.Of(err); err == nil || e.Kind.Retryable() || e.Message != `the input "s3://in/clip.mp4" was changed on the disk while it was encoded` {
		t.Errorf("%v", err)
	}
	if left := files(t, f.root); f.hit != 1 || len(left) > 0 {
		t.Errorf("hit %d times, left: %v", f.hit, left)
	}
}

package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// depot is a Depot over a folder.
type depot struct{ root string }

func (d depot) at(id, place string) string {
	return filepath.Join(d.root, id, filepath.FromSlash(place))
}

func (d depot) Put(_ context.Context, id, place, file string) error {
	if err := os.MkdirAll(filepath.Dir(d.at(id, place)), 0o700); err != nil {
		return err
	}
	return os.Rename(file, d.at(id, place))
}

func (d depot) Get(_ context.Context, id, place, dst string) error {
	in, err := os.Open(d.at(id, place))
	if os.IsNotExist(err) {
		return fault.New(fault.NotFound, "", "nothing at %s", place)
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (d depot) Clear(_ context.Context, id string) error {
	return os.RemoveAll(filepath.Join(d.root, id))
}

// TestWorkersShareNothing has each task of a job carried by a worker with a work
// folder of its own. One of them lies: about what it left, or with what it left.
func TestWorkersShareNothing(t *testing.T) {
	t.Parallel()
	source := makeClip(t)
	for name, lie := range map[string]func(t *testing.T, d depot, made *made){
		"all are honest": func(*testing.T, depot, *made) {},
		"other bytes": func(t *testing.T, d depot, m *made) {
			file := d.at("j", m.Place+"/r0.mp4")
			data := []byte(read(t, file))
			data[len(data)/2] ^= 0xff
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"fewer bytes": func(t *testing.T, d depot, m *made) {
			if err := os.Truncate(d.at("j", m.Place+"/r0.mp4"), 100); err != nil {
				t.Fatal(err)
			}
		},
		"no video, and says so": func(t *testing.T, d depot, m *made) {
			dir := d.at("j", m.Place)
			if err := os.WriteFile(filepath.Join(dir, "r0.mp4"), []byte("nothing of use"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := seal(dir, job.Task{Job: "j", Name: "chunk/0/0"})
			for _, name := range []string{"r0.mp4", sumsFile} {
				var e error
				m.Files[name], e = sumFile(filepath.Join(dir, name))
				err = errors.Join(err, e)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"nothing": func(t *testing.T, d depot, m *made) {
			if err := os.RemoveAll(d.at("j", m.Place)); err != nil {
				t.Fatal(err)
			}
		},
		"a file elsewhere": func(_ *testing.T, _ depot, m *made) { m.Files["../../r9.mp4"] = content{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared := depot{t.TempDir()}
			buckets := &folder{source: source, root: t.TempDir(), owner: map[string]string{}}
			var mu sync.Mutex
			stored := map[string]json.RawMessage{}
			outputs := func(_ context.Context, _, task string) (json.RawMessage, error) {
				mu.Lock()
				defer mu.Unlock()
				if doc, ok := stored[task]; ok {
					return doc, nil
				}
				return nil, fault.New(fault.NotFound, "", "no output of %s", task)
			}
			run := func(task job.Task) job.Result {
				w := newWorker(t, buckets)
				w.cfg.Depot = shared
				w.results = sharedResults{localResults{w.cfg.Dir}, shared, outputs}
				result, err := w.Run(t.Context(), task, func(ctx context.Context, name string) (json.RawMessage, error) { return outputs(ctx, task.Job, name) }, func(job.Progress) {})
				if err != nil {
					t.Fatalf("%s: %v", task.Name, err)
				}
				mu.Lock()
				stored[task.Name] = result.Output
				mu.Unlock()
				return result
			}
			request := []byte(`{"settings":{"inputs":[{"fileInput":"s3://in/clip.mp4"}],"outputGroups":[
			 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/b"}},
			 "outputs":[{"containerSettings":{"container":"MP4"},
			  "videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000}}}}]}]}}`)
			payload, err := json.Marshal(job.FirstTask{Job: "j", Request: request, Started: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			var last job.Result
			for i, stage := range append([][]job.Task{}, run(job.Task{Job: "j", Name: "probe", Payload: payload}).Next...) {
				for n, task := range stage {
					last = run(task)
					if i > 0 || n > 0 {
						continue
					}
					var m made
					if err := json.Unmarshal(last.Output, &m); err != nil {
						t.Fatal(err)
					}
					lie(t, shared, &m)
					doc, err := json.Marshal(m)
					if err != nil {
						t.Fatal(err)
					}
					stored[task.Name] = doc
				}
			}
			if n := frames(t, filepath.Join(buckets.root, "b.mp4")); n != 150 {
				t.Errorf("%d frames, want 150", n)
			}
			w := newWorker(t, buckets)
			w.cfg.Depot = shared
			if err := w.Discard(t.Context(), "j", job.Error); err != nil {
				t.Fatal(err)
			}
			if left := append(files(t, buckets.root), files(t, shared.root)...); len(left) > 0 {
				t.Errorf("left of a job that failed: %v", left)
			}
		})
	}
}

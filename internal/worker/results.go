package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// results is where the files of finished encodes are: of the "chunk" and "audio"
// tasks of a job, until the job is over. Who reads them gets local paths, wherever
// they were made: localResults has them in this work folder alone, sharedResults
// also in a Depot, for workers that do not share it.
type results interface {
	// Keep makes what is in dir the files of a task, whole and on disk, once. If
	// another try was first here, its files stay. dir is gone afterwards. What it
	// returns is the task's Output, by which others find the files.
	Keep(ctx context.Context, id, task, dir string) (json.RawMessage, error)
	// Kept reports whether an earlier try of the task was kept here, and its Output.
	Kept(id, task string) (json.RawMessage, bool)
	// File returns the path of a file of a finished task. It stays what it is until
	// the job is over. One that is not there is a fault.NotFound, one that is not
	// what its maker said errDamaged.
	File(ctx context.Context, id, task, name string) (string, error)
	// Folder is File for all files of a task: the folder that they are in.
	Folder(ctx context.Context, id, task string) (string, error)
	// Drop removes what is here of a task's files, for it to be made again.
	Drop(id, task string) error
}

// Depot is where workers that share no work folder leave files for each other. A
// place is the slash-separated name of a file of a job; nobody but workers and
// servers sees it. What is put somewhere is not changed later.
type Depot interface {
	// Put stores a file durably. The file may be moved away.
	Put(ctx context.Context, id, place, file string) error
	// Get makes dst, which does not exist, a local copy of what is at a place. A
	// place where nothing is is a fault.NotFound.
	Get(ctx context.Context, id, place, dst string) error
	// Clear removes everything of a job.
	Clear(ctx context.Context, id string) error
}

// errDamaged says that files are not what their maker said they are.
var errDamaged = errors.New("damaged")

// ChunkFile returns the local path of a file of a finished chunk, by its plan's
// numbers: of a rung, plan.Rung.File. It stays what it is until the job is over.
// One that is not finished is a fault.NotFound.
func (w *Worker) ChunkFile(ctx context.Context, id string, ladder, chunk int, file string) (string, error) {
	return w.results.File(ctx, id, chunkName(ladder, chunk), file)
}

// localResults are folders of a work folder: a task's exists whole or not at all.
type localResults struct{ dir string }

func flat(task string) string { return strings.ReplaceAll(task, "/", "-") }

func (r localResults) folder(id, task string) string { return filepath.Join(r.dir, id, flat(task)) }

func (r localResults) Keep(_ context.Context, id, task, try string) (json.RawMessage, error) {
	entries, err := os.ReadDir(try)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := syncPath(filepath.Join(try, e.Name())); err != nil {
			return nil, diskFault(err)
		}
	}
	if err := syncPath(try); err != nil {
		return nil, diskFault(err)
	}
	if err := os.Rename(try, r.folder(id, task)); err != nil {
		if _, kept := r.Kept(id, task); kept {
			return nil, os.RemoveAll(try)
		}
		return nil, diskFault(err)
	}
	return nil, syncPath(filepath.Join(r.dir, id))
}

func (r localResults) Kept(id, task string) (json.RawMessage, bool) {
	_, err := os.Stat(r.folder(id, task))
	return nil, err == nil
}

func (r localResults) File(_ context.Context, id, task, name string) (string, error) {
	return there(filepath.Join(r.folder(id, task), name))
}

func (r localResults) Folder(_ context.Context, id, task string) (string, error) {
	return there(r.folder(id, task))
}

func (r localResults) Drop(id, task string) error { return diskFault(os.RemoveAll(r.folder(id, task))) }

// there returns the path of what exists.
func there(path string) (string, error) {
	_, err := os.Stat(path)
	if os.IsNotExist(err) {
		return "", fault.New(fault.NotFound, "", "there is no %s: %w", filepath.Base(path), err)
	}
	return path, err
}

// sharedResults are localResults whose files are in a depot too, each try's at a
// place of its own. Which try counts is in the records: its Output was the first.
type sharedResults struct {
	localResults
	depot   Depot
	outputs func(ctx context.Context, id, task string) (json.RawMessage, error) // fault.NotFound until the task is done
}

// made is the Output of an encode whose files are in a depot.
type made struct {
	Place string             `json:"place"`
	Files map[string]content `json:"files"`
}

// madeFile holds, beside the files of an encode that was kept here, its Output.
const madeFile = "made.json"

func (r sharedResults) Keep(ctx context.Context, id, task, try string) (json.RawMessage, error) {
	if output, kept := r.Kept(id, task); kept {
		return output, os.RemoveAll(try)
	}
	out := made{Place: path.Join(flat(task), path.Base(filepath.ToSlash(try)))} // a try's folder has a name of its own, everywhere
	sums, err := sumFiles(try)
	if err != nil {
		return nil, err
	}
	if sums[sumsFile], err = sumFile(filepath.Join(try, sumsFile)); err != nil {
		return nil, err
	}
	out.Files = sums
	for name := range sums {
		file := filepath.Join(try, name)
		if err := r.depot.Put(ctx, id, path.Join(out.Place, name), file); err != nil {
			return nil, fmt.Errorf("leave %s of task %q: %w", name, task, err)
		}
		if _, err := os.Stat(file); os.IsNotExist(err) { // the depot is on this disk and took it
			if err := r.depot.Get(ctx, id, path.Join(out.Place, name), file); err != nil {
				return nil, fmt.Errorf("take %s of task %q back: %w", name, task, err)
			}
		}
	}
	doc, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(try, madeFile), doc, 0o600); err != nil {
		return nil, diskFault(err)
	}
	if _, err := r.localResults.Keep(ctx, id, task, try); err != nil {
		return nil, err
	}
	return doc, nil
}

func (r sharedResults) Kept(id, task string) (json.RawMessage, bool) {
	doc, err := os.ReadFile(filepath.Join(r.folder(id, task), madeFile))
	return doc, err == nil
}

// copies is the folder of what was fetched of a task's files: not all of them, maybe.
func (r sharedResults) copies(id, task string) string {
	return filepath.Join(r.dir, id, "copy-"+flat(task))
}

func (r sharedResults) File(ctx context.Context, id, task, name string) (string, error) {
	for _, dir := range []string{r.folder(id, task), r.copies(id, task)} {
		if path, err := there(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	out, err := r.output(ctx, id, task)
	if err != nil {
		return "", err
	}
	return r.fetch(ctx, id, task, name, out)
}

func (r sharedResults) Folder(ctx context.Context, id, task string) (string, error) {
	if dir, err := r.localResults.Folder(ctx, id, task); err == nil {
		return dir, nil
	}
	out, err := r.output(ctx, id, task)
	if err != nil {
		return "", err
	}
	for name := range out.Files {
		if _, err := there(filepath.Join(r.copies(id, task), name)); err == nil {
			continue
		}
		if _, err := r.fetch(ctx, id, task, name, out); err != nil {
			return "", err
		}
	}
	return r.copies(id, task), nil
}

// output reads what the records say that a task has made.
func (r sharedResults) output(ctx context.Context, id, task string) (made, error) {
	doc, err := r.outputs(ctx, id, task)
	if err != nil {
		return made{}, err
	}
	var out made
	if err := json.Unmarshal(doc, &out); err != nil || out.Place == "" {
		return made{}, fmt.Errorf("read what task %q of job %s made: %w", task, id, errors.Join(err, errDamaged))
	}
	for name := range out.Files {
		if name == "" || name != filepath.Base(name) || name == ".." {
			return made{}, fmt.Errorf("task %q of job %s made a file %q: %w", task, id, name, errDamaged)
		}
	}
	return out, nil
}

// fetch gets one file from the depot and holds it against what its maker said.
func (r sharedResults) fetch(ctx context.Context, id, task, name string, out made) (string, error) {
	want, ok := out.Files[name]
	if !ok {
		return "", fault.New(fault.NotFound, "", "task %q has no file %s", task, name)
	}
	dir := r.copies(id, task)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", diskFault(err)
	}
	try, err := os.MkdirTemp(filepath.Dir(dir), "get-")
	if err != nil {
		return "", diskFault(err)
	}
	defer os.RemoveAll(try)
	part := filepath.Join(try, name)
	if err := r.depot.Get(ctx, id, path.Join(out.Place, name), part); err != nil {
		return "", fmt.Errorf("get %s of task %q: %w", name, task, diskFault(err))
	}
	got, err := sumFile(part)
	if err != nil {
		return "", err
	}
	if got != want {
		return "", fmt.Errorf("%s of task %q has %d bytes with sum %08x, its maker said %d with %08x: %w", name, task, got.Size, got.Sum, want.Size, want.Sum, errDamaged)
	}
	file := filepath.Join(dir, name)
	return file, diskFault(os.Rename(part, file))
}

func (r sharedResults) Drop(id, task string) error {
	return errors.Join(r.localResults.Drop(id, task), diskFault(os.RemoveAll(r.copies(id, task))))
}

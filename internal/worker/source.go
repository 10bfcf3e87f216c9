package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// source returns the local path of the file of a job that is number n of its plan,
// getting it first if this work folder does not have it, by what bind returns: what
// pin names, or what is there now when pin is empty. It returns the pin of what it
// got. The file never changes under a running job: an object is a snapshot of one
// version, a download is complete before it gets its name and is fetched once a job.
func (w *Worker) source(ctx context.Context, id string, n int, input, pin string, bind func() (Objects, error), report func(job.Progress)) (path, got string, err error) {
	name := fmt.Sprintf("source-%d", n)
	path = filepath.Join(w.folder(id), name)
	if _, err := os.Stat(path); err == nil {
		pin, err := os.ReadFile(path + pinSuffix)
		if os.IsNotExist(err) { // a version before this one got it
			err = nil
		}
		return path, string(pin), err
	}
	try, err := w.attempt(id, name)
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(try)
	part := filepath.Join(try, "source")

	scheme, rest, _ := strings.Cut(input, "://")
	switch scheme {
	case "s3":
		// S3 keys are taken as they are: "?", "#" and "%" are ordinary characters in them.
		bucket, key, _ := strings.Cut(rest, "/")
		objects, err := bind()
		if err != nil {
			return "", "", err
		}
		if pin, err = objects.Snapshot(ctx, bucket, key, pin, part); err != nil {
			return "", "", sourceFault(err, input)
		}
	case "http", "https":
		if w.cfg.Depot != nil {
			err := w.cfg.Depot.Get(ctx, id, name, part)
			if err == nil {
				break
			}
			if !fault.Is(err, fault.NotFound) {
				return "", "", err
			}
		}
		progress := func(done, total int64) {
			if total > 0 {
				report(job.Progress{Done: done, Total: total * 2}) // the other half is looking at it
			}
		}
		if _, err := w.cfg.Fetch.Fetch(ctx, input, part, progress); err != nil {
			return "", "", err
		}
		if err := w.leave(ctx, id, name, part); err != nil {
			return "", "", err
		}
	default:
		return "", "", fault.New(fault.Invalid, "1040", "%q is neither an s3:// nor an https:// URL", input)
	}
	health, err := heal(part)
	if err != nil {
		return "", "", err
	}
	if err := syncPath(part); err != nil {
		return "", "", diskFault(err)
	}
	if health != nil {
		doc, err := json.Marshal(health)
		if err != nil {
			return "", "", fmt.Errorf("encode what was healed: %w", err)
		}
		if err := writeFile(path+healedSuffix, doc); err != nil {
			return "", "", err
		}
	}
	if err := writeFile(path+pinSuffix, []byte(pin)); err != nil {
		return "", "", err
	}
	if err := os.Rename(part, path); err != nil {
		return "", "", fmt.Errorf("keep source: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prints[path] = sourcePrint(path)
	return path, pin, nil
}

// sourcePrint is what the file system knows of a source: it is another one when the
// file was written to or replaced. Links to it come and go.
func sourcePrint(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	ino := uint64(0)
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		ino = s.Ino
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano(), ino)
}

// sourcesAsTheyCame reports a source that was changed behind the back of its job. Where
// workers keep sources for several jobs, those touch them.
func (w *Worker) sourcesAsTheyCame(id string, p *probed) error {
	if w.cfg.Depot != nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for n, file := range p.Plan.Files {
		path := filepath.Join(w.folder(id), fmt.Sprintf("source-%d", n))
		if was, now := w.prints[path], sourcePrint(path); was != "" && now != "" && now != was {
			return fault.New(fault.Conflict, codeUnverified, "the input %q was changed on the disk while it was encoded", file.URI).
				WithHint("nothing of the outputs is left; look at the disk and at who else writes there, upload the input again and run the job again")
		}
	}
	return nil
}

// pinSuffix is of the file that says what the source beside it is.
const pinSuffix = ".pin"

// leave gives what was downloaded to those who will need it too: it may not be the
// same, or there, when they come for it.
func (w *Worker) leave(ctx context.Context, id, name, file string) error {
	if w.cfg.Depot == nil {
		return nil
	}
	if err := w.cfg.Depot.Put(ctx, id, name, file); err != nil {
		return err
	}
	if _, err := os.Stat(file); os.IsNotExist(err) {
		return w.cfg.Depot.Get(ctx, id, name, file)
	}
	return nil
}

// objects returns the buckets as a job's role may use them.
func (w *Worker) objects(ctx context.Context, id, role string) (Objects, error) {
	if w.cfg.Roles == nil || role == "" {
		return w.cfg.Objects, nil
	}
	objects, err := w.cfg.Roles.Objects(ctx, role, id)
	switch {
	case err == nil:
		return objects, nil
	case fault.Is(err, fault.NotFound):
		return nil, fault.New(fault.Invalid, "1433", "the role %q does not exist: %w", role, err).
			WithHint("make it with: aws iam create-role")
	case fault.Is(err, fault.Denied):
		return nil, fault.New(fault.Denied, "1434", "the role %q cannot be assumed: %w", role, err).
			WithHint("its trust policy must let mediaconvert.amazonaws.com do sts:AssumeRole")
	case fault.Is(err, fault.Invalid):
		return nil, fault.New(fault.Invalid, "1515", "%q is not a role's ARN: %w", role, err)
	}
	return nil, fmt.Errorf("assume role %q: %w", role, err)
}

// sourceFault gives a bucket's error the service's job error code.
func sourceFault(err error, input string) error {
	if isFull(err) {
		return diskFault(err)
	}
	f := fault.Of(err)
	switch f.Kind {
	case fault.NotFound:
		return fault.New(fault.Invalid, "1404", "the input %q does not exist: %w", input, err).
			WithHint("list what is there with: aws s3 ls s3://BUCKET/ (keys are exact to the character)")
	case fault.Denied:
		return fault.New(fault.Denied, "1401", "the input %q may not be read: %w", input, err).
			WithHint("the job's role needs s3:GetObject on it, and the bucket's policy must not deny it")
	}
	if f.Kind == fault.Conflict {
		return fault.New(fault.Invalid, "1404", "the input %q is not what it was when the job began: %w", input, err).
			WithHint("submit the job again, or keep versions in its bucket")
	}
	return err
}

// destinationFault does the same for a bucket that outputs cannot go to.
func destinationFault(err error, bucket string) error {
	if isFull(err) {
		return diskFault(err)
	}
	switch fault.KindOf(err) {
	case fault.NotFound:
		return fault.New(fault.Invalid, "1404", "the destination bucket %q does not exist: %w", bucket, err).
			WithHint("make it with: aws s3 mb s3://%s", bucket)
	case fault.Denied:
		return fault.New(fault.Denied, "1401", "the destination bucket %q may not be written to: %w", bucket, err).
			WithHint("the job's role needs s3:PutObject on the destination, and the bucket's policy must not deny it")
	}
	return err
}

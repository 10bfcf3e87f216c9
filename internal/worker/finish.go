package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
)

// finish packs what the encodes left behind into the job's outputs, publishes
// them, and reads back what it published.
func (w *Worker) finish(ctx context.Context, task job.Task, p *probed, outputs job.Outputs, report func(job.Progress)) (job.Result, error) {
	result, err := w.verified(ctx, task, p, outputs, report, w.pack)
	if err != nil && ctx.Err() == nil && !fault.KindOf(err).Retryable() {
		// The job ends with this: who is told finds nothing. Discard does what fails here.
		_ = w.withdraw(ctx, task.Job)
	}
	return result, err
}

// pack makes the outputs and publishes them: everything is made and checked in the work folder first, then media goes
// to the buckets, then media playlists, then multivariant playlists. A pack
// that runs again after a crash does the same and publishes nothing twice.
func (w *Worker) pack(ctx context.Context, task job.Task, p *probed, report func(job.Progress)) (Details, contents, error) {
	dir, err := w.attempt(task.Job, task.Name)
	if err != nil {
		return Details{}, nil, err
	}
	defer os.RemoveAll(dir)
	objects, err := w.objects(ctx, task.Job, p.Role)
	if err != nil {
		return Details{}, nil, err
	}
	f := &finisher{w: w, objects: objects, job: task.Job, plan: &p.Plan, dir: dir, report: report, written: contents{}}
	if p.Wishes.Beside {
		f.later = []objectName{receiptName(&p.Plan)}
	}
	f.total.Store(2 * int64(countFiles(&p.Plan)))
	var details Details
	for _, group := range p.Plan.Groups {
		made, err := f.group(ctx, group)
		if err != nil {
			return Details{}, nil, &madeError{err}
		}
		details.OutputGroupDetails = append(details.OutputGroupDetails, made)
	}
	if err := f.publish(ctx); err != nil {
		return Details{}, nil, err
	}
	return details, f.written, nil
}

func countFiles(p *plan.Plan) int {
	n := 0
	for _, g := range p.Groups {
		n++ // the multivariant playlist; one too many for a file group does no harm
		for _, o := range g.Outputs {
			n += 1 + len(o.Segments) + len(o.Captures) + len(o.LoudnessLogs)
		}
	}
	return n
}

// rank is the order of publishing: nothing points at what is not there yet.
type rank int

const (
	mediaFile rank = iota
	mediaPlaylist
	multivariantPlaylist
)

// finisher is one run of a finish task.
type finisher struct {
	w       *Worker
	objects Objects
	job     string
	plan    *plan.Plan
	dir     string
	report  func(job.Progress)

	done, total atomic.Int64
	mu          sync.Mutex
	made        [multivariantPlaylist + 1][]Upload
	written     contents     // of every file that was made
	later       []objectName // that will be published when these are right
}

func (f *finisher) step() {
	f.report(job.Progress{Done: f.done.Add(1), Total: f.total.Load()})
}

// file makes one output file in the work folder by write, and returns its size.
func (f *finisher) file(r rank, bucket, key string, write func(io.Writer) error) (int64, error) {
	return f.encodedFile(r, bucket, key, "", write)
}

// encodedFile makes a file whose content is in a content encoding.
func (f *finisher) encodedFile(r rank, bucket, key, encoding string, write func(io.Writer) error) (int64, error) {
	f.mu.Lock()
	local := filepath.Join(f.dir, fmt.Sprintf("%d-%d", r, len(f.made[r])))
	f.made[r] = append(f.made[r], Upload{Job: f.job, Bucket: bucket, Key: key, File: local, ContentType: contentType(key), ContentEncoding: encoding})
	f.mu.Unlock()
	out, err := os.OpenFile(local, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, diskFault(err)
	}
	sum := &summer{w: out}
	buffered := bufio.NewWriterSize(sum, 512<<10) // large pages are sent cheaply, see disk.Staged
	err = errors.Join(write(buffered), buffered.Flush())
	if err := errors.Join(err, out.Close()); err != nil {
		return 0, fmt.Errorf("make %s: %w", key, diskFault(err))
	}
	f.mu.Lock()
	f.written[objectName{bucket, key}] = sum.content
	f.mu.Unlock()
	f.step()
	return sum.content.Size, nil
}

// group makes the files of one output group.
func (f *finisher) group(ctx context.Context, group plan.OutputGroup) (GroupDetails, error) {
	t := f.w.openTracks(ctx, f.job, f.plan)
	defer t.close()
	sizes := make([]int64, len(group.Outputs))
	var outputs []hlsOutput
	made := make([]packed, len(group.Outputs))
	for i, o := range group.Outputs {
		var err error
		switch {
		case group.HLS != nil || group.DASH != nil:
			if made[i], err = f.segments(ctx, t, group, o); err != nil {
				break
			}
			sizes[i] = made[i].bytes
			if o.Key != "" {
				var out hlsOutput
				out, err = f.variant(ctx, group, o, made[i])
				outputs = append(outputs, out)
			}
		case o.Format == plan.FormatJPEG:
			sizes[i], err = f.captures(ctx, group.Bucket, o)
		case o.Format == plan.FormatTS:
			made[i], err = f.segments(ctx, t, group, o)
			sizes[i] = made[i].bytes
		case o.Format == plan.FormatADTS:
			sizes[i], err = f.adts(t, group.Bucket, o)
		default:
			sizes[i], err = f.movie(t, group.Bucket, o)
		}
		if err == nil {
			err = f.loudnessLogs(ctx, group.Bucket, o)
		}
		if err != nil {
			return GroupDetails{}, err
		}
	}
	if group.HLS != nil {
		if err := f.multivariant(group, outputs); err != nil {
			return GroupDetails{}, err
		}
	}
	if group.DASH != nil {
		if err := f.descriptions(group, made); err != nil {
			return GroupDetails{}, err
		}
	}
	return groupDetails(f.plan, group, sizes), nil
}

// publish puts everything that was made into the buckets. What it is about to
// publish is written down first, so that Discard can withdraw it after any crash.
func (f *finisher) publish(ctx context.Context) error {
	var names []objectName
	for _, uploads := range f.made {
		for _, u := range uploads {
			names = append(names, objectName{u.Bucket, u.Key})
		}
	}
	if err := f.w.intend(ctx, f.job, append(names, f.later...)); err != nil {
		return err
	}
	for _, uploads := range f.made {
		pool, pctx := errgroup.WithContext(ctx)
		pool.SetLimit(8) // mostly waiting for the disk
		for _, u := range uploads {
			pool.Go(func() error {
				if pctx.Err() != nil {
					return context.Cause(pctx)
				}
				if err := f.objects.Publish(pctx, u); err != nil {
					return fmt.Errorf("publish %s: %w", uri(u.Bucket, u.Key), destinationFault(err, u.Bucket))
				}
				f.step()
				return nil
			})
		}
		if err := pool.Wait(); err != nil {
			return err
		}
	}
	return nil
}

package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/receipt"
)

// receiptEnding ends the key of a receipt.
const receiptEnding = ".receipt.json"

// receiptName is where the receipt of a job goes that asked for it: beside what is
// first of its first group, under its name.
func receiptName(p *plan.Plan) objectName {
	key := firstKey(p.Groups[0])
	return objectName{p.Groups[0].Bucket, strings.TrimSuffix(key, path.Ext(key)) + receiptEnding}
}

// beside writes the receipt of a job whose outputs are right, and reads it back. It
// is the last act of the job: what it takes is not in it.
func (w *Worker) beside(ctx context.Context, task job.Task, p *probed, outputs job.Outputs, v *verifier, result job.Result) error {
	doc, err := outputs(ctx, job.RecordOutput)
	if err != nil {
		return fmt.Errorf("read record of job %s: %w", task.Job, err)
	}
	var j job.Job
	if err := json.Unmarshal(doc, &j); err != nil {
		return fmt.Errorf("decode record of job %s: %w", task.Job, err)
	}
	j.Status, j.Finished, j.Details = job.Complete, time.Now().UTC().Truncate(time.Millisecond), result.Details
	j.Warnings = append(j.Warnings, result.Warnings...)
	if j.Work != nil {
		w.countFinish(ctx, j.Work, task)
	}
	r, err := receipt.New(j, j.Finished)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := r.WriteJSON(&text); err != nil {
		return err
	}
	name := receiptName(&p.Plan)
	dir, err := w.attempt(task.Job, task.Name)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "receipt")
	if err := writeFile(file, text.Bytes()); err != nil {
		return err
	}
	content, err := sumFile(file)
	if err != nil {
		return err
	}
	objects, err := w.objects(ctx, task.Job, p.Role)
	if err != nil {
		return err
	}
	if err := objects.Publish(ctx, Upload{Job: task.Job, Bucket: name.Bucket, Key: name.Key, File: file, ContentType: "application/json"}); err != nil {
		return fmt.Errorf("publish %s: %w", uri(name.Bucket, name.Key), destinationFault(err, name.Bucket))
	}
	v.written[name] = content
	return v.object(ctx, name, func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err })
}

// countFinish adds what the finish task took until now, which the record does not
// know yet.
func (w *Worker) countFinish(ctx context.Context, sum *job.Work, task job.Task) {
	usage, processes := ffmpeg.Metering(ctx)
	kind, _, _ := strings.Cut(task.Name, "/")
	for i := range sum.Kinds {
		if k := &sum.Kinds[i]; k.Kind == kind {
			k.Done, k.CPU, k.Processes = k.Done+1, k.CPU+usage.CPU, k.Processes+processes
		}
	}
	for i := range sum.Workers {
		if s := &sum.Workers[i]; s.Name == w.cfg.Name {
			s.Tasks, s.CPU = s.Tasks+1, s.CPU+usage.CPU
			return
		}
	}
	if w.cfg.Name != "" {
		sum.Workers = append(sum.Workers, job.WorkerWork{Name: w.cfg.Name, Tasks: 1, CPU: usage.CPU})
	}
}

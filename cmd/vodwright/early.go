package main

import (
	"context"
	"io"

	"vodwright.dev/vodwright/internal/early"
	"vodwright.dev/vodwright/internal/edge"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// plannedRunner tells of jobs that were planned just now, before that is stored.
type plannedRunner struct {
	job.Runner
	planned func(ctx context.Context, id string)
}

func (r plannedRunner) Run(ctx context.Context, task job.Task, outputs job.Outputs, report func(job.Progress)) (job.Result, error) {
	result, err := r.Runner.Run(ctx, task, outputs, report)
	if err == nil && task.Name == "probe" {
		r.planned(ctx, task.Job)
	}
	return result, err
}

// earlyOrigin is an origin that has what jobs will write, too, where a bucket does not
// have it. Who may read an object is the bucket's to say, whether it is there or not.
type earlyOrigin struct {
	edge.Origin
	early *early.Early
}

// missing reports whether err says that the bucket may be read and does not have
// the object.
func missing(err error) bool {
	return fault.Is(err, fault.NotFound) && fault.Of(err).Code == "NoSuchKey"
}

func (o earlyOrigin) Open(ctx context.Context, from edge.OriginRef, key string) (edge.Info, io.ReadSeekCloser, error) {
	info, body, err := o.Origin.Open(ctx, from, key)
	if !missing(err) || !o.early.Promised(ctx, from.Bucket, key) {
		return info, body, err
	}
	made, body, err := o.early.Open(ctx, from.Bucket, key)
	if err != nil {
		if info, body, again := o.Origin.Open(ctx, from, key); again == nil { // it was published meanwhile
			return info, body, nil
		}
		return edge.Info{}, nil, err
	}
	return earlyInfo(made), body, nil
}

func (o earlyOrigin) Stat(ctx context.Context, from edge.OriginRef, key string) (edge.Info, error) {
	info, err := o.Origin.Stat(ctx, from, key)
	if !missing(err) || !o.early.Promised(ctx, from.Bucket, key) {
		return info, err
	}
	made, err := o.early.Stat(ctx, from.Bucket, key)
	if err != nil {
		if info, again := o.Origin.Stat(ctx, from, key); again == nil {
			return info, nil
		}
		return edge.Info{}, err
	}
	return earlyInfo(made), nil
}

func earlyInfo(i early.Info) edge.Info {
	return edge.Info{Size: i.Size, ETag: i.ETag, LastModified: i.LastModified, ContentType: i.ContentType, ContentEncoding: i.ContentEncoding}
}

package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/object/catalog"
)

// sweepTimes are when what nothing names goes.
type sweepTimes struct {
	every   time.Duration // dropped blobs are looked for
	dropped time.Duration // after which they go: who reads one has this long
	orphans time.Duration // how often blobs are looked for that the records do not know
	lost    time.Duration // after which an unknown one is nobody's any more; more than begun
}

func defaultSweeps() sweepTimes {
	return sweepTimes{every: time.Minute, dropped: time.Hour, orphans: time.Hour, lost: 2 * begun}
}

const (
	sweepBlobs = 200 // at once
	removers   = 8   // side by side
)

// sweptName is the setting that says up to which blob none is nobody's.
const sweptName = "blobs swept"

// Run tidies up until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	tick := time.NewTicker(e.sweeps.every)
	defer tick.Stop()
	var looked time.Time
	for {
		err := e.sweepDropped(ctx, time.Now())
		if err == nil && time.Since(looked) > e.sweeps.orphans {
			if err = e.sweepOrphans(ctx, time.Now()); err == nil {
				looked = time.Now()
			}
		}
		if err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "tidy the external S3", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep removes at once what nothing names, as if now were that time.
func (e *Engine) Sweep(ctx context.Context, now time.Time) error {
	return errors.Join(e.sweepDropped(ctx, now), e.sweepOrphans(ctx, now))
}

// sweepDropped removes blobs that were let go long enough ago.
func (e *Engine) sweepDropped(ctx context.Context, now time.Time) error {
	for ctx.Err() == nil {
		blobs, err := e.index.TakeDroppedBlobs(ctx, now.Add(-e.sweeps.dropped), sweepBlobs)
		if err != nil || len(blobs) == 0 {
			return err
		}
		group, within := errgroup.WithContext(ctx)
		group.SetLimit(removers)
		ids := make([]string, len(blobs))
		for i, b := range blobs {
			ids[i] = b.ID
			group.Go(func() error { return e.removeBlob(within, b) })
		}
		if err := group.Wait(); err != nil {
			return err // they stay taken, and are found again
		}
		if err := e.index.ForgetBlobs(ctx, ids); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// sweepOrphans removes what killed servers left: blobs that are old and not known.
func (e *Engine) sweepOrphans(ctx context.Context, now time.Time) error {
	doc, err := e.index.Setting(ctx, sweptName)
	if err != nil {
		return err
	}
	var swept string // the last blob that was looked at
	if doc != nil {
		if err := json.Unmarshal(doc, &swept); err != nil {
			return fmt.Errorf("read where the last sweep ended: %w", err)
		}
	}
	// Blobs begin at an instant, and so do their names.
	end, err := ulid.New(ulid.Timestamp(now.Add(-e.sweeps.lost)), nil)
	if err != nil {
		return err
	}
	after := ""
	if swept != "" {
		after = blobName(swept) + "/~"
	}
	for ctx.Err() == nil {
		names, more, err := e.bytes.list(ctx, "blobs/", after)
		if err != nil {
			return err
		}
		parts := map[string][]string{}
		var ids []string
		for _, name := range names {
			id, _ := catalog.SplitBlob(strings.TrimPrefix(name, "blobs/"))
			if id >= end.String() {
				more = false
				break
			}
			if parts[id] == nil {
				ids = append(ids, id)
			}
			parts[id] = append(parts[id], name)
			after = name
		}
		known, err := e.index.KnownBlobs(ctx, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if known[id] {
				continue
			}
			e.log.InfoContext(ctx, "removing what a write left in the external S3", "blob", id)
			for _, name := range parts[id] {
				if err := e.bytes.remove(ctx, name); err != nil {
					return err
				}
			}
		}
		if more {
			continue
		}
		if len(ids) == 0 {
			return nil
		}
		if doc, err = json.Marshal(ids[len(ids)-1]); err != nil {
			return err
		}
		return e.index.PutSetting(ctx, sweptName, doc)
	}
	return ctx.Err()
}

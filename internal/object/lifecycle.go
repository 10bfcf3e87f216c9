package object

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
	"vodwright.dev/vodwright/internal/object/config"
)

// sweepEvery is how often lifecycle rules act. S3 counts in days, to the next
// midnight UTC, and promises no more than that what is due goes soon.
const sweepEvery = time.Hour

// sweeps removes what lifecycle rules end, now and then every hour, until ctx ends.
func (s *Store) sweeps(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.Sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "lifecycle rules", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Sweep removes what the buckets' lifecycle rules end by that time. What goes is
// an event, as any removal. A bucket that fails does not hold up the others.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	var errs []error
	buckets, err := s.engine.Buckets(ctx)
	if err != nil {
		return err
	}
	for _, b := range buckets {
		rules, err := s.gateway.Lifecycle(ctx, b.Name)
		if err == nil && rules != nil {
			err = errors.Join(s.sweepVersions(ctx, b.Name, rules, now), s.sweepUploads(ctx, b.Name, rules, now))
		}
		if err != nil && fault.Of(err).Code != "NoSuchBucket" {
			errs = append(errs, fmt.Errorf("expire objects of bucket %q: %w", b.Name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

func (s *Store) sweepVersions(ctx context.Context, bucket string, rules *config.Lifecycle, now time.Time) error {
	in := catalog.ListInput{Max: 1000}
	var versions []catalog.Listed // of one key, newest first
	for ctx.Err() == nil {
		page, err := s.engine.ListVersions(ctx, bucket, in)
		if err != nil {
			return err
		}
		for _, l := range page.Items {
			if len(versions) > 0 && versions[0].Key != l.Key {
				if err := s.sweepKey(ctx, bucket, versions, rules, now); err != nil {
					return err
				}
				versions = versions[:0]
			}
			versions = append(versions, l)
		}
		if !page.More {
			return s.sweepKey(ctx, bucket, versions, rules, now)
		}
		in.After, in.AfterVersion = page.After, page.AfterVersion
	}
	return nil
}

// sweepKey removes what is due of a key, of which all versions are given.
func (s *Store) sweepKey(ctx context.Context, bucket string, versions []catalog.Listed, rules *config.Lifecycle, now time.Time) error {
	var errs []error
	for i, l := range versions {
		v := l.Version
		o := config.Object{Key: l.Key, Size: v.Size, Tags: v.Properties.Tags, Created: v.LastModified()}
		id, latest := v.ID, i == 0
		switch {
		case !latest && rules.NoncurrentExpired(o, versions[i-1].Version.LastModified(), i-1, now):
		case latest && v.Marker && len(versions) == 1 && rules.MarkerExpired(o, now):
		case latest && !v.Marker && rules.Expired(o, now):
			id = "" // hidden behind a marker where versions are kept
		default:
			continue
		}
		// Only what was judged goes: not a version that became current again, nor
		// one that was overwritten.
		_, err := s.engine.Expire(ctx, bucket, l.Key, id, func(found *catalog.Version, isLatest bool) error {
			if found.Sequence != v.Sequence || isLatest != latest {
				return errNotIt
			}
			return nil
		})
		if err != nil && !errors.Is(err, errNotIt) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *Store) sweepUploads(ctx context.Context, bucket string, rules *config.Lifecycle, now time.Time) error {
	uploads, err := s.engine.Uploads(ctx, bucket)
	if err != nil {
		return err
	}
	var errs []error
	for _, u := range uploads {
		if ctx.Err() != nil {
			break
		}
		if !rules.UploadExpired(config.Object{Key: u.Key, Created: u.InitiatedAt()}, now) {
			continue
		}
		if err := s.engine.AbortUpload(ctx, bucket, u.Key, u.ID, nil); err != nil && fault.KindOf(err) != fault.NotFound {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

const (
	aboutMemory = "Resident memory of the server's process (and PSS, which counts pages that it shares by its part), 5 seconds after the start and 5 seconds after its first job."
	memoryLimit = 120 // MB
	settle      = 5 * time.Second
)

func benchMemory(ctx context.Context, b *bench, r *report) error {
	var idle, after [2]sample // RSS, PSS
	for i := range b.runs {
		if err := b.memoryOnce(ctx, filepath.Join(b.dir, fmt.Sprintf("memory-%d", i)), &idle, &after); err != nil {
			return err
		}
	}
	r.table(
		[]string{"", "RSS, MB", "PSS, MB"},
		[]string{"idle, never used", idle[0].show("%.1f"), idle[1].show("%.1f")},
		[]string{"idle, after a job", after[0].show("%.1f"), after[1].show("%.1f")},
	)
	r.atMost("memory of an idle server", idle[0].median(), memoryLimit, "%.0f MB")
	r.atMost("memory of an idle server after a job", after[0].median(), memoryLimit, "%.0f MB")
	return nil
}

func (b *bench) memoryOnce(ctx context.Context, data string, idle, after *[2]sample) (err error) {
	s, err := b.serve(ctx, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	note := func(into *[2]sample) error {
		if err := pause(ctx, settle); err != nil {
			return err
		}
		m, err := memoryOf(s.PID)
		if err != nil {
			return err
		}
		into[0] = append(into[0], float64(m.rss)/1e6)
		into[1] = append(into[1], float64(m.pss)/1e6)
		return nil
	}
	if err := note(idle); err != nil {
		return err
	}
	encode, err := b.prepareJob(ctx, s)
	if err != nil {
		return err
	}
	if _, err := encode(); err != nil {
		return err
	}
	return note(after)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"vodwright.dev/vodwright/test/harness"
)

const (
	aboutStart = "From starting the program to its first answer over HTTP (asked every millisecond), on a data folder that does not exist yet and on one " +
		"in which a server has run a job before, in turns."
	startLimit = 500 // ms
)

func benchStart(ctx context.Context, b *bench, r *report) error {
	used := filepath.Join(b.dir, "start-used")
	if err := b.useDataFolder(ctx, used); err != nil {
		return fmt.Errorf("use a data folder: %w", err)
	}
	fresh := filepath.Join(b.dir, "start-fresh")
	var freshWall, freshCPU, usedWall, usedCPU sample
	for i := range b.runs + 1 {
		if err := os.RemoveAll(fresh); err != nil {
			return err
		}
		a, err := b.startOnce(ctx, fresh)
		if err != nil {
			return fmt.Errorf("start on a fresh folder: %w", err)
		}
		z, err := b.startOnce(ctx, used)
		if err != nil {
			return fmt.Errorf("start on a used folder: %w", err)
		}
		if i == 0 {
			continue // the program is read from disk
		}
		freshWall.milliseconds(a.Wall)
		freshCPU.milliseconds(a.CPU)
		usedWall.milliseconds(z.Wall)
		usedCPU.milliseconds(z.CPU)
	}
	r.table(
		[]string{"data folder", "wall, ms", "CPU until then, ms"},
		[]string{"fresh", freshWall.show("%.0f"), freshCPU.show("%.0f")},
		[]string{"used", usedWall.show("%.0f"), usedCPU.show("%.0f")},
	)
	r.atMost("start to ready, fresh data folder", freshWall.median(), startLimit, "%.0f ms")
	r.atMost("start to ready, used data folder", usedWall.median(), startLimit, "%.0f ms")
	return nil
}

// useDataFolder runs a server in a folder, with a job in it, and stops it.
func (b *bench) useDataFolder(ctx context.Context, data string) (err error) {
	s, err := b.serve(ctx, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	encode, err := b.prepareJob(ctx, s)
	if err != nil {
		return err
	}
	_, err = encode()
	return err
}

// startOnce starts a server, waits for its first answer and stops it. CPU time is
// that of the server's process so far.
func (b *bench) startOnce(ctx context.Context, data string) (took cost, err error) {
	address, err := freeAddress()
	if err != nil {
		return cost{}, err
	}
	s, err := b.launch(ctx, data, address)
	if err != nil {
		return cost{}, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: readyTime}
	err = harness.Poll(ctx, time.Millisecond, readyTime, "the server answers", func() (bool, error) {
		resp, err := client.Get("http://" + address + "/_/")
		if err != nil {
			return false, s.Ended() // refused: not yet
		}
		_ = resp.Body.Close()
		took.Wall = time.Since(s.Began)
		if resp.StatusCode != http.StatusOK {
			return false, fmt.Errorf("the first answer is %s", resp.Status)
		}
		return true, nil
	})
	if err != nil {
		return cost{}, err
	}
	took.CPU, err = cpuTime(s.PID)
	return took, err
}

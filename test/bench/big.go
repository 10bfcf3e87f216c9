package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	aboutBig = "One object goes up through the AWS SDK (multipart, its own checksums and signatures) and comes down again in one GET, every byte compared, " +
		"while the server's resident memory is read ten times a second."
	bigKey       = "big"
	partSize     = 64 << 20
	growthLimit  = 64 // MB over idle, at the peak: parts of 64 MiB must not be held
	driftLimit   = 16 // MB, the peak of the last quarter of a transfer over the first quarter's
	sampledEvery = 100 * time.Millisecond
)

func benchBig(ctx context.Context, b *bench, r *report) (err error) {
	size := int64(b.bigGiB*(1<<30)) &^ 7
	if size < 1<<20 {
		return fmt.Errorf("-big %g is too small to say anything", b.bigGiB)
	}
	// The parts and the whole object may be on disk at once.
	if free, err := freeSpace(b.dir); err != nil {
		return err
	} else if need := 2*size + 2<<30; free < need {
		return fmt.Errorf("%.1f GB of disk are free in %s, %.1f are needed: choose a smaller -big or another TMPDIR", float64(free)/1e9, b.dir, float64(need)/1e9)
	}
	s, err := b.serve(ctx, filepath.Join(b.dir, "big-data"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	if err := s.makeBucket(ctx, "bench-big"); err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	idle, err := residentOf(s.PID)
	if err != nil {
		return err
	}
	up, err := watch(s.PID, func() error { return s.upload(ctx, size) })
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	b.logf("big: up in %.0f s, peak %.0f MB", up.wall.Seconds(), up.peak())
	down, err := watch(s.PID, func() error { return s.download(ctx, size) })
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	b.logf("big: down in %.0f s, peak %.0f MB", down.wall.Seconds(), down.peak())

	before := float64(idle) / 1e6
	rows := [][]string{{fmt.Sprintf("%.1f GB", float64(size)/1e9), "wall, s", "server's CPU, s", "MB/s", "RSS, MB", "peak over idle, MB", "last quarter's peak over first's, MB"}}
	for _, t := range []struct {
		name string
		transfer
	}{{"up", up}, {"down", down}} {
		growth := t.peak() - before
		rows = append(rows, []string{
			t.name, fmt.Sprintf("%.1f", t.wall.Seconds()), fmt.Sprintf("%.1f", t.cpu.Seconds()), fmt.Sprintf("%.0f", float64(size)/1e6/t.wall.Seconds()),
			t.resident.show("%.0f"), fmt.Sprintf("%+.0f", growth), fmt.Sprintf("%+.0f", t.drift()),
		})
		r.atMost("growth of memory at the peak, big object "+t.name, growth, growthLimit, "%.0f MB")
		r.atMost("drift of memory, big object "+t.name, t.drift(), driftLimit, "%.0f MB")
	}
	r.table(rows...)
	r.line("Idle before: %.0f MB. Flat means that the peak does not depend on the object's size: it stays near idle, and the end of a transfer needs no more than its beginning.", before)
	return nil
}

// transfer is what a server needed while bytes went through it.
type transfer struct {
	wall, cpu time.Duration
	resident  sample // MB
}

func (t transfer) peak() float64 {
	if len(t.resident) == 0 {
		return 0
	}
	return slices.Max(t.resident)
}

// drift is how much higher memory went in the last quarter than in the first.
func (t transfer) drift() float64 {
	quarter := len(t.resident) / 4
	if quarter == 0 {
		return 0
	}
	return slices.Max(t.resident[len(t.resident)-quarter:]) - slices.Max(t.resident[:quarter])
}

// watch samples a process's memory while do runs.
func watch(pid int, do func() error) (t transfer, err error) {
	cpu, err := cpuTime(pid)
	if err != nil {
		return t, err
	}
	began := time.Now()
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(sampledEvery)
		defer tick.Stop()
		for {
			if rss, err := residentOf(pid); err == nil && rss > 0 {
				t.resident = append(t.resident, float64(rss)/1e6)
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	err = do()
	close(stop)
	watching.Wait()
	t.wall = time.Since(began)
	if err != nil {
		return t, err
	}
	after, err := cpuTime(pid)
	t.cpu = after - cpu
	return t, err
}

func (s *server) upload(ctx context.Context, size int64) error {
	manager := transfermanager.New(s.s3, func(o *transfermanager.Options) {
		o.PartSizeBytes = partSize
		o.Concurrency = 2
	})
	_, err := manager.UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: aws.String("bench-big"), Key: aws.String(bigKey), Body: io.LimitReader(&pattern{}, size),
	})
	return err
}

// download reads the object and compares it with what was sent.
func (s *server) download(ctx context.Context, size int64) error {
	out, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bench-big"), Key: aws.String(bigKey)})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	got, want := make([]byte, 1<<20), make([]byte, 1<<20)
	expected := &pattern{}
	var total int64
	for {
		n, err := io.ReadFull(out.Body, got)
		_, _ = expected.Read(want[:n])
		if string(got[:n]) != string(want[:n]) {
			return fmt.Errorf("the object differs from what was sent between bytes %d and %d", total, total+int64(n))
		}
		total += int64(n)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if total != size {
				return fmt.Errorf("%d of %d bytes came down", total, size)
			}
			return nil
		case err != nil:
			return err
		}
	}
}

// pattern is an endless stream of bytes that no compression or deduplication
// makes smaller, the same every time (splitmix64).
type pattern struct {
	state uint64
	rest  [8]byte
	left  int // unread bytes at the end of rest
}

// Read fills p.
func (p *pattern) Read(b []byte) (int, error) {
	n := 0
	for p.left > 0 && n < len(b) {
		b[n] = p.rest[8-p.left]
		p.left--
		n++
	}
	for ; len(b)-n >= 8; n += 8 {
		binary.LittleEndian.PutUint64(b[n:], p.next())
	}
	if n < len(b) {
		binary.LittleEndian.PutUint64(p.rest[:], p.next())
		p.left = 8 - copy(b[n:], p.rest[:])
	}
	return len(b), nil
}

func (p *pattern) next() uint64 {
	p.state += 0x9e3779b97f4a7c15
	z := p.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func freeSpace(dir string) (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("read free space of %q: %w", dir, err)
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}

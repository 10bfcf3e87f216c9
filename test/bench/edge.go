package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	aboutEdge = "Eight keep-alive connections ask a distribution, and nginx with the same files in a folder (two workers, sendfile, no access log), in turns: " +
		"server CPU per GB for segments of 1 MiB and per request for playlists of 2 KB, over HTTP/1.1 and over TLS 1.3 with an ECDSA P-256 certificate. " +
		"The client shares the machine, so throughput would say little; server CPU is what a byte costs."
	edgeConnections = 8
	segmentSize     = 1 << 20
	playlistSize    = 2 << 10
	segmentFiles    = 64
	playlistFiles   = 16
	// What one round asks for: enough CPU time for the kernel's clock of 10 ms, few
	// enough that a round takes seconds.
	segmentRequests  = 1536
	playlistRequests = 40_000
)

// load is what viewers ask for in one round.
type load struct {
	name  string
	paths []string
	size  int // of each
	count int // requests
	unit  string
	per   func(cpu time.Duration, l load) float64 // CPU in unit
}

func loads() []load {
	l := []load{
		{
			name: "1 MiB segments", size: segmentSize, count: segmentRequests, unit: "CPU s per GB",
			per: func(cpu time.Duration, l load) float64 {
				return cpu.Seconds() / (float64(l.count) * float64(l.size) / 1e9)
			},
		},
		{
			name: "2 KB playlists", size: playlistSize, count: playlistRequests, unit: "CPU µs per request",
			per: func(cpu time.Duration, l load) float64 { return cpu.Seconds() * 1e6 / float64(l.count) },
		},
	}
	for i := range segmentFiles {
		l[0].paths = append(l[0].paths, fmt.Sprintf("/stream/segment_%05d.ts", i))
	}
	for i := range playlistFiles {
		l[1].paths = append(l[1].paths, fmt.Sprintf("/stream/rung_%d.m3u8", i))
	}
	return l
}

func benchEdge(ctx context.Context, b *bench, r *report) (err error) {
	root := filepath.Join(b.dir, "edge-files")
	files, err := edgeFiles(root)
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, filepath.Join(b.dir, "edge-data"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	host, err := s.distribution(ctx, files)
	if err != nil {
		return err
	}
	n, err := b.startNginx(ctx, root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop()) }()

	ours := contender{name: "Vodwright", host: host, http: strings.TrimPrefix(s.HTTP, "http://"), https: strings.TrimPrefix(s.HTTPS, "https://"), pids: []int{s.PID}}
	if ours.roots, err = poolOf(s.CAFile); err != nil {
		return err
	}
	theirs := contender{name: "nginx", host: "localhost", http: n.http, https: n.https, pids: n.pids, roots: n.roots}
	version, _, err := nginxVersion(ctx)
	if err != nil {
		return err
	}
	r.line("Compared with %s.", version)

	rows := [][]string{{"", "Vodwright", "nginx", "ratio"}}
	var suites [2]string
	for _, secure := range []bool{false, true} {
		for _, l := range loads() {
			var our, their sample
			for i := range b.runs + 1 {
				a, err := ours.round(ctx, l, secure, files)
				if err != nil {
					return fmt.Errorf("%s: %w", ours.name, err)
				}
				z, err := theirs.round(ctx, l, secure, files)
				if err != nil {
					return fmt.Errorf("%s: %w", theirs.name, err)
				}
				suites[0], suites[1] = a.suite, z.suite
				if i == 0 {
					continue // caches
				}
				our = append(our, l.per(a.cpu, l))
				their = append(their, l.per(z.cpu, l))
				b.logf("edge: %s, TLS %v: %.2f and %.2f %s; wall %.1f and %.1f s", l.name, secure, l.per(a.cpu, l), l.per(z.cpu, l), l.unit, a.wall.Seconds(), z.wall.Seconds())
			}
			name := l.name + map[bool]string{false: " over HTTP, ", true: " over HTTPS, "}[secure] + l.unit
			rows = append(rows, []string{name, our.show("%.2f"), their.show("%.2f"), our.over(their).show("%.2f")})
		}
	}
	r.table(rows...)
	r.line("Over HTTPS: %s for Vodwright, %s for nginx.", suites[0], suites[1])
	return nil
}

// edgeFiles makes the files in a folder and returns them by path. They look like
// what they are called only as far as their names go.
func edgeFiles(root string) (map[string][]byte, error) {
	if err := os.MkdirAll(filepath.Join(root, "stream"), 0o755); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	bytesOf := &pattern{}
	for _, l := range loads() {
		for _, p := range l.paths {
			data := make([]byte, l.size)
			_, _ = bytesOf.Read(data)
			files[p] = data
			if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(p)), data, 0o644); err != nil {
				return nil, err
			}
		}
	}
	// nginx's workers may be another user.
	return files, os.Chmod(root, 0o755)
}

// distribution uploads the files, makes a distribution of their bucket and
// returns its host name once it serves.
func (s *server) distribution(ctx context.Context, files map[string][]byte) (string, error) {
	const bucket = "bench-streams"
	if err := s.makeBucket(ctx, bucket); err != nil {
		return "", err
	}
	var first string
	for path, data := range files {
		if err := s.put(ctx, bucket, strings.TrimPrefix(path, "/"), data); err != nil {
			return "", err
		}
		first = path
	}
	var config struct {
		XMLName         xml.Name `xml:"http://cloudfront.amazonaws.com/doc/2020-05-31/ DistributionConfig"`
		CallerReference string
		Origins         struct {
			Quantity int
			Items    struct {
				Origin struct {
					ID             string `xml:"Id"`
					DomainName     string
					S3OriginConfig struct{ OriginAccessIdentity string }
				}
			}
		}
		DefaultCacheBehavior struct {
			TargetOriginID       string `xml:"TargetOriginId"`
			ViewerProtocolPolicy string
		}
		Comment string
		Enabled bool
	}
	config.CallerReference, config.Comment, config.Enabled = "bench", "bench", true
	config.Origins.Quantity = 1
	origin := &config.Origins.Items.Origin
	origin.ID, origin.DomainName = bucket, bucket+".s3."+region+".amazonaws.com"
	config.DefaultCacheBehavior.TargetOriginID = bucket
	config.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all"
	body, err := xml.Marshal(config)
	if err != nil {
		return "", err
	}
	var made struct{ DomainName string }
	if err := s.call(ctx, "cloudfront", "POST", "/2020-05-31/distribution", body, &made); err != nil {
		return "", fmt.Errorf("make distribution: %w", err)
	}
	address := strings.TrimPrefix(s.HTTP, "http://")
	err = poll(ctx, 20*time.Millisecond, readyTime, "the distribution serves", func() (bool, error) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false, err
		}
		defer conn.Close()
		v := newViewer(conn, made.DomainName)
		got, err := v.get(first, true)
		return err == nil && bytes.Equal(got, files[first]), nil
	})
	return made.DomainName, err
}

// Package players asks others: what a job of each packaging wrote is played by
// hls.js, Shaka and video.js in a real browser, read by strict playlist parsers,
// and taken apart by tools for MPEG-TS and MP4 that are not ours. A packaging is
// a line of the table in packagings_test.go; everything else follows from it.
//
// One server encodes all of them, its edge serves them, and one browser plays
// them, in tabs side by side. Nothing here reaches into the rooms.
package players

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"vodwright.dev/vodwright/test/harness"
)

// server is a running `vodwright serve` with the buckets, the role and the
// distribution that `vodwright publish` makes.
type server struct {
	*harness.Server
	role string // of the jobs
	edge string // address of the distribution before vod-streams, without a slash at its end
	page string // address of the console's player page, up to the stream's address
}

// startServer starts the program and publishes a first clip with it.
func startServer(t *testing.T, clip string) *server {
	t.Helper()
	s := &server{Server: harness.Serve(t, program)}
	published := s.Publish(t, clip)
	if published.Status != "COMPLETE" {
		t.Fatalf("publish ended with %q", published.Status)
	}
	scheme, rest, _ := strings.Cut(published.StreamURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	s.edge = scheme + "://" + host
	s.page, _, _ = strings.Cut(published.PlayerURL, "?")
	list, err := s.Jobs().ListJobs(t.Context(), &mediaconvert.ListJobsInput{})
	if err != nil || len(list.Jobs) == 0 {
		t.Fatalf("the jobs of publish: %v", err)
	}
	s.role = aws.ToString(list.Jobs[0].Role)
	return s
}

// tool runs a program that judges: it must succeed; what it says on both channels is returned.
func tool(t *testing.T, program string, args ...string) (stdout, stderr string) {
	t.Helper()
	o, e := harness.Tool(t, program, args...)
	return string(o), string(e)
}

// upload puts a file into the bucket of sources and returns its address.
func (s *server) upload(t *testing.T, file string) string {
	t.Helper()
	key := filepath.Base(file)
	s.Put(t, "vod-source", key, file)
	return "s3://vod-source/" + key
}

// putKey puts the key of encrypted packagings where their playlists say it is.
func (s *server) putKey(t *testing.T) {
	t.Helper()
	secret, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.S3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("vod-streams"), Key: aws.String("keys/one.key"), Body: bytes.NewReader(secret)}); err != nil {
		t.Fatal(err)
	}
}

// fetch downloads everything below a prefix from the edge, as a viewer, into a
// folder and returns the folder, which then looks like the prefix.
func (s *server) fetch(t *testing.T, prefix string) string {
	t.Helper()
	dir := t.TempDir()
	client := harness.Viewer()
	for _, key := range s.Keys(t, "vod-streams", prefix) {
		file := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(key, prefix)))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, harness.Download(t, client, s.edge+"/"+escape(key)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

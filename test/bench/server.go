package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"vodwright.dev/vodwright/test/harness"
)

const readyTime = 30 * time.Second

// server is a running `vodwright serve`, and a client of it.
type server struct {
	*harness.Server
	key aws.Credentials
	api *http.Client
	s3  *s3.Client
}

// launch starts a server and does not wait for it. The caller stops it.
func (b *bench) launch(ctx context.Context, data, listen string) (*server, error) {
	s := b.server(data)
	s.Listen = listen
	return s, s.Launch(ctx)
}

// server returns one that does not run yet. Its process is in a group of its own.
func (b *bench) server(data string) *server {
	s := &server{Server: harness.NewServer(b.program, data)}
	s.Command = command
	return s
}

// serve starts a server on free ports and waits until clients can use it.
func (b *bench) serve(ctx context.Context, data string) (*server, error) {
	s := b.server(data)
	err := s.Start(ctx)
	if err != nil {
		return nil, err
	}
	if s.key, err = s.Key(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.api, s.s3 = s.Client(), s.S3()
	return s, nil
}

// makeBucket makes a bucket.
func (s *server) makeBucket(ctx context.Context, name string) error {
	if _, err := s.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
		return fmt.Errorf("make bucket %q: %w", name, err)
	}
	return nil
}

// put stores a small object.
func (s *server) put(ctx context.Context, bucket, key string, data []byte) error {
	if _, err := s.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)}); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	return nil
}

// runJob creates a job, polls every 5 ms until it has ended and returns how long
// that took, from before the request was sent. Anything but COMPLETE is an error.
func (s *server) runJob(ctx context.Context, document any) (time.Duration, error) {
	body, err := json.Marshal(document)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Job struct {
			ID           string `json:"id"`
			Status       string `json:"status"`
			ErrorCode    int    `json:"errorCode"`
			ErrorMessage string `json:"errorMessage"`
		} `json:"job"`
	}
	const jobs = "/2017-08-29/jobs"
	began := time.Now()
	if err := s.Call(ctx, "mediaconvert", "POST", jobs, body, &answer); err != nil {
		return 0, fmt.Errorf("create job: %w", err)
	}
	at := jobs + "/" + answer.Job.ID
	err = harness.Poll(ctx, 5*time.Millisecond, 2*time.Minute, "the job ends", func() (bool, error) {
		if err := s.Call(ctx, "mediaconvert", "GET", at, nil, &answer); err != nil {
			return false, err
		}
		switch j := answer.Job; j.Status {
		case "COMPLETE":
			return true, nil
		case "ERROR", "CANCELED":
			return false, fmt.Errorf("job %s: %s %d: %s", j.ID, j.Status, j.ErrorCode, j.ErrorMessage)
		}
		return false, nil
	})
	return time.Since(began), err
}

// pause waits, since what is measured is a process that has been idle for that long.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// freeAddress returns a loopback address that nobody listens on just now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	region    = "us-east-1"
	readyTime = 30 * time.Second
)

// server is a running `vodwright serve`, and a client of it.
type server struct {
	cmd   *exec.Cmd
	done  chan struct{} // closed when the process has ended
	said  *tail         // to be read after done
	data  string
	began time.Time // just before the process was started

	HTTP   string `json:"http"`
	HTTPS  string `json:"https"`
	CAFile string `json:"caFile"`
	PID    int    `json:"pid"`

	key aws.Credentials
	api *http.Client
	s3  *s3.Client
}

// launch starts a server and does not wait for it. The caller stops it.
func (b *bench) launch(ctx context.Context, data, listen string) (*server, error) {
	s := &server{
		cmd:  command(ctx, b.program, "serve", "--data", data, "--listen", listen, "--tls-listen", "127.0.0.1:0"),
		done: make(chan struct{}), said: &tail{}, data: data,
	}
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	return s, nil
}

// serve starts a server on free ports and waits until clients can use it.
func (b *bench) serve(ctx context.Context, data string) (*server, error) {
	s, err := b.launch(ctx, data, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if err := s.connect(ctx, b.program); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// connect waits for the server and prepares the clients.
func (s *server) connect(ctx context.Context, program string) error {
	err := poll(ctx, 10*time.Millisecond, readyTime, "the server is ready", func() (bool, error) {
		if err := s.ended(); err != nil {
			return false, err
		}
		doc, err := os.ReadFile(filepath.Join(s.data, "server.json"))
		if err != nil || json.Unmarshal(doc, s) != nil || s.PID != s.cmd.Process.Pid {
			return false, nil
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.HTTP, "http://"))
		if err != nil {
			return false, nil
		}
		return true, conn.Close()
	})
	if err != nil {
		return err
	}
	out, _, err := output(ctx, program, "env", "--data", s.data, "--json")
	if err != nil {
		return err
	}
	var vars map[string]string
	if err := json.Unmarshal(out, &vars); err != nil {
		return fmt.Errorf("decode vodwright env: %w", err)
	}
	s.key = aws.Credentials{AccessKeyID: vars["AWS_ACCESS_KEY_ID"], SecretAccessKey: vars["AWS_SECRET_ACCESS_KEY"]}
	s.api = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	s.s3 = s3.New(s3.Options{
		BaseEndpoint: aws.String(s.HTTP), Region: region, UsePathStyle: true, HTTPClient: s.api,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return s.key, nil }),
	})
	return nil
}

// ended returns an error if the server's process has ended.
func (s *server) ended() error {
	select {
	case <-s.done:
		return fmt.Errorf("the server ended: %v\n%s", s.cmd.ProcessState, s.said)
	default:
		return nil
	}
}

// stop ends the server as an operator would. One that had ended by itself is an error.
func (s *server) stop() error {
	if err := s.ended(); err != nil {
		return err
	}
	if s.api != nil {
		s.api.CloseIdleConnections()
	}
	_ = s.cmd.Cancel()
	select {
	case <-s.done:
		return nil
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.done
		return fmt.Errorf("the server did not end within 20 s of SIGTERM\n%s", s.said)
	}
}

// call sends a signed request and decodes the JSON or XML answer into out, unless it is nil.
func (s *server) call(ctx context.Context, service, method, path string, body []byte, out any) error {
	return s.callTarget(ctx, service, method, path, "", body, out)
}

// callTarget is call for the JSON protocol, which names the operation in a header.
func (s *server) callTarget(ctx context.Context, service, method, path, target string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.HTTP+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	isXML := bytes.HasPrefix(body, []byte("<"))
	if len(body) > 0 {
		req.Header.Set("Content-Type", map[bool]string{true: "application/xml", false: "application/json"}[isXML])
	}
	if target != "" {
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", target)
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, s.key, req, hex.EncodeToString(sum[:]), service, region, time.Now()); err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	resp, err := s.api.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %.1000s", method, path, resp.Status, answer)
	}
	if out == nil {
		return nil
	}
	decode := json.Unmarshal
	if bytes.HasPrefix(bytes.TrimSpace(answer), []byte("<")) {
		decode = xml.Unmarshal
	}
	if err := decode(answer, out); err != nil {
		return fmt.Errorf("decode the answer of %s %s: %w", method, path, err)
	}
	return nil
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
	if err := s.call(ctx, "mediaconvert", "POST", jobs, body, &answer); err != nil {
		return 0, fmt.Errorf("create job: %w", err)
	}
	at := jobs + "/" + answer.Job.ID
	err = poll(ctx, 5*time.Millisecond, 2*time.Minute, "the job ends", func() (bool, error) {
		if err := s.call(ctx, "mediaconvert", "GET", at, nil, &answer); err != nil {
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

// poll asks until the answer is yes, an error, or too late.
func poll(ctx context.Context, every, limit time.Duration, what string, yes func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	deadline := time.Now().Add(limit)
	for {
		if ok, err := yes(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %s", limit, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
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

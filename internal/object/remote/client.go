package remote

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"vodwright.dev/vodwright/internal/fault"
)

const (
	defaultPatience = 25 * time.Second
	firstPause      = 100 * time.Millisecond
	mostPause       = 4 * time.Second
	// answerTime is how long the external S3 may think about a request.
	answerTime = 20 * time.Second
	// slowest is the rate below which a transfer counts as stuck.
	slowest = 256 << 10 // bytes a second
)

// client speaks to the external S3. It is safe for concurrent use.
type client struct {
	at       External
	s3       *s3.Client
	patience time.Duration
	log      *slog.Logger
}

func newClient(ctx context.Context, p External, log *slog.Logger) (*client, error) {
	if p.Region == "" {
		p.Region = "us-east-1"
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerTime
	transport.MaxIdleConnsPerHost = 64
	transport.Proxy = http.ProxyFromEnvironment
	o := s3.Options{
		Region: p.Region, UsePathStyle: !p.VirtualHost, Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: transport},
		// The sums that every S3 knows are sent by us.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if p.Endpoint != "" {
		o.BaseEndpoint = &p.Endpoint
	}
	if p.AccessKeyID != "" {
		key := aws.Credentials{AccessKeyID: p.AccessKeyID, SecretAccessKey: p.SecretAccessKey, SessionToken: p.SessionToken}
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return key, nil })
	} else {
		found, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(p.Region))
		if err != nil {
			return nil, fault.New(fault.Invalid, "", "--s3: AWS's configuration cannot be read: %w", err)
		}
		within, done := context.WithTimeout(ctx, answerTime)
		defer done()
		if _, err := found.Credentials.Retrieve(within); err != nil {
			return nil, fault.New(fault.Denied, "", "--s3: no access key: none is given, and AWS's configuration has none: %w", err).
				WithHint("give one in VODWRIGHT_S3_ACCESS_KEY and VODWRIGHT_S3_SECRET_KEY")
		}
		o.Credentials = found.Credentials
	}
	return &client{at: p, s3: s3.New(o), patience: cmp.Or(p.Patience, defaultPatience), log: log}, nil
}

// try does one request until it succeeds, fails for good, or patience ends: then it is
// SlowDown. Each attempt has a time of its own, of which size bytes take a part.
func (c *client) try(ctx context.Context, what string, size int64, attempt func(context.Context) error) error {
	deadline := time.Now().Add(c.patience)
	pause := firstPause
	for {
		err := c.once(ctx, size, attempt)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
		if !passing(err) || time.Now().Add(pause).After(deadline) {
			return c.fault(what, err)
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
		pause = min(2*pause, mostPause)
	}
}

func (c *client) once(ctx context.Context, size int64, attempt func(context.Context) error) error {
	ctx, done := context.WithTimeout(ctx, answerTime+time.Duration(size/slowest)*time.Second)
	defer done()
	return attempt(ctx)
}

func statusOf(err error) int {
	var e *smithyhttp.ResponseError
	if errors.As(err, &e) {
		return e.HTTPStatusCode()
	}
	return 0
}

func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// passing reports whether a request may succeed when it is made again.
func passing(err error) bool {
	switch codeOf(err) {
	case "RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "OperationAborted",
		"BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody": // what arrived is not what was sent
		return true
	}
	status := statusOf(err)
	return status == 0 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500 && status != http.StatusNotImplemented
}

// fault is what a request that failed means to clients and to who runs the server.
func (c *client) fault(what string, err error) error {
	switch status := statusOf(err); {
	case passing(err):
		e := fault.New(fault.Unavailable, "SlowDown", "the bytes of objects cannot be reached now: try again")
		e.Cause = fmt.Errorf("%s: %w", what, err)
		c.log.Warn("the external S3 fails", "s3", c.at.String(), "err", e.Cause) // clients are not told more
		return e
	case status == http.StatusNotFound:
		return fault.New(fault.Internal, "InternalError", "%s: it is not in the external S3 %s: %w", what, c.at, err)
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return fault.New(fault.Internal, "InternalError", "%s: the external S3 %s refuses the key: %w", what, c.at, err)
	}
	return fault.New(fault.Internal, "InternalError", "%s: the external S3 %s: %w", what, c.at, err)
}

// put writes an object, whole.
func (c *client) put(ctx context.Context, name string, body io.ReadSeeker, size int64, md5 []byte) error {
	sum := base64.StdEncoding.EncodeToString(md5)
	key := c.at.key(name)
	return c.try(ctx, "write "+name, size, func(ctx context.Context) error {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &c.at.Bucket, Key: &key, Body: body, ContentLength: &size, ContentMD5: &sum}, c.unsigned)
		return err
	})
}

// unsigned leaves the body out of the signature where TLS protects it.
func (c *client) unsigned(o *s3.Options) {
	if !strings.HasPrefix(c.at.Endpoint, "http://") {
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	}
}

// get opens n bytes of an object from off. The caller closes them; they may end early,
// with an error.
func (c *client) get(ctx context.Context, name string, off, n int64) (body io.ReadCloser, err error) {
	key, span := c.at.key(name), fmt.Sprintf("bytes=%d-%d", off, off+n-1)
	err = c.try(ctx, "read "+name, 0, func(bounded context.Context) error {
		// The body outlives the attempt: only its beginning has a time.
		within, stop := context.WithCancelCause(ctx)
		timely := context.AfterFunc(bounded, func() { stop(context.DeadlineExceeded) })
		out, err := c.s3.GetObject(within, &s3.GetObjectInput{Bucket: &c.at.Bucket, Key: &key, Range: &span})
		timely()
		if err != nil {
			stop(nil)
			return err
		}
		if got := aws.ToInt64(out.ContentLength); got != n {
			err = fmt.Errorf("%d bytes came where %d were asked for", got, n)
			stop(nil)
			return errors.Join(err, out.Body.Close())
		}
		body = &patientBody{ReadCloser: out.Body, stop: stop}
		return nil
	})
	return body, err
}

// patientBody is a body of which every read has a time.
type patientBody struct {
	io.ReadCloser
	stop context.CancelCauseFunc
}

func (b *patientBody) Read(p []byte) (int, error) {
	late := time.AfterFunc(answerTime, func() { b.stop(context.DeadlineExceeded) })
	defer late.Stop()
	return b.ReadCloser.Read(p)
}

func (b *patientBody) Close() error {
	err := b.ReadCloser.Close()
	b.stop(nil)
	return err
}

// remove removes an object; one that is not there is removed already.
func (c *client) remove(ctx context.Context, name string) error {
	key := c.at.key(name)
	return c.try(ctx, "remove "+name, 0, func(ctx context.Context) error {
		_, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.at.Bucket, Key: &key})
		if statusOf(err) == http.StatusNotFound && codeOf(err) != "NoSuchBucket" {
			return nil
		}
		return err
	})
}

// list returns the names of up to 1000 objects below a folder, after a name, in order;
// more says that there are others.
func (c *client) list(ctx context.Context, folder, after string) (names []string, more bool, err error) {
	prefix, start := c.at.key(folder), ""
	in := &s3.ListObjectsV2Input{Bucket: &c.at.Bucket, Prefix: &prefix}
	if after != "" {
		start = c.at.key(after)
		in.StartAfter = &start
	}
	err = c.try(ctx, "list "+folder, 0, func(ctx context.Context) error {
		out, err := c.s3.ListObjectsV2(ctx, in)
		if err != nil {
			return err
		}
		names, more = nil, aws.ToBool(out.IsTruncated)
		for _, o := range out.Contents {
			names = append(names, strings.TrimPrefix(aws.ToString(o.Key), c.at.key("")))
		}
		return nil
	})
	return names, more, err
}

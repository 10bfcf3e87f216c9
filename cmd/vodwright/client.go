package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"vodwright.dev/vodwright/internal/fault"
)

// client talks to a running server through its public APIs, as any AWS client
// does. Buckets go through the SDK; the few job and distribution calls are
// signed requests of our own, which spares the binary two large SDKs.
type client struct {
	endpoint string // base URL, no slash at the end
	key      aws.Credentials
	http     *http.Client
	s3       *s3.Client
}

// connect finds the server: the one of the data folder when --data is given, else
// AWS_ENDPOINT_URL and AWS_ACCESS_KEY_ID when they are set, else again the data
// folder's.
func connect(p *program, data string) (*client, error) {
	get := p.getenv
	if p.dataGiven || get("AWS_ENDPOINT_URL") == "" || get("AWS_ACCESS_KEY_ID") == "" {
		vars, err := awsEnvironment(data, false)
		if err != nil {
			return nil, err
		}
		found := map[string]string{}
		for _, v := range vars {
			found[v.name] = v.value
		}
		get = func(name string) string { return found[name] }
	}
	c := &client{
		endpoint: strings.TrimRight(get("AWS_ENDPOINT_URL"), "/"),
		key: aws.Credentials{
			AccessKeyID: get("AWS_ACCESS_KEY_ID"), SecretAccessKey: get("AWS_SECRET_ACCESS_KEY"),
			SessionToken: get("AWS_SESSION_TOKEN"),
		},
		http: &http.Client{},
	}
	if bundle := p.getenv("AWS_CA_BUNDLE"); bundle != "" {
		pem, err := os.ReadFile(bundle)
		if err != nil {
			return nil, fault.New(fault.Invalid, "", "AWS_CA_BUNDLE: %w", err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		c.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	}
	c.s3 = s3.New(s3.Options{
		BaseEndpoint: aws.String(c.endpoint), Region: region, UsePathStyle: true, HTTPClient: c.http,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c.key, nil }),
	})
	return c, nil
}

// unreachable turns a refused connection into words.
func (c *client) unreachable(err error) error {
	var op *url.Error
	if errors.As(err, &op) && !errors.Is(err, context.Canceled) {
		return fault.New(fault.Unavailable, "", "no server answers at %s: %w", c.endpoint, op.Err).
			WithHint("start one with: vodwright serve")
	}
	return err
}

// call sends a signed request and returns the answer's body and headers. A
// status of 400 or more is a *fault.Error with the server's code and message.
func (c *client) call(ctx context.Context, service, method, path, contentType string, body []byte) ([]byte, http.Header, error) {
	header := http.Header{}
	if len(body) > 0 {
		header.Set("Content-Type", contentType)
	}
	return c.send(ctx, service, method, path, header, body)
}

// send is call with headers of the caller's.
func (c *client) send(ctx context.Context, service, method, path string, header http.Header, body []byte) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header = header
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, c.key, req, hex.EncodeToString(sum[:]), service, region, time.Now()); err != nil {
		return nil, nil, fmt.Errorf("sign request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, c.unreachable(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	if err != nil {
		return nil, nil, fmt.Errorf("read answer of %s %s: %w", method, path, err)
	}
	if resp.StatusCode >= 400 {
		return nil, nil, answerFault(resp, answer)
	}
	return answer, resp.Header, nil
}

// answerFault reads an error answer of either protocol.
func answerFault(resp *http.Response, body []byte) error {
	var doc struct {
		Message string `json:"message"`
		Code    string `json:"__type"`
	}
	var tree struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal(body, &doc) != nil && xml.Unmarshal(body, &tree) == nil {
		doc.Message, doc.Code = tree.Error.Message, tree.Error.Code
	}
	if doc.Message == "" {
		doc.Message = resp.Status
	}
	if code := resp.Header.Get("X-Amzn-Errortype"); code != "" {
		doc.Code = code
	}
	kind := fault.Internal
	switch resp.StatusCode {
	case 400, 402, 501:
		kind = fault.Invalid
	case 401, 403:
		kind = fault.Denied
	case 404:
		kind = fault.NotFound
	case 409, 412:
		kind = fault.Conflict
	case 429, 503:
		kind = fault.Unavailable
	}
	return fault.New(kind, doc.Code, "%s", doc.Message)
}

const jobsPath = "/2017-08-29"

// jobsCall calls the job API with in and out as JSON documents of the wire's names; either may be nil.
func (c *client) jobsCall(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	answer, _, err := c.call(ctx, "mediaconvert", method, jobsPath+path, "application/json", body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode answer of %s %s: %w", method, path, err)
	}
	return nil
}

// eventsCall calls an operation of the event API with in and out as JSON documents; out may be nil.
func (c *client) eventsCall(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"AWSEvents." + operation}}
	answer, _, err := c.send(ctx, "events", http.MethodPost, "/", header, body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode answer of %s: %w", operation, err)
	}
	return nil
}

// iamCall calls an operation of IAM; what is answered is not read.
func (c *client) iamCall(ctx context.Context, operation string, fields url.Values) error {
	fields.Set("Action", operation)
	fields.Set("Version", "2010-05-08")
	_, _, err := c.call(ctx, "iam", http.MethodPost, "/", "application/x-www-form-urlencoded", []byte(fields.Encode()))
	return err
}

package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fetch"
)

// Records finds destinations and connections; *store.Store is it.
type Records interface {
	Destination(ctx context.Context, name string) (event.Destination, error)
	Connection(ctx context.Context, name string) (event.Connection, error)
}

// Config says whom a Sender may call. Records is needed.
type Config struct {
	Records       Records
	AllowLoopback bool           // this machine may be called
	AllowPrivate  bool           // this machine and private networks may be called
	Timeout       time.Duration  // of a request, to the end of its answer; default 30 s (AWS: 5 s)
	RootCAs       *x509.CertPool // nil is the system's
}

// Sender calls API destinations. It is safe for concurrent use.
type Sender struct {
	records Records
	client  *http.Client
	allowed func(netip.AddrPort) bool
	timeout time.Duration

	mu    sync.Mutex
	slots map[string]time.Time // by destination: when its next invocation may be
}

// New returns a Sender. It connects to nothing.
func New(cfg Config) *Sender {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	s := &Sender{records: cfg.Records, timeout: cfg.Timeout, slots: map[string]time.Time{}}
	s.allowed = func(to netip.AddrPort) bool {
		return cfg.AllowPrivate || cfg.AllowLoopback && to.Addr().Unmap().IsLoopback() || fetch.Public(to)
	}
	dialer := &net.Dialer{
		Timeout: 10 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !s.allowed(to) {
				return errPrivate
			}
			return nil
		},
	}
	s.client = &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

var errPrivate = errors.New("the address is of this machine or a private network")

// hintPrivate says how such an address is allowed.
const hintPrivate = "serve with --private-webhooks to allow it"

// Check refuses a URL whose host is an address that is never called. A name is
// looked up when it is called.
func (s *Sender) Check(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return fault.New(fault.Invalid, "", "the endpoint is not a URL")
	}
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	if strings.EqualFold(host, "localhost") {
		addr, err = netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	if err == nil && !s.allowed(netip.AddrPortFrom(addr, 443)) {
		return fault.New(fault.Invalid, "", "Parameter InvocationEndpoint is not valid. Reason: %s is of this machine or a private network.", host).WithHint(hintPrivate)
	}
	return nil
}

// laterError is a failure after which the receiver wants to be left alone for a while.
type laterError struct {
	error
	after time.Duration
}

func (e laterError) Unwrap() error             { return e.error }
func (e laterError) RetryAfter() time.Duration { return e.after }

// Send makes one invocation of the destination of that ARN. id names the message,
// the same on every attempt. The status is 0 when there was no answer.
func (s *Sender) Send(ctx context.Context, arn string, part *event.HTTPPart, id string, at time.Time, body []byte) (int, error) {
	d, c, err := s.find(ctx, arn)
	if err != nil {
		return 0, err
	}
	if err := s.wait(ctx, d); err != nil {
		return 0, err
	}
	ctx, stop := context.WithTimeout(ctx, s.timeout)
	defer stop()
	req, err := request(ctx, d, c, part, id, at, body)
	if err != nil {
		return 0, err
	}
	where := (&url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path}).String()
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, connectFault(ctx, where, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection serves again
	return resp.StatusCode, answerFault(resp, where, at)
}

// find reads a destination and its connection as they are now.
func (s *Sender) find(ctx context.Context, arn string) (d event.Destination, c event.Connection, err error) {
	gone := fault.New(fault.Invalid, "RESOURCE_NOT_FOUND", "the API destination %s does not exist", arn)
	_, name, _ := strings.Cut(arn, ":api-destination/")
	name, id, _ := strings.Cut(name, "/")
	if d, err = s.records.Destination(ctx, name); fault.Is(err, fault.NotFound) || err == nil && d.ID != id {
		return d, c, gone
	}
	if err != nil {
		return d, c, err
	}
	c, err = s.records.Connection(ctx, d.Connection)
	if fault.Is(err, fault.NotFound) || err == nil && c.Deauthorized {
		return d, c, fault.New(fault.Invalid, "CONNECTION_NOT_AUTHORIZED", "the connection %q of API destination %q is gone or deauthorized", d.Connection, d.Name)
	}
	return d, c, err
}

// wait keeps to the destination's invocation rate.
func (s *Sender) wait(ctx context.Context, d event.Destination) error {
	rate := d.Rate
	if rate <= 0 {
		rate = event.DefaultRate
	}
	s.mu.Lock()
	now := time.Now()
	slot := s.slots[d.Name]
	if slot.Before(now) {
		slot = now
	}
	s.slots[d.Name] = slot.Add(time.Second / time.Duration(rate))
	s.mu.Unlock()
	if !slot.After(now) {
		return nil
	}
	timer := time.NewTimer(slot.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// request makes the signed request.
func request(ctx context.Context, d event.Destination, c event.Connection, part *event.HTTPPart, id string, at time.Time, body []byte) (*http.Request, error) {
	if part == nil {
		part = &event.HTTPPart{}
	}
	bad := func(err error) error {
		return fault.New(fault.Invalid, "INVALID_ENDPOINT", "the endpoint of API destination %q cannot be called: %w", d.Name, err)
	}
	endpoint := d.Endpoint
	for _, value := range part.Path {
		endpoint = strings.Replace(endpoint, "*", url.PathEscape(value), 1)
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, bad(errors.New("it is not a URL")) // the error would show the query
	}
	query := u.Query()
	for k, v := range part.Query {
		query.Set(k, v)
	}
	for _, p := range c.Query {
		query.Set(p.Key, p.Value)
	}
	u.RawQuery = query.Encode()
	if body, err = withMembers(body, c.Body); err != nil {
		return nil, err
	}
	if d.Method == http.MethodGet || d.Method == http.MethodHead {
		body = nil
	}
	req, err := http.NewRequestWithContext(ctx, d.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, bad(errors.New("it is not a URL"))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	req.Header.Set("User-Agent", "Vodwright-EventBridge/1.0")
	for k, v := range part.Header {
		addHeader(req, k, v)
	}
	for _, p := range c.Header {
		addHeader(req, p.Key, p.Value)
	}
	secret := c.Key
	if c.Auth == "BASIC" {
		secret = c.Password
		req.SetBasicAuth(c.User, c.Password)
	} else if !strings.EqualFold(c.KeyName, headerSignature) {
		req.Header.Set(c.KeyName, c.Key)
	}
	key, err := signingKey(secret)
	if err != nil {
		return nil, fault.New(fault.Invalid, "INVALID_SECRET", "the secret of connection %q begins with %s and is not base64 after it", c.Name, secretPrefix)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	req.Header.Set(headerID, id)
	req.Header.Set(headerTimestamp, stamp)
	req.Header.Set(headerSignature, Sign(key, id, stamp, body))
	return req, nil
}

// addHeader sets a header that is the caller's to set.
func addHeader(req *http.Request, name, value string) {
	switch http.CanonicalHeaderKey(name) {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Te", "Trailer", "Keep-Alive", "Proxy-Authorization":
		return
	}
	req.Header.Set(name, value)
}

// withMembers adds members to a JSON object; other documents stay as they are.
func withMembers(body []byte, members []event.Parameter) ([]byte, error) {
	if len(members) == 0 {
		return body, nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil || object == nil {
		return body, nil
	}
	for _, m := range members {
		value, err := json.Marshal(m.Value)
		if err != nil {
			return nil, err
		}
		object[m.Key] = value
	}
	return json.Marshal(object)
}

// The headers of Standard Webhooks.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
	secretPrefix    = "whsec_"
)

func signingKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return []byte(secret), nil
	}
	return base64.StdEncoding.DecodeString(encoded)
}

// Sign returns the webhook-signature of a message.
func Sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func connectFault(ctx context.Context, where string, err error) error {
	switch {
	case errors.Is(err, errPrivate):
		return fault.New(fault.Denied, "PRIVATE_ADDRESS", "%s is an address of this machine or a private network", where).WithHint(hintPrivate)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.New(fault.Unavailable, "INVOCATION_TIMEOUT", "%s did not answer in time", where)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err // url.Error shows the query
	}
	return fault.New(fault.Unavailable, "CONNECTION_FAILURE", "%s cannot be reached: %v", where, err)
}

// answerFault says what an answer means: 2xx is success; 409, 429 and 5xx are
// worth another try; anything else is not.
func answerFault(resp *http.Response, where string, now time.Time) error {
	status := resp.StatusCode
	if status >= 200 && status < 300 {
		return nil
	}
	kind := fault.Invalid
	if status == http.StatusConflict || status == http.StatusTooManyRequests || status >= 500 {
		kind = fault.Unavailable
	}
	err := error(fault.New(kind, fmt.Sprintf("HTTP_%d", status), "%s answered %d %s", where, status, http.StatusText(status)))
	if after := retryAfter(resp.Header.Get("Retry-After"), now); kind == fault.Unavailable && after > 0 {
		err = laterError{err, after}
	}
	return err
}

// longestPause bounds what Retry-After may ask for: the age of an event ends it earlier.
const longestPause = 24 * time.Hour

func retryAfter(header string, now time.Time) time.Duration {
	if n, err := strconv.ParseInt(header, 10, 32); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, longestPause)
	}
	if t, err := http.ParseTime(header); err == nil {
		return min(t.Sub(now), longestPause)
	}
	return 0
}

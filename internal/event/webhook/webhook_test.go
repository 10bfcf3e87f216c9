package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/event/webhook"
	"vodwright.dev/vodwright/internal/fault"
)

// records hold one destination with its connection.
type records struct {
	d event.Destination
	c event.Connection
}

func (r records) Destination(_ context.Context, name string) (event.Destination, error) {
	if name != r.d.Name {
		return event.Destination{}, fault.New(fault.NotFound, "", "not there")
	}
	return r.d, nil
}

func (r records) Connection(_ context.Context, name string) (event.Connection, error) {
	if name != r.c.Name {
		return event.Connection{}, fault.New(fault.NotFound, "", "not there")
	}
	return r.c, nil
}

const arn = "arn:aws:events:us-east-1:000000000000:api-destination/hook/id"

// receiver verifies signatures as the Standard Webhooks specification says,
// independently of the code under test.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []received
	status   int
	header   http.Header
}

type received struct {
	*http.Request
	body []byte
}

func receive(t *testing.T) *receiver {
	r := &receiver{status: 200, header: http.Header{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests = append(r.requests, received{req, body})
		for k, v := range r.header {
			w.Header()[k] = v
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) last(t *testing.T) received {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) == 0 {
		t.Fatal("nothing was received")
	}
	return r.requests[len(r.requests)-1]
}

func verify(t *testing.T, r received, key []byte) {
	t.Helper()
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, r.Header.Get("webhook-id")+"."+r.Header.Get("webhook-timestamp")+"."+string(r.body))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("webhook-signature") != want {
		t.Errorf("signature %q, want %q", r.Header.Get("webhook-signature"), want)
	}
}

var at = time.Unix(1700000000, 0)

func TestRequest(t *testing.T) {
	hook := receive(t)
	r := records{
		d: event.Destination{Name: "hook", ID: "id", Connection: "c", Endpoint: hook.URL + "/in/*?a=1", Method: "POST"},
		c: event.Connection{
			Name: "c", Auth: "API_KEY", KeyName: "X-Api-Key", Key: "s3cret",
			Header: []event.Parameter{{Key: "X-More", Value: "m"}, {Key: "Host", Value: "evil"}}, Query: []event.Parameter{{Key: "b", Value: "2 &"}},
			Body: []event.Parameter{{Key: "tenant", Value: "t", Secret: true}},
		},
	}
	send := func(r records) int {
		t.Helper()
		status, err := webhook.New(webhook.Config{Records: r, AllowLoopback: true}).Send(t.Context(), arn,
			&event.HTTPPart{Path: []string{"a/b c"}, Header: map[string]string{"X-Target": "t"}, Query: map[string]string{"c": "3"}}, "msg", at, []byte(`{"x":"<1>"}`))
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	if send(r) != 200 {
		t.Error("no 200")
	}
	got := hook.last(t)
	if got.Method != "POST" || got.URL.EscapedPath() != "/in/a%2Fb%20c" || got.URL.Query().Encode() != "a=1&b=2+%26&c=3" || strings.Contains(got.Host, "evil") {
		t.Errorf("%s %s at %s", got.Method, got.URL, got.Host)
	}
	for name, want := range map[string]string{"X-Api-Key": "s3cret", "X-More": "m", "X-Target": "t", "Content-Type": "application/json; charset=utf-8", "Webhook-Id": "msg", "Webhook-Timestamp": "1700000000"} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	var body map[string]string
	if json.Unmarshal(got.body, &body) != nil || body["x"] != "<1>" || body["tenant"] != "t" {
		t.Errorf("body %s", got.body)
	}
	verify(t, got, []byte("s3cret"))

	r.c = event.Connection{Name: "c", Auth: "BASIC", User: "u", Password: "whsec_" + base64.StdEncoding.EncodeToString([]byte("bytes\x00"))}
	send(r)
	got = hook.last(t)
	if user, password, _ := got.BasicAuth(); user != "u" || password != r.c.Password {
		t.Errorf("authorized by %q", got.Header.Get("Authorization"))
	}
	if string(got.body) != `{"x":"<1>"}` {
		t.Errorf("body %s", got.body)
	}
	verify(t, got, []byte("bytes\x00"))

	r.c = event.Connection{Name: "c", Auth: "API_KEY", KeyName: "Webhook-Signature", Key: "only for signing"}
	send(r)
	verify(t, hook.last(t), []byte("only for signing"))
	for name, values := range hook.last(t).Header {
		if strings.Contains(strings.Join(values, " "), "only for") {
			t.Errorf("the secret is sent in %s", name)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		retry  bool
		ok     bool
	}{{200, false, true}, {204, false, true}, {302, false, false}, {400, false, false}, {401, false, false}, {404, false, false}, {410, false, false}, {409, true, false}, {429, true, false}, {500, true, false}, {503, true, false}} {
		hook := receive(t)
		hook.status = c.status
		hook.header.Set("Retry-After", "7")
		hook.header.Set("Location", hook.URL+"/elsewhere")
		r := records{event.Destination{Name: "hook", ID: "id", Connection: "c", Endpoint: hook.URL + "/?token=hidden", Method: "POST"}, event.Connection{Name: "c", Auth: "API_KEY", KeyName: "k", Key: "s3cret"}}
		status, err := webhook.New(webhook.Config{Records: r, AllowLoopback: true}).Send(t.Context(), arn, nil, "m", at, []byte("{}"))
		if status != c.status || (err == nil) != c.ok || err != nil && fault.KindOf(err).Retryable() != c.retry {
			t.Errorf("%d: status %d, %v", c.status, status, err)
		}
		if len(hook.requests) != 1 {
			t.Errorf("%d: %d requests", c.status, len(hook.requests))
		}
		var later interface{ RetryAfter() time.Duration }
		if c.retry {
			if ok := asLater(err, &later); !ok || later.RetryAfter() != 7*time.Second {
				t.Errorf("%d: Retry-After is not kept to", c.status)
			}
		}
		if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%d: a secret in %v", c.status, err)
		}
	}
}

func asLater(err error, target *interface{ RetryAfter() time.Duration }) bool {
	l, ok := err.(interface{ RetryAfter() time.Duration })
	*target = l
	return ok
}

func TestRefusals(t *testing.T) {
	hook := receive(t)
	r := records{event.Destination{Name: "hook", ID: "id", Connection: "c", Endpoint: hook.URL, Method: "POST"}, event.Connection{Name: "c", Auth: "API_KEY", KeyName: "k", Key: "v"}}
	expect := func(what, code string, s *webhook.Sender, arn string) {
		t.Helper()
		_, err := s.Send(t.Context(), arn, nil, "m", at, []byte("{}"))
		if f := fault.Of(err); f == nil || f.Code != code {
			t.Errorf("%s: %v, want %s", what, err, code)
		}
	}
	closed := webhook.New(webhook.Config{Records: r})
	expect("loopback", "PRIVATE_ADDRESS", closed, arn)
	if len(hook.requests) != 0 {
		t.Error("a private address was called")
	}
	for _, u := range []string{"http://127.0.0.1:1/", "https://localhost/", "http://[::1]/", "http://10.1.2.3/", "http://169.254.169.254/", "http://[::ffff:127.0.0.1]/"} {
		if closed.Check(u) == nil {
			t.Errorf("%s is accepted", u)
		}
	}
	local := webhook.New(webhook.Config{Records: r, AllowLoopback: true})
	if local.Check("http://127.0.0.1:1/") != nil || local.Check("http://10.1.2.3/") == nil || closed.Check("https://example.com/x") != nil {
		t.Error("Check takes the wrong ones")
	}
	expect("another id", "RESOURCE_NOT_FOUND", local, arn+"x")
	gone := r
	gone.c.Deauthorized = true
	expect("deauthorized", "CONNECTION_NOT_AUTHORIZED", webhook.New(webhook.Config{Records: gone, AllowLoopback: true}), arn)
	bad := r
	bad.c.Key = "whsec_!"
	expect("a secret that is none", "INVALID_SECRET", webhook.New(webhook.Config{Records: bad, AllowLoopback: true}), arn)
	hook.Close()
	expect("nobody there", "CONNECTION_FAILURE", local, arn)
	hang := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer slow.Close()
	defer close(hang)
	r.d.Endpoint = slow.URL
	expect("no answer", "INVOCATION_TIMEOUT", webhook.New(webhook.Config{Records: r, AllowLoopback: true, Timeout: 20 * time.Millisecond}), arn)
}

func TestInvocationRate(t *testing.T) {
	hook := receive(t)
	r := records{event.Destination{Name: "hook", ID: "id", Connection: "c", Endpoint: hook.URL, Method: "POST", Rate: 100}, event.Connection{Name: "c", Auth: "API_KEY", KeyName: "k", Key: "v"}}
	s := webhook.New(webhook.Config{Records: r, AllowLoopback: true})
	begin := time.Now()
	var all sync.WaitGroup
	for range 21 {
		all.Go(func() {
			if _, err := s.Send(t.Context(), arn, nil, "m", at, []byte("{}")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if took := time.Since(begin); took < 200*time.Millisecond {
		t.Errorf("21 invocations of 100 a second took %s", took)
	}
}

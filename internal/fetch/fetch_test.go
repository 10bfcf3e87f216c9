package fetch

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/limit"
)

func payload(n int) []byte {
	data := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

// local returns a Fetcher for servers on this machine that does not pause for long.
func local(cfg Config) *Fetcher {
	cfg.AllowPrivate = true
	f := New(cfg)
	f.pause = time.Millisecond
	return f
}

func fetchTo(t *testing.T, f *Fetcher, url string) ([]byte, Info, error) {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "input")
	info, err := f.Fetch(t.Context(), url, dst, nil)
	data, readErr := os.ReadFile(dst)
	if err != nil {
		if !errors.Is(readErr, os.ErrNotExist) {
			t.Errorf("after %v the file is still there", err)
		}
		return nil, info, err
	}
	if readErr != nil {
		t.Fatal(readErr)
	}
	return data, info, nil
}

// wantFault checks kind, code and words of an error, and that it keeps secrets.
func wantFault(t *testing.T, err error, kind fault.Kind, code, says string) {
	t.Helper()
	f := fault.Of(err)
	if err == nil || f.Kind != kind || f.Code != code || !strings.Contains(f.Message, says) {
		t.Errorf("error %v (%v %s), want %v %s with %q", err, f != nil && f.Kind == kind, code, kind, code, says)
		if f != nil {
			t.Logf("it is %v %s", f.Kind, f.Code)
		}
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("%q tells a secret", err)
	}
}

func TestFetchWholeFile(t *testing.T) {
	data := payload(3 << 20)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "X-Amz-Signature=secret&a=b%20c" {
			http.Error(w, "bad query", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "video/mp4")
		http.ServeContent(w, r, "", time.Unix(1, 0), bytes.NewReader(data))
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	f := local(Config{RootCAs: roots})
	for _, server := range []*httptest.Server{plain, secure} {
		var last, total int64
		dst := filepath.Join(t.TempDir(), "input")
		info, err := f.Fetch(t.Context(), server.URL+"/a%20b.mp4?X-Amz-Signature=secret&a=b%20c", dst, func(d, n int64) {
			if d < last {
				t.Errorf("progress went back from %d to %d", last, d)
			}
			last, total = d, n
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(dst)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if last != int64(len(data)) || total != last || info.Size != last || info.ContentType != "video/mp4" || info.Resumed != 0 {
			t.Errorf("progress %d of %d, %+v", last, total, info)
		}
	}
	_, _, err := fetchTo(t, local(Config{}), secure.URL+"/?secret")
	wantFault(t, err, fault.Invalid, "3451", "certificate")
}

// breaking serves data but breaks each connection off after limit bytes. Every
// request is counted and shown to each, which may answer itself.
func breaking(data []byte, limit int, requests *atomic.Int64, each func(n int64, w http.ResponseWriter, r *http.Request) bool) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := requests.Add(1)
		if each != nil && each(n, w, r) {
			return
		}
		if w.Header().Get("ETag") == "" {
			w.Header().Set("ETag", `"one"`)
		}
		http.ServeContent(&breakingWriter{ResponseWriter: w, left: limit}, r, "", time.Time{}, bytes.NewReader(data))
	}))
}

type breakingWriter struct {
	http.ResponseWriter
	left int
}

func (w *breakingWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		_, _ = w.ResponseWriter.Write(p[:w.left])
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	w.left -= len(p)
	return w.ResponseWriter.Write(p)
}

func TestFetchResumes(t *testing.T) {
	data := payload(8 << 20)
	var requests atomic.Int64
	var ifRange atomic.Value
	server := breaking(data, 1500<<10, &requests, func(_ int64, _ http.ResponseWriter, r *http.Request) bool {
		ifRange.Store(r.Header.Get("If-Range"))
		return false
	})
	defer server.Close()
	got, info, err := fetchTo(t, local(Config{}), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) || info.Resumed != 5 || requests.Load() != 6 || ifRange.Load() != `"one"` {
		t.Errorf("%d bytes, %+v, %d requests, If-Range %v", len(got), info, requests.Load(), ifRange.Load())
	}
}

// TestFetchResumesWithoutValidators goes on with a file of which only the bytes
// tell whether it is the same.
func TestFetchResumesWithoutValidators(t *testing.T) {
	data, other := payload(4<<20), payload(4<<20)
	for i := range other {
		other[i] ^= 0xff
	}
	for _, overwritten := range []bool{false, true} {
		var n atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			content := data
			if n.Add(1) > 1 && overwritten {
				content = other
			}
			http.ServeContent(&breakingWriter{ResponseWriter: w, left: 1500 << 10}, r, "", time.Time{}, bytes.NewReader(content))
		}))
		got, info, err := fetchTo(t, local(Config{}), server.URL+"/?secret")
		if overwritten {
			wantFault(t, err, fault.Invalid, "3999", "changed while")
		} else if err != nil || !bytes.Equal(got, data) || info.Resumed != 2 {
			t.Errorf("%d bytes, %+v, %v", len(got), info, err)
		}
		server.Close()
	}
}

// TestFetchTakesTheTimeItIsGiven: a server that is fast enough all the time and never ends.
func TestFetchTakesTheTimeItIsGiven(t *testing.T) {
	block := payload(128 << 10)
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
			<-time.After(5 * time.Millisecond)
		}
	}))
	defer endless.Close()
	_, _, err := fetchTo(t, local(Config{Limits: limit.Limits{FetchTime: 200 * time.Millisecond}}), endless.URL+"/?secret")
	wantFault(t, err, fault.Limit, "3408", "in the 200ms")
	if !strings.Contains(fault.Of(err).Hint, "--limit-fetch-time") {
		t.Errorf("hint %q", fault.Of(err).Hint)
	}
	_, _, err = fetchTo(t, local(Config{Limits: limit.Limits{SourceBytes: 1 << 20}}), endless.URL+"/?secret")
	wantFault(t, err, fault.Limit, "3457", "more than the 1048576 bytes")
}

// TestFetchKeepsItsSecrets: a redirect to another host learns neither query nor password.
func TestFetchKeepsItsSecrets(t *testing.T) {
	var seen http.Header
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		_, _ = w.Write([]byte("film"))
	}))
	defer other.Close()
	var user string
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _, _ = r.BasicAuth()
		http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+"/x", http.StatusFound)
	}))
	defer first.Close()
	got, _, err := fetchTo(t, local(Config{}), strings.Replace(first.URL, "//", "//user:secret@", 1)+"/a?X-Amz-Signature=secret")
	if err != nil || string(got) != "film" || user != "user" {
		t.Errorf("%q, user %q, %v", got, user, err)
	}
	if strings.Contains(fmt.Sprint(seen), "secret") || seen.Get("Authorization") != "" {
		t.Errorf("the other host sees %v", seen)
	}
}

func TestPortsOfOtherProtocols(t *testing.T) {
	for _, p := range []uint16{22, 25, 6379, 11211, 0} {
		if !unfit(p) {
			t.Errorf("port %d is fit", p)
		}
	}
	for _, p := range []uint16{80, 443, 8080, 8443, 9000, 3000} {
		if unfit(p) {
			t.Errorf("port %d is unfit", p)
		}
	}
	if !slices.IsSorted(unfitPorts) {
		t.Error("the ports are not sorted")
	}
	if !ours(netip.MustParseAddr("127.0.0.1")) || ours(netip.MustParseAddr("1.1.1.1")) {
		t.Error("this machine is not told apart")
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 100-199/200")
	f.Add("bytes 0-0/*")
	f.Add("bytes 9223372036854775807-9223372036854775807/9223372036854775807")
	f.Fuzz(func(t *testing.T, s string) {
		from, total, ok := contentRange(s)
		if ok && (from < 0 || total != -1 && total <= from) {
			t.Errorf("%q is %d of %d", s, from, total)
		}
	})
}

func TestFetchGivesUp(t *testing.T) {
	data := payload(2 << 20)
	for _, c := range []struct {
		name string
		each func(n int64, w http.ResponseWriter, r *http.Request) bool
		kind fault.Kind
		code string
		says string
	}{
		{"always breaks", func(_ int64, _ http.ResponseWriter, r *http.Request) bool { r.Header.Del("Range"); return false }, fault.Unavailable, "3999", "broke off"},
		{"another file", func(n int64, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n))
			r.Header.Del("If-Range")
			return false
		}, fault.Invalid, "3999", "changed while"},
		{"another size", func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				w.Header().Set("Content-Range", "bytes 100000-2999999/3000000")
				w.WriteHeader(http.StatusPartialContent)
			}
			return n > 1
		}, fault.Invalid, "3999", "changed while"},
		{"then gone", func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				http.NotFound(w, r)
			}
			return n > 1
		}, fault.NotFound, "3404", "404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			server := breaking(data, 100000, &requests, c.each)
			defer server.Close()
			_, _, err := fetchTo(t, local(Config{}), server.URL+"/clip.mp4?secret")
			wantFault(t, err, c.kind, c.code, c.says)
			if n := requests.Load(); n > maxFailures+1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestFetchAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		kind   fault.Kind
		code   string
	}{
		{401, fault.Denied, "3401"},
		{403, fault.Denied, "3403"},
		{404, fault.NotFound, "3404"},
		{410, fault.NotFound, "3404"},
		{408, fault.Unavailable, "3408"},
		{429, fault.Unavailable, "3999"},
		{500, fault.Unavailable, "3450"},
		{503, fault.Unavailable, "3450"},
		{204, fault.Invalid, "3999"},
		{206, fault.Invalid, "3999"},
		{400, fault.Invalid, "3999"},
		{304, fault.Invalid, "3999"},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) }))
			defer server.Close()
			_, _, err := fetchTo(t, local(Config{}), server.URL+"/clip.mp4?secret")
			wantFault(t, err, c.kind, c.code, fmt.Sprint(c.status))
		})
	}
}

func TestFetchBounds(t *testing.T) {
	respond := func(answer string) string { // a raw HTTP response, after any request
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, answer)
				conn.Close()
			}
		}()
		return "http://" + listener.Addr().String() + "/clip.mp4?secret"
	}
	for _, c := range []struct {
		name string
		url  string
		kind fault.Kind
		code string
		says string
	}{
		{"too large, told", respond("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + strings.Repeat("x", 5000)), fault.Limit, "3457", "5000 bytes, more than the 1000"},
		{"too large, not told", respond("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + strings.Repeat("x", 5000)), fault.Limit, "3457", "more than the 1000"},
		{"shorter than told", respond("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + strings.Repeat("x", 500)), fault.Unavailable, "3999", "broke off"},
		{"two lengths", respond("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello"), fault.Unavailable, "3451", ""},
		{"empty", respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), fault.Invalid, "1010", "empty"},
		{"compressed", respond("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"), fault.Invalid, "3999", "encoding"},
		{"endless headers", respond("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 1<<20)), fault.Unavailable, "3451", ""},
		{"nobody there", "http://127.0.0.1:1/clip.mp4?secret", fault.Unavailable, "3451", "cannot be reached"},
		{"another scheme", "file:///etc/passwd", fault.Invalid, "3457", "scheme"},
		{"no scheme", "/etc/passwd", fault.Invalid, "3457", "scheme"},
		{"no host", "http:///clip.mp4", fault.Invalid, "3457", "no host"},
		{"not a URL", "http://secret\x00/", fault.Invalid, "3457", "parsed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := fetchTo(t, local(Config{Limits: limit.Limits{SourceBytes: 1000, FetchConnect: 2 * time.Second}}), c.url)
			wantFault(t, err, c.kind, c.code, c.says)
		})
	}
}

func TestFetchSlowServers(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer silent.Close()
	drip := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			<-time.After(5 * time.Millisecond)
		}
	}))
	defer drip.Close()
	f := local(Config{Limits: limit.Limits{FetchConnect: 100 * time.Millisecond, FetchStall: 100 * time.Millisecond}})
	t.Run("give up", func(t *testing.T) {
		for url, says := range map[string]string{silent.URL: "does not answer in time", drip.URL: "sends less than"} {
			t.Run(says, func(t *testing.T) {
				t.Parallel()
				_, _, err := fetchTo(t, f, url+"/?secret")
				wantFault(t, err, fault.Unavailable, "3408", says)
			})
		}
	})

	why := errors.New("the user canceled")
	ctx, cancel := context.WithCancelCause(t.Context())
	dst := filepath.Join(t.TempDir(), "input")
	_, err := local(Config{}).Fetch(ctx, drip.URL, dst, func(int64, int64) { cancel(why) })
	if !errors.Is(err, why) {
		t.Errorf("error %v, want %v", err, why)
	}
	if _, err := os.Stat(dst); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestFetchRefusesPrivateAddresses(t *testing.T) {
	var reached atomic.Int64
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reached.Add(1) }))
	defer inner.Close()
	port := inner.Listener.Addr().(*net.TCPAddr).Port
	f := New(Config{})
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"} {
		_, _, err := fetchTo(t, f, fmt.Sprintf("http://%s:%d/?secret", host, port))
		if code := fault.Of(err).Code; err == nil || code != "3457" && code != "3451" {
			t.Errorf("%s: %v", host, err)
		}
	}
	if reached.Load() != 0 {
		t.Error("the server was reached")
	}

	// A server that may be reached redirects to one that may not.
	var target atomic.Value
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.Load().(string), http.StatusFound)
	}))
	defer outer.Close()
	only := outer.Listener.Addr().(*net.TCPAddr).AddrPort().Port()
	f = newFetcher(Config{}, func(to netip.AddrPort) bool { return to.Port() == only })
	for to, says := range map[string]string{
		inner.URL:             "private network",
		"file:///etc/passwd":  "scheme",
		"ftp://example.test/": "scheme",
		outer.URL:             "redirects more than",
	} {
		target.Store(to)
		_, _, err := fetchTo(t, f, outer.URL+"/?secret")
		if err == nil || fault.Of(err).Code != "3457" || !strings.Contains(err.Error(), says) {
			t.Errorf("redirect to %s: %v", to, err)
		}
	}
	if reached.Load() != 0 {
		t.Error("the server was reached over a redirect")
	}
}

func TestFetchFollowsFewRedirects(t *testing.T) {
	data := payload(1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := len(r.URL.Path); n < 4 {
			http.Redirect(w, r, r.URL.Path+"a", http.StatusTemporaryRedirect)
			return
		}
		_, _ = w.Write(data)
	}))
	defer server.Close()
	got, _, err := fetchTo(t, local(Config{}), server.URL+"/")
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestPublicAddresses(t *testing.T) {
	for _, s := range []string{
		"127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "0.0.0.0", "0.1.2.3",
		"100.64.0.1", "192.0.0.8", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
		"::", "::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
		"168.63.129.16", "192.88.99.1", "3fff::1", "5f00::1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001::1", "2001:db8::1", "fec0::1",
	} {
		if public(netip.AddrPortFrom(netip.MustParseAddr(s), 443)) {
			t.Errorf("%s counts as public", s)
		}
	}
	for _, s := range []string{"1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "64:ff9b::808:808", "2002:808:808::1", "2a00:1450::1", "::ffff:8.8.8.8"} {
		if !public(netip.AddrPortFrom(netip.MustParseAddr(s), 443)) {
			t.Errorf("%s does not count as public", s)
		}
	}
}

package edge

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/edge/fastlane"
	"vodwright.dev/vodwright/internal/fault"
)

// folderOrigin is an origin over a folder: a subfolder a bucket. It hands out
// files, or, with streams set, readers that are none.
type folderOrigin struct {
	root    string
	streams bool
	opens   atomic.Int64
	stats   atomic.Int64

	mu    sync.Mutex
	rules map[string][]CORSRule
	down  error                     // what every call answers while set
	wrap  func(io.Reader) io.Reader // of streams
	meta  map[string]Info           // metadata by bucket/key
}

func newFolderOrigin(t testing.TB) *folderOrigin {
	o := &folderOrigin{root: t.TempDir(), rules: map[string][]CORSRule{}, meta: map[string]Info{}}
	if err := os.Mkdir(filepath.Join(o.root, "films"), 0o755); err != nil {
		t.Fatal(err)
	}
	return o
}

// put writes an object as a store does: under another name, then renamed.
func (o *folderOrigin) put(t testing.TB, key string, data []byte) {
	t.Helper()
	path := filepath.Join(o.root, "films", filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(o.root, "tmp")
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

func (o *folderOrigin) setDown(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = err
}

func (o *folderOrigin) open(bucket, key string) (Info, *os.File, error) {
	o.mu.Lock()
	down, info := o.down, o.meta[bucket+"/"+key]
	o.mu.Unlock()
	if down != nil {
		return Info{}, nil, down
	}
	f, err := os.Open(filepath.Join(o.root, bucket, filepath.FromSlash(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, nil, fault.New(fault.NotFound, "NoSuchKey", "no object %q in bucket %q", key, bucket)
	} else if err != nil {
		return Info{}, nil, err
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		return Info{}, nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return Info{}, nil, err
	}
	sum := md5.Sum(data)
	info.Size, info.LastModified, info.ETag = st.Size(), st.ModTime(), `"`+hex.EncodeToString(sum[:])+`"`
	return info, f, nil
}

func (o *folderOrigin) Open(_ context.Context, from OriginRef, key string) (Info, io.ReadSeekCloser, error) {
	o.opens.Add(1)
	info, f, err := o.open(from.Bucket, key)
	if err != nil {
		return info, nil, err
	}
	if !o.streams {
		return info, f, nil
	}
	return info, &stream{f: f, wrap: o.wrap}, nil
}

func (o *folderOrigin) Stat(_ context.Context, from OriginRef, key string) (Info, error) {
	o.stats.Add(1)
	info, f, err := o.open(from.Bucket, key)
	if err == nil {
		f.Close()
	}
	return info, err
}

func (o *folderOrigin) CORS(_ context.Context, bucket string) ([]CORSRule, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.rules[bucket], nil
}

// stream is a reader that is no file.
type stream struct {
	f    *os.File
	wrap func(io.Reader) io.Reader
	r    io.Reader
}

func (s *stream) Read(p []byte) (int, error) {
	if s.r == nil {
		s.r = s.f
		if s.wrap != nil {
			s.r = s.wrap(s.f)
		}
	}
	return s.r.Read(p)
}
func (s *stream) Seek(at int64, whence int) (int64, error) { return s.f.Seek(at, whence) }
func (s *stream) Close() error                             { return s.f.Close() }

// oneDistribution answers at e1.cdn.localhost.
type oneDistribution struct {
	mu sync.Mutex
	d  Distribution
}

func (o *oneDistribution) ByHost(_ context.Context, host string) (Distribution, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if host != "e1.cdn.localhost" {
		return Distribution{}, fault.New(fault.NotFound, "NoSuchDistribution", "none")
	}
	return o.d, nil
}

func (o *oneDistribution) Aliases(context.Context) (map[string]string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[string]string{}
	for _, alias := range o.d.Aliases {
		out[alias] = "e1.cdn.localhost"
	}
	return out, nil
}

// change replaces the distribution and tells the edge.
func (s *site) change(f func(*Distribution)) {
	s.dist.mu.Lock()
	d := s.dist.d
	d.Behaviors = slices.Clone(d.Behaviors)
	f(&d)
	s.dist.d = d
	s.dist.mu.Unlock()
	s.edge.Forget(d.ID)
}

// clock is a clock that moves when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// site is an edge on a real listener, with and without TLS.
type site struct {
	t      testing.TB
	edge   *Edge
	origin *folderOrigin
	dist   *oneDistribution
	clock  *clock
	plain  *entrance
	secure *entrance
}

// entrance is a listener as the server has it: plain requests go through the fast
// lane, HTTP/2 and everything else through net/http.
type entrance struct {
	*http.Server
	Listener net.Listener
	lane     *fastlane.Lane
}

func (s *site) listen(config *tls.Config) *entrance {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	in := &entrance{Listener: l, lane: fastlane.New(l, fastlane.Config{Handler: s.edge, Owns: func(string) bool { return true }, TLS: config})}
	in.Server = &http.Server{
		Handler: fastlane.Handler(s.edge), ConnContext: fastlane.ConnContext, TLSConfig: config,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // handshakes of clients that have gone
	}
	go in.lane.Serve()
	go in.Server.Serve(in.lane.Rest())
	return in
}

// Close waits for answers under way.
func (e *entrance) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = e.lane.Shutdown(ctx)
	if e.Server.Shutdown(ctx) != nil {
		_ = e.Server.Close()
	}
}

// certificate is one for every name.
func certificate(t testing.TB) *tls.Config {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	return &tls.Config{Certificates: server.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}
}

func newSite(t testing.TB, change func(*Config)) *site {
	s := &site{
		t: t, origin: newFolderOrigin(t), clock: &clock{now: time.Now()},
		dist: &oneDistribution{d: Distribution{
			ID: "E1", ARN: "arn:aws:cloudfront::000000000000:distribution/E1", Enabled: true,
			Origins:   map[string]OriginConfig{"films": {Bucket: "films", Signed: true}},
			Behaviors: []Behavior{{Pattern: "*", Origin: "films", ViewerProtocolPolicy: AllowAll, Cache: CachingOptimized()}},
		}},
	}
	cfg := Config{Distributions: s.dist, Origin: s.origin, Clock: s.clock.Now, TLSPort: 8443}
	if change != nil {
		change(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.encodeWait = time.Minute
	s.edge = e
	s.plain, s.secure = s.listen(nil), s.listen(certificate(t))
	t.Cleanup(func() {
		s.plain.Close()
		s.secure.Close()
		e.Close()
		// A filling that nobody waits for any more may be ending just now.
		eventually(t, "everything counted is released", func() bool {
			e.Close()
			bytes, files := s.held()
			return bytes == 0 && files == 0
		})
	})
	return s
}

// held returns what the cache counts as held.
func (s *site) held() (bytes int64, files int) {
	s.edge.cache.mu.Lock()
	defer s.edge.cache.mu.Unlock()
	return s.edge.cache.bytes, s.edge.cache.files
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// client reaches the site under every host name: kind is "http", "https" or "h2".
func (s *site) client(kind string) *http.Client {
	server := s.plain
	if kind != "http" {
		server = s.secure
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
		DisableCompression:  true,
		MaxIdleConnsPerHost: 256,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2:   kind == "h2",
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body []byte
}

// get requests path of e1.cdn.localhost; header alternates names and values.
func (s *site) get(path string, header ...string) answer {
	s.t.Helper()
	return s.do("http", http.MethodGet, path, header...)
}

func (s *site) do(kind, method, path string, header ...string) answer {
	s.t.Helper()
	scheme := "https"
	if kind == "http" {
		scheme = "http"
	}
	r, err := http.NewRequest(method, scheme+"://e1.cdn.localhost", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.URL.Opaque = path // exactly as written
	if strings.HasPrefix(path, "//") {
		r.URL.Opaque = "//e1.cdn.localhost" + path
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	res, err := s.client(kind).Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%s %s: read body: %v", method, path, err)
	}
	return answer{res, body}
}

func (a answer) want(t testing.TB, status int, header ...string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("status %d, want %d; body %.300s", a.StatusCode, status, a.body)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if got := strings.Join(a.Header.Values(header[i]), " | "); got != header[i+1] {
			t.Errorf("%s: %q, want %q", header[i], got, header[i+1])
		}
	}
}

// pattern returns n bytes in which every position is recognisable.
func pattern(n int) []byte {
	b := bytes.NewBuffer(make([]byte, 0, n+16))
	for b.Len() < n {
		fmt.Fprintf(b, "%d ", b.Len())
	}
	return b.Bytes()[:n]
}

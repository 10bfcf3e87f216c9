package accesslog

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// folder is a Bucket that keeps files in memory.
type folder struct {
	mu    sync.Mutex
	down  error
	files map[string]string // by bucket/key, unpacked
}

func (f *folder) PutLog(_ context.Context, bucket, key, path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return f.down
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	if f.files == nil {
		f.files = map[string]string{}
	}
	f.files[bucket+"/"+key] = string(text)
	return nil
}

func (f *folder) lines() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, text := range f.files {
		n += strings.Count(text, "\n") - 2
	}
	return n
}

func entry() *Entry {
	return &Entry{
		Time: time.Date(2026, 11, 25, 1, 2, 3, 4, time.UTC), Distribution: "E1", Domain: "e1.cdn.localhost", Location: "LOCAL1-P1",
		RequestID: "abc==", Method: "GET", Path: "/a%20b/c.ts", Query: "v=1&x=\"y\"", Host: "video.example.com:8443",
		UserAgent: "Mozilla/5.0 (X11; Linux)\té%", Referer: "", Cookie: "a=b; c=d", Protocol: "HTTP/2.0", TLSVersion: "TLSv1.3", TLSCipher: "TLS_AES_128_GCM_SHA256",
		ClientIP: "2001:db8::1", ClientPort: "4711", Status: 206, ReceivedBytes: 200, SentBytes: 1234,
		Took: 1234567 * time.Microsecond, FirstByte: 900 * time.Microsecond, Result: "Hit", ContentType: "video/mp2t", ContentLength: 1000, RangeStart: 0, RangeEnd: 999,
	}
}

func TestALineHas33Fields(t *testing.T) {
	fields := strings.Fields(strings.Split(head, "\n")[1])[1:]
	line := string(entry().appendLine(nil, "2026-11-25\t01:02:03", true))
	values := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	if len(fields) != 33 || len(values) != 33 {
		t.Fatalf("%d names, %d values: %q", len(fields), len(values), line)
	}
	got := map[string]string{}
	for i, name := range fields {
		got[name] = values[i]
	}
	for name, want := range map[string]string{
		"date": "2026-11-25", "time": "01:02:03", "x-edge-location": "LOCAL1-P1", "sc-bytes": "1234", "c-ip": "2001:db8::1", "cs-method": "GET",
		"cs(Host)": "e1.cdn.localhost", "cs-uri-stem": "/a%20b/c.ts", "sc-status": "206", "cs(Referer)": "-",
		"cs(User-Agent)": "Mozilla/5.0%20(X11;%20Linux)%09%C3%A9%25", "cs-uri-query": "v=1&x=%22y%22", "cs(Cookie)": "a=b;%20c=d",
		"x-edge-result-type": "Hit", "x-edge-request-id": "abc==", "x-host-header": "video.example.com:8443", "cs-protocol": "https", "cs-bytes": "200",
		"time-taken": "1.235", "x-forwarded-for": "-", "ssl-protocol": "TLSv1.3", "ssl-cipher": "TLS_AES_128_GCM_SHA256", "x-edge-response-result-type": "Hit",
		"cs-protocol-version": "HTTP/2.0", "fle-status": "-", "fle-encrypted-fields": "-", "c-port": "4711", "time-to-first-byte": "0.001",
		"x-edge-detailed-result-type": "Hit", "sc-content-type": "video/mp2t", "sc-content-len": "1000", "sc-range-start": "0", "sc-range-end": "999",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	e := &Entry{Time: time.Now(), ContentLength: -1, RangeEnd: -1}
	line = string(e.appendLine(nil, "a\tb", true))
	if n := strings.Count(line, "\t"); n != 32 || strings.Contains(line, "\t\t") && e.RequestID != "" {
		t.Errorf("%d tabs: %q", n, line)
	}
	if strings.Contains(string(entry().appendLine(nil, "a\tb", false)), "a=b") {
		t.Error("cookies are written without being asked for")
	}
}

func TestWhatViewersSendIsBounded(t *testing.T) {
	e := entry()
	long := strings.Repeat("\x01", 64<<10)
	e.UserAgent, e.Path, e.Query, e.Cookie, e.Referer, e.ForwardedFor, e.Host = long, long, long, long, long, long, long
	if line := e.appendLine(nil, "a\tb", true); len(line) > 100<<10 || strings.Count(string(line), "\n") != 1 {
		t.Errorf("%d bytes", len(line))
	}
}

var target = Target{Distribution: "E1", Bucket: "logs", Prefix: "cdn/", Cookies: true}

func TestFilesAreDeliveredEachIntervalAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := &folder{}
		l := New(Config{Dir: filepath.Join(t.TempDir(), "spool"), Bucket: bucket})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- l.Run(ctx) }()
		synctest.Wait()
		l.Note(target, entry())
		time.Sleep(time.Minute)
		if bucket.lines() != 0 {
			t.Error("delivered before the interval")
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if bucket.lines() != 1 {
			t.Errorf("%d lines after the interval", bucket.lines())
		}
		l.Note(target, entry())
		l.Note(Target{Distribution: "E2", Bucket: "other"}, entry())
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.Note(target, entry()) // a request that ends after Run
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if bucket.lines() != 4 || len(bucket.files) != 3 {
			t.Errorf("%d lines in %d files", bucket.lines(), len(bucket.files))
		}
		name := regexp.MustCompile(`^(logs/cdn/E1|other/E2)\.\d{4}-\d\d-\d\d-\d\d\.[0-9a-f]{8}\.gz$`)
		for key, text := range bucket.files {
			if !name.MatchString(key) || !strings.HasPrefix(text, head) {
				t.Errorf("%s: %q", key, text)
			}
		}
		if left, _ := os.ReadDir(l.cfg.Dir); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestNothingIsLostWhileABucketIsMissing(t *testing.T) {
	dir, bucket := t.TempDir(), &folder{down: errors.New("no such bucket")}
	l := New(Config{Dir: dir, Bucket: bucket})
	l.Note(target, entry())
	l.Deliver(t.Context())
	l.Note(target, entry())
	l.flush() // and here the process is killed, in the middle of a line
	files, err := filepath.Glob(filepath.Join(dir, "*"+spoolEnd))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v %v", files, err)
	}
	for _, name := range files {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, "2026-11-25\t01:0")
		f.Close()
	}
	if err := os.WriteFile(filepath.Join(dir, "E1.2026.x"+spoolEnd), []byte(`{"Distr`), 0o600); err != nil {
		t.Fatal(err)
	}
	bucket.down = nil
	again := New(Config{Dir: dir, Bucket: bucket})
	again.Deliver(t.Context())
	if bucket.lines() != 2 {
		t.Errorf("%d lines: %v", bucket.lines(), bucket.files)
	}
	for _, text := range bucket.files {
		if strings.Contains(text, "{") || !strings.HasSuffix(text, "\n") {
			t.Errorf("%q", text)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestEveryEntryIsThereOnce(t *testing.T) {
	bucket := &folder{}
	l := New(Config{Dir: t.TempDir(), Bucket: bucket})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	var wg sync.WaitGroup
	const writers, each = 8, 2000
	for w := range writers {
		wg.Go(func() {
			e := entry()
			for i := range each {
				e.RequestID = fmt.Sprintf("%d-%d", w, i)
				l.Note(target, e)
			}
		})
	}
	wg.Wait()
	cancel()
	<-done
	l.Close()
	seen := map[string]bool{}
	for _, text := range bucket.files {
		for line := range strings.Lines(text) {
			if part := strings.Split(line, "\t"); len(part) == 33 {
				seen[part[14]] = true
			}
		}
	}
	if len(seen) != writers*each || l.Dropped() != 0 {
		t.Errorf("%d of %d entries, %d dropped", len(seen), writers*each, l.Dropped())
	}
}

func BenchmarkNote(b *testing.B) {
	l := New(Config{Dir: b.TempDir(), Bucket: &folder{}})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := entry()
		for pb.Next() {
			l.Note(target, e)
		}
	})
	cancel()
	<-done
}

package edge

import (
	"compress/gzip"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"vodwright.dev/vodwright/internal/edge/accesslog"
)

// logBucket keeps the lines of delivered files.
type logBucket struct {
	mu    sync.Mutex
	lines []map[string]string
}

func (b *logBucket) PutLog(_ context.Context, _, _, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	names := strings.Fields(lines[1])[1:]
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range lines[2:] {
		entry := map[string]string{}
		for i, v := range strings.Split(line, "\t") {
			entry[names[i]] = v
		}
		b.lines = append(b.lines, entry)
	}
	return nil
}

func TestRequestsAreLogged(t *testing.T) {
	bucket := &logBucket{}
	log := accesslog.New(accesslog.Config{Dir: t.TempDir(), Bucket: bucket})
	s := newSite(t, func(c *Config) { c.AccessLogs = log })
	s.dist.d.AccessLog = &AccessLog{Bucket: "logs", Cookies: true}
	s.origin.put(t, "a.ts", pattern(5000))
	agent := []string{"User-Agent", "A B", "Cookie", "c=d", "Referer", "http://x/"}
	ids := map[string]string{}
	for _, tt := range []struct {
		id, kind, method, path string
		header                 []string
	}{
		{"miss", "http", "GET", "/a.ts?x=y", agent},
		{"hit", "https", "GET", "/a.ts", nil},
		{"h2", "h2", "GET", "/a.ts", []string{"Range", "bytes=10-19"}},
		{"head", "http", "HEAD", "/a.ts", nil},
		{"missing", "http", "GET", "/b%20c.ts", nil},
	} {
		got := s.do(tt.kind, tt.method, tt.path, tt.header...)
		ids[got.Header.Get("X-Amz-Cf-Id")] = tt.id
	}
	s.plain.Close()
	s.secure.Close()
	log.Close()
	byName := map[string]map[string]string{}
	for _, line := range bucket.lines {
		byName[ids[line["x-edge-request-id"]]] = line
	}
	for id, want := range map[string]map[string]string{
		"miss": {
			"sc-status": "200", "x-edge-result-type": "Miss", "cs-uri-stem": "/a.ts", "cs-uri-query": "x=y", "cs(User-Agent)": "A%20B", "cs(Cookie)": "c=d",
			"cs(Referer)": "http://x/", "cs-protocol": "http", "ssl-protocol": "-", "cs(Host)": "e1.cdn.localhost", "x-host-header": "e1.cdn.localhost",
			"sc-content-len": "5000", "sc-content-type": "video/mp2t", "c-ip": "127.0.0.1", "cs-protocol-version": "HTTP/1.1", "sc-range-end": "-", "x-edge-location": "LOCAL1-P1",
		},
		"hit":     {"x-edge-result-type": "Hit", "cs-protocol": "https", "ssl-protocol": "TLSv1.3", "ssl-cipher": "TLS_AES_128_GCM_SHA256", "cs(Cookie)": "-"},
		"h2":      {"sc-status": "206", "cs-protocol-version": "HTTP/2.0", "sc-range-start": "10", "sc-range-end": "19", "sc-content-len": "10"},
		"head":    {"cs-method": "HEAD", "sc-status": "200", "x-edge-detailed-result-type": "Hit"},
		"missing": {"sc-status": "404", "x-edge-result-type": "Error", "cs-uri-stem": "/b%20c.ts"},
	} {
		got := byName[id]
		if got == nil {
			t.Errorf("%s is not logged; %v", id, bucket.lines)
			continue
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s %q, want %q", id, name, got[name], value)
			}
		}
	}
	if len(bucket.lines) != 5 {
		t.Errorf("%d lines", len(bucket.lines))
	}
}

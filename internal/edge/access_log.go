package edge

import (
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/edge/accesslog"
	"vodwright.dev/vodwright/internal/edge/field"
)

// AccessLogs takes what is told about requests (accesslog.Log). Note must not
// block, and keeps nothing of the entry.
type AccessLogs interface {
	Note(to accesslog.Target, e *accesslog.Entry)
}

// record is what an access log tells about one request. It is only valid while
// note runs: request and header belong to net/http.
type record struct {
	distribution *knownDistribution
	writer       http.ResponseWriter
	request      *http.Request
	header       http.Header // of the response
	id           string      // X-Amz-Cf-Id
	status       int         // 0: the viewer left before it was sent
	bytes        int64       // of the body, as far as they were written
	began        time.Time
	firstByte    time.Duration // from began until the header was written
	took         time.Duration
	result       result // x-edge-result-type
	whole        bool   // everything was written that the status promised
}

// note takes a request to the access log. It is called after each answer of a
// distribution that has one, and must not block.
func (e *Edge) note(rec record) {
	if e.cfg.AccessLogs == nil {
		return
	}
	d, r := rec.distribution, rec.request
	entry := accesslog.Entry{
		Time: rec.began.Add(rec.took), Distribution: d.ID, Domain: d.domain, Location: popHeader[0], RequestID: rec.id,
		Method: r.Method, Query: r.URL.RawQuery, Host: r.Host,
		Referer: first(r.Header, "Referer"), UserAgent: first(r.Header, "User-Agent"), ForwardedFor: strings.Join(r.Header["X-Forwarded-For"], ", "),
		Protocol: r.Proto, Status: rec.status, Took: rec.took, FirstByte: rec.firstByte,
		SentBytes: rec.bytes, Result: string(rec.result), ContentType: first(rec.header, "Content-Type"), ContentLength: -1, RangeEnd: -1,
	}
	if entry.Path, _, _ = strings.Cut(r.RequestURI, "?"); !strings.HasPrefix(entry.Path, "/") {
		entry.Path = r.URL.EscapedPath() // of a whole URL, or "*"
	}
	if wire, ok := rec.writer.(wireCounter); ok {
		received, sent := wire.HeadBytes()
		entry.ReceivedBytes = int64(received)
		entry.SentBytes += int64(sent)
	} else {
		entry.ReceivedBytes = int64(len(r.Method)+len(r.RequestURI)+len(r.Proto)+len(r.Host)+12) + headerBytes(r.Header)
		if rec.status != 0 {
			entry.SentBytes += int64(len("HTTP/1.1 200 OK\r\n\r\n")) + headerBytes(rec.header)
		}
	}
	if r.ProtoMajor == 2 {
		entry.Protocol = "HTTP/2.0"
	}
	entry.ClientIP, entry.ClientPort = splitAddress(r.RemoteAddr)
	if d.AccessLog.Cookies {
		entry.Cookie = strings.Join(r.Header["Cookie"], "; ")
	}
	if r.TLS != nil {
		entry.TLSVersion, entry.TLSCipher = tlsNames(r.TLS)
	}
	if rec.status != 0 {
		if n, ok := field.Digits(first(rec.header, "Content-Length")); ok {
			entry.ContentLength = n
		}
		if rec.status == http.StatusPartialContent {
			entry.RangeStart, entry.RangeEnd = sentRange(first(rec.header, "Content-Range"))
		}
	}
	if !rec.whole { // the viewer went away, or was sent away
		entry.Detail = "ClientCommError"
	}
	e.cfg.AccessLogs.Note(accesslog.Target{Distribution: d.ID, Bucket: d.AccessLog.Bucket, Prefix: d.AccessLog.Prefix, Cookies: d.AccessLog.Cookies}, &entry)
}

// wireCounter is a ResponseWriter that knows what heads were on the wire (fastlane.Lane's).
type wireCounter interface {
	HeadBytes() (received, sent int)
}

// splitAddress is net.SplitHostPort for what net/http writes itself.
func splitAddress(address string) (ip, port string) {
	at := strings.LastIndexByte(address, ':')
	if at < 0 {
		return address, ""
	}
	return strings.Trim(address[:at], "[]"), address[at+1:]
}

func first(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// headerBytes is what headers are as HTTP/1.1; net/http does not tell what they were on the wire.
func headerBytes(h http.Header) (n int64) {
	for name, values := range h {
		for _, v := range values {
			n += int64(len(name) + len(v) + len(": \r\n"))
		}
	}
	return n
}

// sentRange reads the Content-Range that a part was sent with.
func sentRange(v string) (from, to int64) {
	bare, _, _ := strings.Cut(strings.TrimPrefix(v, "bytes "), "/")
	a, b, _ := strings.Cut(bare, "-")
	from, _ = field.Digits(a)
	to, ok := field.Digits(b)
	if !ok {
		return 0, -1
	}
	return from, to
}

// tlsNames returns the names that CloudFront's log has for a connection's protocol
// and cipher: OpenSSL's, which are the standard ones from TLS 1.3 on.
func tlsNames(s *tls.ConnectionState) (version, cipher string) {
	switch s.Version {
	case tls.VersionTLS13:
		version = "TLSv1.3"
	case tls.VersionTLS12:
		version = "TLSv1.2"
	default:
		version = "0x" + strconv.FormatUint(uint64(s.Version), 16)
	}
	switch s.CipherSuite { // the loop over all names costs more than the rest of the line
	case tls.TLS_AES_128_GCM_SHA256:
		return version, "TLS_AES_128_GCM_SHA256"
	case tls.TLS_AES_256_GCM_SHA384:
		return version, "TLS_AES_256_GCM_SHA384"
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		return version, "TLS_CHACHA20_POLY1305_SHA256"
	}
	name := strings.TrimPrefix(tls.CipherSuiteName(s.CipherSuite), "TLS_")
	name = strings.NewReplacer("_WITH_", "-", "AES_128", "AES128", "AES_256", "AES256", "POLY1305_SHA256", "POLY1305", "_", "-").Replace(name)
	return version, name
}

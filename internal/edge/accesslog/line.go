package accesslog

import (
	"strconv"
	"strings"
	"time"
)

// Entry is what is told about one request. Strings are as they were on the wire;
// "" is written "-".
type Entry struct {
	Time          time.Time // at which the answer ended
	Distribution  string    // id
	Domain        string    // the distribution's own host name, cs(Host)
	Location      string    // the edge's name, x-edge-location
	RequestID     string
	Method        string
	Path          string // escaped
	Query         string // raw
	Host          string // as the viewer sent it
	Referer       string
	UserAgent     string
	Cookie        string // written only if the target wants cookies
	ForwardedFor  string
	Protocol      string // "HTTP/1.1", "HTTP/2.0"
	TLSVersion    string // "TLSv1.3"; "" for plain HTTP
	TLSCipher     string
	ClientIP      string
	ClientPort    string
	Status        int   // 0 when the viewer left before it was sent
	ReceivedBytes int64 // request line and headers
	SentBytes     int64 // status line, headers and body
	Took          time.Duration
	FirstByte     time.Duration
	Result        string // Hit, RefreshHit, Miss, Error, Redirect …
	Detail        string // x-edge-detailed-result-type; "" is Result
	ContentType   string
	ContentLength int64 // negative when it is not known
	// The range that was sent of a part; RangeEnd below RangeStart for none.
	RangeStart, RangeEnd int64
}

// head are the first lines of every file (CloudFront Developer Guide, "Standard
// log file fields": 33, in this order).
const head = "#Version: 1.0\n" +
	"#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) " +
	"cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for " +
	"ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port " +
	"time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end\n"

const timeFormat = "2006-01-02\t15:04:05"

// appendLine appends the entry's line; when is its Time in timeFormat.
func (e *Entry) appendLine(b []byte, when string, cookies bool) []byte {
	b = append(append(b, when...), '\t')
	b = append(b, e.Location...)
	b = strconv.AppendInt(append(b, '\t'), e.SentBytes, 10)
	b = appendField(b, e.ClientIP)
	b = appendField(b, e.Method)
	b = appendField(b, e.Domain)
	b = appendURL(b, e.Path)
	b = append(b, '\t')
	if e.Status == 0 {
		b = append(b, "000"...)
	} else {
		b = strconv.AppendInt(b, int64(e.Status), 10)
	}
	b = appendField(b, e.Referer)
	b = appendField(b, e.UserAgent)
	b = appendURL(b, e.Query)
	if cookies {
		b = appendField(b, e.Cookie)
	} else {
		b = append(b, "\t-"...)
	}
	b = appendField(b, e.Result)
	b = append(append(b, '\t'), e.RequestID...)
	b = appendField(b, e.Host)
	if e.TLSVersion != "" {
		b = append(b, "\thttps\t"...)
	} else {
		b = append(b, "\thttp\t"...)
	}
	b = strconv.AppendInt(b, e.ReceivedBytes, 10)
	b = appendSeconds(b, e.Took)
	b = appendField(b, e.ForwardedFor)
	b = appendField(b, e.TLSVersion)
	b = appendField(b, e.TLSCipher)
	b = appendField(b, e.Result)
	b = appendField(b, e.Protocol)
	b = append(b, "\t-\t-"...)
	b = appendField(b, e.ClientPort)
	b = appendSeconds(b, e.FirstByte)
	if e.Detail != "" {
		b = appendField(b, e.Detail)
	} else {
		b = appendField(b, e.Result)
	}
	b = appendField(b, e.ContentType)
	b = append(b, '\t')
	if e.ContentLength >= 0 {
		b = strconv.AppendInt(b, e.ContentLength, 10)
	} else {
		b = append(b, '-')
	}
	if e.RangeEnd >= e.RangeStart {
		b = strconv.AppendInt(append(b, '\t'), e.RangeStart, 10)
		b = strconv.AppendInt(append(b, '\t'), e.RangeEnd, 10)
	} else {
		b = append(b, "\t-\t-"...)
	}
	return append(b, '\n')
}

// appendSeconds appends a tab and d in seconds with three decimals.
func appendSeconds(b []byte, d time.Duration) []byte {
	ms := max(d, 0).Round(time.Millisecond).Milliseconds()
	b = strconv.AppendInt(append(b, '\t'), ms/1000, 10)
	ms %= 1000
	return append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

const (
	hexDigits = "0123456789ABCDEF"
	// maxField bounds what a viewer can make us write: 64 KiB of headers are many.
	maxField = 2048
)

// escaped holds the bytes that are written percent-encoded: controls, space, what
// is not ASCII, and what RFC 1738 calls unsafe (Developer Guide, as above).
var escaped = func() (set [256]bool) {
	for c := range set {
		set[c] = c <= ' ' || c >= 0x7f || strings.IndexByte("<>\"#%{|}\\^~[]`'", byte(c)) >= 0
	}
	return set
}()

// appendField appends a tab and a value, encoded; "-" for none.
func appendField(b []byte, s string) []byte {
	b = append(b, '\t')
	if s == "" {
		return append(b, '-')
	}
	s = s[:min(len(s), maxField)]
	from := 0
	for i := range len(s) {
		if c := s[i]; escaped[c] {
			b = append(append(b, s[from:i]...), '%', hexDigits[c>>4], hexDigits[c&15])
			from = i + 1
		}
	}
	return append(b, s[from:]...)
}

// appendURL appends a tab and a part of a URL: what is percent-encoded already stays so.
func appendURL(b []byte, s string) []byte {
	b = append(b, '\t')
	if s == "" {
		return append(b, '-')
	}
	s = s[:min(len(s), 4*maxField)] // signed URLs are long
	from := 0
	for i := range len(s) {
		c := s[i]
		if !escaped[c] || c == '~' || c == '\'' || c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			continue
		}
		b = append(append(b, s[from:i]...), '%', hexDigits[c>>4], hexDigits[c&15])
		from = i + 1
	}
	return append(b, s[from:]...)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

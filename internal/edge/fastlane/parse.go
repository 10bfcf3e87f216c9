package fastlane

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// maxHead is the longest head that is read here; net/http's own bound is for the rest.
const maxHead = 16 << 10

// verdict is what the bytes read so far are.
type verdict uint8

const (
	more  verdict = iota // the beginning of what may become a plain request
	plain                // a plain request
	other                // something else: net/http's business
)

// head finds the first request's head in b, which begins with it, and returns its
// length with the blank line. It looks only as far as it must to say other early.
func head(b []byte) (n int, v verdict) {
	if len(b) == 0 {
		return 0, more
	}
	if !mayBegin(b, "GET /") && !mayBegin(b, "HEAD /") {
		return 0, other
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	switch {
	case end >= 0 && end+4 <= maxHead:
		return end + 4, plain
	case end >= 0 || len(b) >= maxHead || bareLF(b):
		return 0, other
	}
	return 0, more
}

// bareLF reports whether a line ends without CR, which net/http accepts.
func bareLF(b []byte) bool {
	for at := 0; ; at++ {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 0 {
			return false
		}
		if at += n; at == 0 || b[at-1] != '\r' {
			return true
		}
	}
}

func mayBegin(b []byte, with string) bool {
	n := min(len(b), len(with))
	return string(b[:n]) == with[:n]
}

// requestLine reads a request line without its CRLF: method and target of a
// request in origin form over HTTP/1.1. The caller has seen that it begins with
// "GET /" or "HEAD /".
func requestLine(line string) (method, target string, ok bool) {
	method, rest, _ := strings.Cut(line, " ")
	target, proto, found := strings.Cut(rest, " ")
	if !found || proto != "HTTP/1.1" || len(target) > 1 && target[1] == '/' { // "//x" is read in several ways
		return "", "", false
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f {
			return "", "", false
		}
	}
	return method, target, true
}

// unescaped holds what stands for itself in a path, so that url.ParseRequestURI
// makes of it what is written; simpleQuery what needs no look in a query.
var unescaped, simpleQuery = func() (path, query [256]bool) {
	for c := range 256 {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		path[c] = letter || strings.IndexByte("/._-~$&+=@,;!'()*", byte(c)) >= 0 && strings.IndexByte("!'()*", byte(c)) < 0
		query[c] = letter || strings.IndexByte("/._-~$&+=@,:;!'()*%?", byte(c)) >= 0
	}
	return path, query
}()

// parseTarget is url.ParseRequestURI, quick for the targets that are nothing but
// themselves.
func parseTarget(u *url.URL, target string) bool {
	path, query, _ := strings.Cut(target, "?")
	for i := range len(path) {
		if !unescaped[path[i]] {
			return parseAny(u, target)
		}
	}
	for i := range len(query) {
		if !simpleQuery[query[i]] {
			return parseAny(u, target)
		}
	}
	if query == "" && len(path) != len(target) { // "/a?": ForceQuery
		return parseAny(u, target)
	}
	*u = url.URL{Path: path, RawQuery: query}
	return true
}

func parseAny(u *url.URL, target string) bool {
	parsed, err := url.ParseRequestURI(target)
	if err != nil {
		return false
	}
	*u = *parsed
	return true
}

// token holds the characters of field names (RFC 9110 §5.6.2).
var token = func() (set [256]bool) {
	for c := range 256 {
		set[c] = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) > 0 || c == '!'
	}
	return set
}()

// fields reads the header lines of a head, each with its CRLF, into h, and
// returns the host. Not ok is a head that is not plain.
func fields(lines string, h http.Header) (host string, ok bool) {
	hosts := 0
	values := make([]string, 0, 16) // one array for the values of all
	for lines != "" {
		end := strings.Index(lines, "\r\n")
		if end < 0 {
			return "", false
		}
		line := lines[:end]
		lines = lines[end+2:]
		name, value, found := strings.Cut(line, ":")
		if !found || name == "" || !validValue(value) {
			return "", false
		}
		for i := range len(name) {
			if !token[name[i]] {
				return "", false
			}
		}
		value = strings.Trim(value, " \t")
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch name {
		case "Host":
			if hosts++; hosts > 1 || !validHost(value) {
				return "", false
			}
			host = value
			continue
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") || h[name] != nil {
				return "", false
			}
		case "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade", "Expect", "Pragma", "Http2-Settings", "Te", "Proxy-Connection", "Keep-Alive":
			return "", false
		}
		if old := h[name]; old != nil {
			h[name] = append(old, value)
			continue
		}
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	return host, hosts == 1
}

// validValue reports whether a value is printable ASCII with blanks.
func validValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

// validHost is stricter than the protocol: names, addresses, a port.
func validHost(host string) bool {
	if host == "" {
		return false
	}
	for i := range len(host) {
		c := host[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == ':' || c == '_' {
			continue
		}
		return false
	}
	return true
}

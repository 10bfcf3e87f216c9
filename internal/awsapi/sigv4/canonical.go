package sigv4

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// canonicalRequest is the text whose digest is signed.
func canonicalRequest(r *http.Request, s signature, payload string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + canonicalPath(r.URL, s.service) + "\n" + canonicalQuery(r.URL.RawQuery, s.presigned) + "\n")
	for _, name := range s.headers {
		values := slices.Clone(r.Header.Values(name))
		switch name {
		case "host": // net/http moves these two out of the header
			values = []string{r.Host}
		case "content-length":
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		for i := range values {
			values[i] = strings.Join(strings.Fields(values[i]), " ")
		}
		b.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	b.WriteString("\n" + strings.Join(s.headers, ";") + "\n" + payload)
	return b.String()
}

// canonicalPath: S3 escapes the path once and leaves it as it is; every other
// service normalises it and escapes what came over the wire once more.
func canonicalPath(u *url.URL, service string) string {
	if service == "s3" {
		return escape(u.Path, true)
	}
	raw := u.EscapedPath()
	var out []string
	for e := range strings.SplitSeq(raw, "/") {
		switch e {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, escape(e, false))
		}
	}
	p := "/" + strings.Join(out, "/")
	if len(out) > 0 && strings.HasSuffix(raw, "/") {
		p += "/"
	}
	return p
}

func canonicalQuery(raw string, presigned bool) string {
	type parameter struct{ name, value string }
	var all []parameter
	for p := range strings.SplitSeq(raw, "&") {
		if p == "" {
			continue
		}
		k, v, _ := strings.Cut(p, "=")
		k, v = unescape(k), unescape(v)
		if presigned && k == "X-Amz-Signature" {
			continue
		}
		all = append(all, parameter{escape(k, false), escape(v, false)})
	}
	// By name and then by value: sorting "name=value" strings would put a-b before a.
	slices.SortFunc(all, func(a, b parameter) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = p.name + "=" + p.value
	}
	return strings.Join(out, "&")
}

// unescape decodes a query component; one that cannot be decoded stays as it is
// and then cannot match any signature that a client made of its meaning.
func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// escape percent-encodes everything but RFC 3986's unreserved characters.
func escape(s string, keepSlash bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			strings.IndexByte("-._~", c) >= 0, keepSlash && c == '/':
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

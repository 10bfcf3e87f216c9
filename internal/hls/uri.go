package hls

import "strings"

// RelativeURI returns the URI by which the object playlist refers to the object
// target of the same bucket; both are object keys. It is relative, so that a
// stream plays from wherever its folder is copied, and every byte outside RFC
// 3986's unreserved characters is percent-encoded: spaces, %, #, ?, + and
// everything that is not ASCII.
func RelativeURI(playlist, target string) string {
	from, to := strings.Split(playlist, "/"), strings.Split(target, "/")
	common := 0
	for common < len(from)-1 && common < len(to)-1 && from[common] == to[common] {
		common++
	}
	uri := strings.Repeat("../", len(from)-1-common)
	for i, part := range to[common:] {
		if i > 0 {
			uri += "/"
		}
		uri += escape(part)
	}
	return uri
}

// escape percent-encodes one path segment. A colon is encoded too, so that the
// first segment cannot be read as a scheme.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

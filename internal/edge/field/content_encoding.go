package field

import "strings"

// Encoding is a content encoding that the edge makes; a set of them is a sum.
type Encoding uint8

// The encodings.
const (
	Brotli Encoding = 1 << iota // preferred where a viewer takes both
	Gzip
)

// CompressibleType is CloudFront's list ("File types that CloudFront compresses").
func CompressibleType(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(t)) {
	case "application/dash+xml", "application/eot", "application/font", "application/font-sfnt", "application/javascript",
		"application/json", "application/opentype", "application/otf", "application/pdf", "application/pkcs7-mime",
		"application/protobuf", "application/rss+xml", "application/truetype", "application/ttf", "application/vnd.apple.mpegurl",
		"application/vnd.mapbox-vector-tile", "application/vnd.ms-fontobject", "application/wasm", "application/xhtml+xml",
		"application/xml", "application/x-font-opentype", "application/x-font-truetype", "application/x-font-ttf",
		"application/x-httpd-cgi", "application/x-javascript", "application/x-mpegurl", "application/x-opentype",
		"application/x-otf", "application/x-perl", "application/x-ttf", "font/eot", "font/opentype", "font/otf", "font/ttf",
		"image/svg+xml", "text/css", "text/csv", "text/html", "text/javascript", "text/js", "text/plain", "text/richtext",
		"text/tab-separated-values", "text/vtt", "text/xml", "text/x-component", "text/x-java-source", "text/x-script",
		"vnd.apple.mpegurl":
		return true
	}
	return false
}

// AcceptedEncodings reads Accept-Encoding (RFC 9110 §12.5.3): what is named, or
// covered by "*", with a weight above 0.
func AcceptedEncodings(fields []string) Encoding {
	var named, accepted, rest Encoding
	for _, list := range fields {
		for list != "" {
			var item string
			item, list, _ = strings.Cut(list, ",")
			name, params, _ := strings.Cut(item, ";")
			which := Encoding(0)
			switch name = strings.TrimSpace(name); {
			case strings.EqualFold(name, "br"):
				which = Brotli
			case strings.EqualFold(name, "gzip"), strings.EqualFold(name, "x-gzip"):
				which = Gzip
			case name == "*":
				if !zeroWeight(params) {
					rest = Brotli | Gzip
				}
				continue
			}
			named |= which
			if !zeroWeight(params) {
				accepted |= which
			}
		}
	}
	return accepted | rest&^named
}

func zeroWeight(params string) bool {
	name, value, _ := strings.Cut(strings.TrimSpace(params), "=")
	return strings.EqualFold(strings.TrimSpace(name), "q") && strings.Trim(strings.TrimSpace(value), "0.") == ""
}

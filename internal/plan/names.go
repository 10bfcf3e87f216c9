package plan

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/media"
)

// BaseName returns what outputs are called after when a destination names no
// file: the last part of an input's URI or path without its extension, percent
// escapes of an HTTP URL decoded (S3 URIs hold keys as they are). It never holds
// a slash or a control character, and is "input" where nothing is left.
func BaseName(uri string) string {
	name := uri
	if scheme, rest, ok := strings.Cut(uri, "://"); ok {
		name = rest
		if scheme == "http" || scheme == "https" {
			if u, err := url.Parse(uri); err == nil {
				name = u.Path
			}
		}
	}
	name = name[strings.LastIndexByte(name, '/')+1:]
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		name = name[:dot]
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return '_'
		}
		return r
	}, name)
	if name == "" || name == "." || name == ".." {
		return "input"
	}
	return name
}

// facts are what format identifiers stand for. The zero value of a group of them
// means that the identifier is not allowed there.
type facts struct {
	start    time.Time // of the job, UTC: $dt$ everywhere, so that names are known before encoding
	baseName string
	ext      string // of a file, or of the group's playlist

	output        bool  // the ones below are known: not in a Destination
	videoBPS      int64 // the cap of a QVBR encode, the target of others
	audioBPS      int64
	width, height int
	rate          media.Rational
	dash          bool // the NameModifier of a DASH group
}

// identifier is $name$ or $name%04$, as the MediaConvert user guide lists them. A
// dollar sign that is part of none stands for itself.
var identifier = regexp.MustCompile(`\$(?:([A-Za-z]+)(?:%0(\d{1,2}))?)?\$`)

// expand replaces format identifiers. An unknown one is an error: the file would
// be called something that nobody asked for.
func (f facts) expand(pattern string) (string, error) {
	var bad error
	out := identifier.ReplaceAllStringFunc(pattern, func(token string) string {
		m := identifier.FindStringSubmatch(token)
		name, digits := m[1], m[2]
		number := func(n int64) string {
			if !f.output {
				bad = fmt.Errorf("format identifier %s is not allowed in a destination", token)
			}
			if width, err := strconv.Atoi(digits); err == nil {
				return fmt.Sprintf("%0*d", width, n)
			}
			return strconv.FormatInt(n, 10)
		}
		text := func(s string) string {
			if width, err := strconv.Atoi(digits); err == nil && len(s) < width {
				return strings.Repeat("0", width-len(s)) + s
			}
			return s
		}
		switch name {
		case "":
			return "$"
		case "dt":
			return text(f.start.UTC().Format("20060102T150405"))
		case "d":
			return text(f.start.UTC().Format("20060102"))
		case "t":
			return text(f.start.UTC().Format("150405"))
		case "fn":
			return text(f.baseName)
		case "ex":
			return text(f.ext)
		case "rv":
			return number(f.videoBPS / 1000)
		case "ra":
			return number(f.audioBPS / 1000)
		case "rc":
			return number((f.videoBPS + f.audioBPS) / 1000)
		case "w":
			return number(int64(f.width))
		case "h":
			return number(int64(f.height))
		case "f":
			return number(int64(f.rate.Float()))
		case "Number", "Time":
			if f.dash {
				return mark(name, digits)
			}
		case "Bandwidth":
			if f.dash {
				return number(f.videoBPS + f.audioBPS)
			}
		}
		bad = fmt.Errorf("unknown format identifier %s", token)
		return token
	})
	return out, bad
}

// destination splits an output group's Destination into bucket and the base of
// its object keys. A destination that ends in a slash, or names a bucket alone,
// is a folder: the input's base name follows.
func (f facts) destination(uri string) (bucket, base string, err error) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	if !ok {
		return "", "", fmt.Errorf("%q is not an s3:// URI", uri)
	}
	bucket, key, _ := strings.Cut(rest, "/")
	if bucket == "" {
		return "", "", fmt.Errorf("%q names no bucket", uri)
	}
	if key, err = f.expand(key); err != nil {
		return "", "", err
	}
	if key == "" || strings.HasSuffix(key, "/") {
		key += f.baseName
	}
	return bucket, key, nil
}

// checkKey refuses object keys that a client would not get back as it wrote them:
// S3 takes them, but URLs and file systems clean them away.
func checkKey(key string) error {
	switch {
	case len(key) > 1024:
		return fmt.Errorf("object key %q… is longer than 1024 bytes", key[:64])
	case !utf8.ValidString(key):
		return fmt.Errorf("object key %q is not UTF-8", key)
	case strings.HasPrefix(key, "/"), strings.Contains(key, "//"):
		return fmt.Errorf("object key %q has an empty part", key)
	case path.Clean(key) != key, key == "..", strings.HasPrefix(key, "../"):
		return fmt.Errorf("object key %q has a part \".\" or \"..\"", key)
	case strings.ContainsFunc(key, unicode.IsControl):
		return fmt.Errorf("object key %q holds a control character", key)
	}
	return nil
}

package plan

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/media"
)

// FuzzExpand names an output by any pattern after any input: what comes out is an
// error or a key that S3 gives back as it is, in the bucket that was named.
func FuzzExpand(f *testing.F) {
	for _, pattern := range []string{"s3://b/$dt$/$fn$", "s3://b/", "s3://b", "s3://b/../x", "s3://b//x", "$w%04$x$h$", "$$$$", "$rv$$f%099$", "$fn%99$", "s3://b/\x00", "s3://$d$/x", "$unknown$", "$dt"} {
		f.Add(pattern, "s3://in/film.mp4")
	}
	for _, uri := range []string{"s3://in/..", "https://h/%2e%2e/%00.mp4?q", "s3://in/a/b/.mp4", "://", "x", "s3://in/\xff\n", "http://%zz/a", "s3://in/$fn$.mp4"} {
		f.Add("s3://b/$fn$_$ex$", uri)
	}
	f.Fuzz(func(t *testing.T, pattern, uri string) {
		base := BaseName(uri)
		if base == "" || base == "." || base == ".." || strings.ContainsAny(base, "/\x00\n") || strings.ContainsFunc(base, unicode.IsControl) {
			t.Fatalf("%q is called %q", uri, base)
		}
		names := facts{
			start: time.Unix(1700000000, 0), baseName: base, ext: "m3u8", output: true, videoBPS: 1_500_000, audioBPS: 96_000, width: 1280, height: 720, rate: media.R(30000, 1001),
		}
		expanded, err := names.expand(pattern)
		if err == nil && len(expanded) > len(pattern)*(100+len(base)) {
			t.Fatalf("%q becomes %d bytes", pattern, len(expanded))
		}
		if (err == nil) != (CheckName(pattern, false) == nil) {
			t.Fatalf("%q is %v before there is a source", pattern, err)
		}
		bucket, key, err := names.destination(pattern)
		if err != nil {
			return
		}
		if !strings.HasPrefix(pattern, "s3://"+bucket) || bucket == "" || strings.Contains(bucket, "/") {
			t.Fatalf("%q is in bucket %q", pattern, bucket)
		}
		if checkKey(key) == nil && (key == "" || !utf8.ValidString(key) || strings.HasPrefix(key, "/") || strings.Contains("/"+key+"/", "/../") || strings.Contains("/"+key+"/", "/./")) {
			t.Fatalf("%q is key %q", pattern, key)
		}
	})
}

// FuzzTimecode reads any timecode: what is accepted is written back to the same frame.
func FuzzTimecode(f *testing.F) {
	f.Add("01:02:03:04", int64(25))
	f.Add("10:00:00;02", int64(30))
	f.Add("00:59:59.119", int64(120))
	f.Add("99:99:99:99", int64(1))
	f.Fuzz(func(t *testing.T, text string, base int64) {
		base = 1 + (base&0x7fffffff)%999
		frame, ok := parseTimecode(text, base)
		if !ok {
			return
		}
		if frame < 0 || frame > 100*3600*base {
			t.Fatalf("%q is frame %d of %d a second", text, frame, base)
		}
		if strings.ContainsAny(text, ";.") {
			return
		}
		if again, ok := parseTimecode(timecode(frame, base), base); ok && again != frame {
			t.Fatalf("%q is frame %d, %s is frame %d", text, frame, timecode(frame, base), again)
		}
	})
}

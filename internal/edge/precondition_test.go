package edge

import (
	"net/http"
	"testing"
	"time"
)

func TestPreconditions(t *testing.T) {
	modified := time.Date(2026, 3, 4, 5, 6, 7, 900_000_000, time.UTC)
	same, older, newer := "Wed, 04 Mar 2026 05:06:07 GMT", "Wed, 04 Mar 2026 05:06:06 GMT", "Wed, 04 Mar 2026 05:06:08 GMT"
	tests := []struct {
		name, value   string
		name2, value2 string
		want          verdict
	}{
		{"If-None-Match", `"e"`, "", "", notModified},
		{"If-None-Match", `W/"e"`, "", "", notModified}, // weak comparison
		{"If-None-Match", `*`, "", "", notModified},
		{"If-None-Match", `"a", "b" ,"e"`, "", "", notModified},
		{"If-None-Match", `"a,b","e"`, "", "", notModified},
		{"If-None-Match", `e`, "", "", notModified}, // bare, as some S3 clients send it
		{"If-None-Match", `"E"`, "", "", proceed},
		{"If-None-Match", `"e`, "", "", proceed},
		{"If-None-Match", `,,,`, "", "", proceed},
		{"If-None-Match", ``, "", "", proceed},
		{"If-None-Match", `"x"`, "If-Modified-Since", newer, proceed}, // the tag alone counts
		{"If-Modified-Since", same, "", "", notModified},
		{"If-Modified-Since", newer, "", "", notModified},
		{"If-Modified-Since", older, "", "", proceed},
		{"If-Modified-Since", "yesterday", "", "", proceed},
		{"If-Match", `"e"`, "", "", proceed},
		{"If-Match", `*`, "", "", proceed},
		{"If-Match", `W/"e"`, "", "", preconditionFailed}, // strong comparison
		{"If-Match", `"x"`, "", "", preconditionFailed},
		{"If-Match", `"e"`, "If-Unmodified-Since", older, proceed},
		{"If-Match", `"x"`, "If-None-Match", `"e"`, preconditionFailed},
		{"If-Unmodified-Since", same, "", "", proceed},
		{"If-Unmodified-Since", older, "", "", preconditionFailed},
		{"If-Unmodified-Since", "junk", "", "", proceed},
	}
	for _, tt := range tests {
		h := http.Header{}
		h.Set(tt.name, tt.value)
		if tt.name2 != "" {
			h.Set(tt.name2, tt.value2)
		}
		if got := evaluate(h, `"e"`, modified); got != tt.want {
			t.Errorf("%v: %d, want %d", h, got, tt.want)
		}
	}
	if got := evaluate(http.Header{"If-None-Match": {`""`}}, "", modified); got != proceed {
		t.Errorf("an object without a tag matches none: %d", got)
	}
}

func FuzzEntityTags(f *testing.F) {
	f.Add(`"a", W/"b" , c`)
	f.Add(`"`)
	f.Add(`W/`)
	f.Fuzz(func(t *testing.T, list string) {
		got := matchesAny([]string{list}, `"e"`, weakEqual) // must end, for one
		if !got && (list == `"e"` || list == "*") {
			t.Fatalf("%q does not match", list)
		}
	})
}

func TestNotModifiedOverHTTP(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.m3u8", []byte("#EXTM3U"))
	first := s.get("/v.m3u8")
	for _, method := range []string{"GET", "HEAD"} {
		a := s.do("http", method, "/v.m3u8", "If-None-Match", first.Header.Get("Etag"))
		a.want(t, 304, "Etag", first.Header.Get("Etag"), "Cache-Control", "no-cache", "X-Cache", "Hit from cloudfront",
			"Access-Control-Allow-Origin", "*", "Content-Type", "", "Content-Length", "")
		if len(a.body) != 0 {
			t.Errorf("304 with a body: %q", a.body)
		}
	}
	s.get("/v.m3u8", "If-Modified-Since", first.Header.Get("Last-Modified")).want(t, 304)
}

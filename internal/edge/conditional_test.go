package edge

import (
	"testing"
)

func TestRangesOverHTTP(t *testing.T) {
	for _, streams := range []bool{false, true} {
		s := newSite(t, nil)
		s.origin.streams = streams
		data := pattern(300_000)
		s.origin.put(t, "v.mp4", data)
		s.origin.put(t, "empty.mp4", nil)
		etag := s.get("/v.mp4").Header.Get("Etag")
		modified := s.get("/v.mp4").Header.Get("Last-Modified")
		tests := []struct {
			header       []string
			status       int
			contentRange string
			first, last  int
		}{
			{[]string{"Range", "bytes=100-299"}, 206, "bytes 100-299/300000", 100, 299},
			{[]string{"Range", "bytes=100000-"}, 206, "bytes 100000-299999/300000", 100_000, 299_999},
			{[]string{"Range", "bytes=-70000"}, 206, "bytes 230000-299999/300000", 230_000, 299_999},
			{[]string{"Range", "bytes=5-1"}, 200, "", 0, 299_999},
			{[]string{"Range", "bytes=0-1,5-9"}, 200, "", 0, 299_999},
			{[]string{"Range", "bytes=300000-"}, 416, "bytes */300000", 0, -1},
			{[]string{"Range", "bytes=1-2", "If-Range", etag}, 206, "bytes 1-2/300000", 1, 2},
			{[]string{"Range", "bytes=1-2", "If-Range", `"other"`}, 200, "", 0, 299_999},
			{[]string{"Range", "bytes=1-2", "If-Range", "W/" + etag}, 200, "", 0, 299_999},
			{[]string{"Range", "bytes=1-2", "If-Range", modified}, 206, "bytes 1-2/300000", 1, 2},
			{[]string{"Range", "bytes=1-2", "If-Range", "Thu, 01 Jan 1998 00:00:00 GMT"}, 200, "", 0, 299_999},
			{[]string{"Range", "bytes=1-2", "If-None-Match", etag}, 304, "", 0, -1},
			{[]string{"Range", "bytes=1-2", "If-Match", `"other"`}, 412, "", 0, -1},
		}
		for _, tt := range tests {
			for _, kind := range []string{"http", "h2"} {
				a := s.do(kind, "GET", "/v.mp4", tt.header...)
				if a.want(t, tt.status, "Content-Range", tt.contentRange); tt.last >= 0 && string(a.body) != string(data[tt.first:tt.last+1]) {
					t.Errorf("%s %v: %d bytes, not those of %d-%d", kind, tt.header, len(a.body), tt.first, tt.last)
				}
				if t.Failed() {
					t.Fatalf("streams=%v %s %v", streams, kind, tt.header)
				}
			}
		}
		s.do("http", "HEAD", "/v.mp4", "Range", "bytes=1-2").want(t, 200, "Content-Length", "300000")
		s.get("/empty.mp4", "Range", "bytes=0-").want(t, 416, "Content-Range", "bytes */0")
		s.get("/empty.mp4").want(t, 200, "Content-Length", "0")
	}
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

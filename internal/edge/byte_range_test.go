package edge

import (
	"math"
	"math/big"
	"regexp"
	"testing"
)

func TestParseRange(t *testing.T) {
	tests := []struct {
		header        string
		size          int64
		kind          rangeKind
		first, length int64
	}{
		{"bytes=0-0", 10, rangePart, 0, 1},
		{"bytes=0-9", 10, rangePart, 0, 10},
		{"bytes=0-", 10, rangePart, 0, 10},
		{"bytes=3-5", 10, rangePart, 3, 3},
		{"bytes=9-", 10, rangePart, 9, 1},
		{"bytes=5-100", 10, rangePart, 5, 5},
		{"bytes=5-99999999999999999999999", 10, rangePart, 5, 5},
		{"bytes=-3", 10, rangePart, 7, 3},
		{"bytes=-100", 10, rangePart, 0, 10},
		{"bytes=-99999999999999999999999", 10, rangePart, 0, 10},
		{"Bytes=1-2", 10, rangePart, 1, 2}, // range units are case-insensitive, RFC 9110 §14.1
		{"bytes= 1-2 ", 10, rangePart, 1, 2},

		{"bytes=10-", 10, rangeUnsatisfiable, 0, 0},
		{"bytes=10-20", 10, rangeUnsatisfiable, 0, 0},
		{"bytes=99999999999999999999999-", 10, rangeUnsatisfiable, 0, 0},
		{"bytes=-0", 10, rangeUnsatisfiable, 0, 0},
		{"bytes=0-", 0, rangeUnsatisfiable, 0, 0},
		{"bytes=-5", 0, rangeUnsatisfiable, 0, 0},

		{"bytes=5-3", 10, rangeWhole, 0, 10}, // descending
		{"bytes=20-15", 10, rangeWhole, 0, 10},
		{"bytes=0-1,3-4", 10, rangeWhole, 0, 10}, // several
		{"bytes=0-1, 0-5", 10, rangeWhole, 0, 10},
		{"bytes=0-1,", 10, rangeWhole, 0, 10},
		{"", 10, rangeWhole, 0, 10},
		{"bytes", 10, rangeWhole, 0, 10},
		{"bytes=", 10, rangeWhole, 0, 10},
		{"bytes=-", 10, rangeWhole, 0, 10},
		{"bytes=--1", 10, rangeWhole, 0, 10},
		{"bytes=a-b", 10, rangeWhole, 0, 10},
		{"bytes=1-2x", 10, rangeWhole, 0, 10},
		{"bytes=99999999999999999999999x-", 10, rangeWhole, 0, 10},
		{"bytes=+1-2", 10, rangeWhole, 0, 10},
		{"bytes=1 - 2", 10, rangeWhole, 0, 10},
		{"bytes=0x1-2", 10, rangeWhole, 0, 10},
		{"bytes=١-٢", 10, rangeWhole, 0, 10}, // digits, but not DIGIT
		{"seconds=1-2", 10, rangeWhole, 0, 10},
		{"bytes 1-2", 10, rangeWhole, 0, 10},
	}
	for _, tt := range tests {
		kind, first, length := parseRange(tt.header, tt.size)
		if kind != tt.kind || first != tt.first || length != tt.length {
			t.Errorf("%q of %d: %d, %d+%d, want %d, %d+%d", tt.header, tt.size, kind, first, length, tt.kind, tt.first, tt.length)
		}
	}
}

// FuzzParseRange compares with a second reading of RFC 9110 §14.1.2 in numbers of any size.
func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=5-3", "bytes=0-1,3-4", "bytes=9223372036854775807-9223372036854775808", "BYTES=\t1-2 "} {
		f.Add(seed, int64(10))
	}
	f.Add("bytes=9223372036854775806-", int64(math.MaxInt64))
	grammar := regexp.MustCompile(`^(?i:bytes)=[ \t]*([0-9]*)-([0-9]*)[ \t]*$`)
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		kind, first, length := parseRange(header, size)
		want := func(k rangeKind, from, n int64) {
			t.Helper()
			if kind != k || first != from || length != n {
				t.Fatalf("%q of %d: %d, %d+%d, want %d, %d+%d", header, size, kind, first, length, k, from, n)
			}
		}
		m := grammar.FindStringSubmatch(header)
		if m == nil || m[1] == "" && m[2] == "" {
			want(rangeWhole, 0, size)
			return
		}
		end := big.NewInt(size)
		number := func(s string) *big.Int {
			n, _ := new(big.Int).SetString(s, 10)
			return n
		}
		if m[1] == "" {
			if n := number(m[2]); n.Sign() == 0 || size == 0 {
				want(rangeUnsatisfiable, 0, 0)
			} else if n.Cmp(end) >= 0 {
				want(rangePart, 0, size)
			} else {
				want(rangePart, size-n.Int64(), n.Int64())
			}
			return
		}
		from := number(m[1])
		last := new(big.Int).Sub(end, big.NewInt(1))
		if m[2] != "" {
			to := number(m[2])
			// Numbers past any object are all alike to the parser.
			if to.IsInt64() && to.Cmp(from) < 0 {
				want(rangeWhole, 0, size)
				return
			}
			if to.Cmp(last) < 0 {
				last = to
			}
		}
		if from.Cmp(end) >= 0 {
			want(rangeUnsatisfiable, 0, 0)
			return
		}
		want(rangePart, from.Int64(), last.Int64()-from.Int64()+1)
	})
}

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

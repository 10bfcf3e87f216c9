package field

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
		want          Verdict
	}{
		{"If-None-Match", `"e"`, "", "", NotModified},
		{"If-None-Match", `W/"e"`, "", "", NotModified}, // weak comparison
		{"If-None-Match", `*`, "", "", NotModified},
		{"If-None-Match", `"a", "b" ,"e"`, "", "", NotModified},
		{"If-None-Match", `"a,b","e"`, "", "", NotModified},
		{"If-None-Match", `e`, "", "", NotModified}, // bare, as some S3 clients send it
		{"If-None-Match", `"E"`, "", "", Proceed},
		{"If-None-Match", `"e`, "", "", Proceed},
		{"If-None-Match", `,,,`, "", "", Proceed},
		{"If-None-Match", ``, "", "", Proceed},
		{"If-None-Match", `"x"`, "If-Modified-Since", newer, Proceed}, // the tag alone counts
		{"If-Modified-Since", same, "", "", NotModified},
		{"If-Modified-Since", newer, "", "", NotModified},
		{"If-Modified-Since", older, "", "", Proceed},
		{"If-Modified-Since", "yesterday", "", "", Proceed},
		{"If-Match", `"e"`, "", "", Proceed},
		{"If-Match", `*`, "", "", Proceed},
		{"If-Match", `W/"e"`, "", "", PreconditionFailed}, // strong comparison
		{"If-Match", `"x"`, "", "", PreconditionFailed},
		{"If-Match", `"e"`, "If-Unmodified-Since", older, Proceed},
		{"If-Match", `"x"`, "If-None-Match", `"e"`, PreconditionFailed},
		{"If-Unmodified-Since", same, "", "", Proceed},
		{"If-Unmodified-Since", older, "", "", PreconditionFailed},
		{"If-Unmodified-Since", "junk", "", "", Proceed},
	}
	for _, tt := range tests {
		h := http.Header{}
		h.Set(tt.name, tt.value)
		if tt.name2 != "" {
			h.Set(tt.name2, tt.value2)
		}
		if got := Evaluate(h, `"e"`, modified); got != tt.want {
			t.Errorf("%v: %d, want %d", h, got, tt.want)
		}
	}
	if got := Evaluate(http.Header{"If-None-Match": {`""`}}, "", modified); got != Proceed {
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

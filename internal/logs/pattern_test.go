package logs_test

import (
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/logs"
)

func TestPatterns(t *testing.T) {
	const document = `{"level":"ERROR","code":503,"took":1.5,"user":{"name":"ann \"x\"","tags":["a","b"]},"ok":true,"no":false,"nothing":null,"odd name":"v"}`
	for _, c := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{"ERROR", "an ERROR here", true},
		{"ERROR", "an error here", false},
		{"ERROR disk", "disk ERROR", true},
		{"ERROR disk", "ERROR", false},
		{`"two words"`, "has two words here", true},
		{`"two words"`, "two other words", false},
		{`"a \"b\""`, `a "b"`, true},
		{"ERROR -disk", "ERROR disk", false},
		{"ERROR -disk", "ERROR net", true},
		{`-"not this"`, "this", true},
		{"?a1 ?b1", "x b1", true},
		{"?a1 ?b1", "x c1", false},
		{"?a1 REQUEST", "REQUEST", true}, // as documented, ?words count for nothing beside others
		{`%ERR(OR)?\s\d+%`, "ERR 12", true},
		{`%^x%`, "yx", false},
		{`{ $.level = "ERROR" }`, document, true},
		{`{ $.level = "ERR*" }`, document, true},
		{`{ $.level = ERROR }`, document, true},
		{`{ $.level != "ERROR" }`, document, false},
		{`{ $.level = %^ERR% }`, document, true},
		{`{ $.code >= 500 && $.code < 504 }`, document, true},
		{`{ $.code > 503 || $.took = 1.5 }`, document, true},
		{`{ ($.code > 503 || $.took = 1.5) && $.ok IS FALSE }`, document, false},
		{`{$.user.name="ann \"x\""}`, document, true},
		{`{ $.user.tags[1] = "b" }`, document, true},
		{`{ $.user.tags[2] = "b" }`, document, false},
		{`{ $["odd name"] = "v" }`, document, true},
		{`{ $.['odd name'] = "v" }`, document, true},
		{`{ $.ok IS TRUE }`, document, true},
		{`{ $.no IS FALSE }`, document, true},
		{`{ $.nothing IS NULL }`, document, true},
		{`{ $.absent IS NULL }`, document, false},
		{`{ $.absent NOT EXISTS }`, document, true},
		{`{ $.absent != "x" }`, document, false},
		{`{ $.level = "ERROR" }`, "level = ERROR", false},
		{`{ $.level = "ERROR" }`, "{broken", false},
	} {
		p, err := logs.ParsePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := p.Match(c.message); got != c.want {
			t.Errorf("%s on %s: %v", c.pattern, c.message, got)
		}
	}
}

// The messages and patterns are those of "Filter pattern syntax" in the user guide.
func TestPatternsOfFields(t *testing.T) {
	messages := []string{
		`127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`,
		`127.0.0.1 - bob [10/Oct/2000:13:35:22 -0700] "GET /a.html, HTTP/1.0" 500 5324`,
		`[ERROR] 401 Unauthorized`,
		`END`,
	}
	for pattern, want := range map[string]string{
		`[ip, user, username, timestamp, request, status_code, bytes]`:                                 "01",
		`[ip, user, username, timestamp, request, status_code = 404, bytes]`:                           "0",
		`[ip, user, username, timestamp, request, status_code = 4*, bytes]`:                            "0",
		`[ip, user, username, timestamp, request, status_code = 4* || status_code = 5*, bytes > 2000]`: "1",
		`[ip, user, username, timestamp, request =*html*, status_code=4*, bytes]`:                      "0",
		`[..., request="*.html, *", status_code, bytes]`:                                               "1",
		`[ip, user != "-", ...]`:                               "02",
		`[..., size, bytes >= 1534 && bytes < 5324]`:           "0",
		`[ip=%^127\.0\.0\.[12]$%, ...]`:                        "01",
		`[level=ERROR, ...]`:                                   "2",
		`[ip, user, username = frank && username != bob, ...]`: "0",
		`[w != 127.0.0.1, code != 500, ...]`:                   "2",
		`[..., w1, w2]`:                                        "012",
		`[...]`:                                                "0123",
		`[w]`:                                                  "3",
		`{ $.['cluster.name'] = "c" }`:                         "",
	} {
		p, err := logs.ParsePattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		got := ""
		for i, m := range messages {
			if p.Match(m) {
				got += string(rune('0' + i))
			}
		}
		if got != want {
			t.Errorf("%s matches %q, want %q", pattern, got, want)
		}
	}
}

func TestPatternsThatAreRefused(t *testing.T) {
	for _, pattern := range []string{
		`"open`, `-`, `?`, `[ip, user`, `[a, ..., b, ...]`, `[a, ]`, `[a = ]`, `[a = "x]`, `[a > x]`, `[a b]`, `[(a = 1)]`, `a(b`, `%open`, `%(%`, `{ $.a = "x"`, `{ a = 1 }`, `{ $ = 1 }`, `{ $.a ~ 1 }`, `{ $.a = }`, `{ $.a > "x" }`,
		`{ ($.a = 1 }`, `{ $.a[x] = 1 }`, `{ $.a = 1 } x`, `{ $.a = 1 &&}`, strings.Repeat("a", 1025), "{" + strings.Repeat("(", 500) + "}",
	} {
		if _, err := logs.ParsePattern(pattern); fault.KindOf(err) != fault.Invalid || fault.Of(err).Code != "InvalidParameterException" {
			t.Errorf("%.40q: %v", pattern, err)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{`a "b c" -d ?e %f%`, `{ $.a["b"][0] = "x*" && ($.c >= 1 || $.d NOT EXISTS) }`, `{`, `[`, `[a, ..., b="x*" || b > 4]`} {
		f.Add(s, `{"a":{"b":["xy"]},"c":1}`)
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		if p, err := logs.ParsePattern(pattern); err == nil {
			p.Match(message)
		} else if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", pattern, err)
		}
	})
}

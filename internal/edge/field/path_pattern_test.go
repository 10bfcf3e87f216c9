package field

import (
	"math/rand/v2"
	"path"
	"strings"
	"testing"
)

func TestMatchPattern(t *testing.T) {
	tests := []struct {
		pattern, path string
		want          bool
	}{
		{"*", "", true},
		{"*", "a/b/c.ts", true},
		{"*.m3u8", "a/b.m3u8", true},
		{"*.m3u8", "a/b.M3U8", false},
		{"*.m3u8", "a/b.m3u8x", false},
		{"a/*", "a/", true},
		{"a/*", "a/b/c", true},
		{"a/*", "a", false},
		{"a/*", "ab/c", false},
		{"a/*/z.ts", "a/b/c/z.ts", true},
		{"a/*/z.ts", "a/z.ts", false},
		{"a*b*c", "axbxbxc", true},
		{"a*b*c", "axbxbx", false},
		{"*a*", "bcd", false},
		{"**", "x", true},
		{"?.ts", "a.ts", true},
		{"?.ts", "ä.ts", true},
		{"?.ts", "🎬.ts", true},
		{"?.ts", "ab.ts", false},
		{"?.ts", ".ts", false},
		{"v_????.ts", "v_0001.ts", true},
		{"v_????.ts", "v_001.ts", false},
		{"*?", "", false},
		{"*?", "a", true},
		{"?*?", "a", false},
		{"index.html", "index.html", true},
		{"index.html", "Index.html", false},
		{"a[b].ts", "a[b].ts", true}, // nothing else is special
		{`a\*`, `a\b`, true},
	}
	for _, tt := range tests {
		if got := MatchPattern(tt.pattern, tt.path); got != tt.want {
			t.Errorf("%q, %q: %v", tt.pattern, tt.path, got)
		}
	}
	// Against path.Match on texts without slashes, where the two agree.
	random := rand.New(rand.NewPCG(7, 7))
	pick := func(letters string) string {
		var b strings.Builder
		for range random.IntN(8) {
			b.WriteByte(letters[random.IntN(len(letters))])
		}
		return b.String()
	}
	for range 20_000 {
		pattern, text := pick("ab*?"), pick("ab")
		want, _ := path.Match(pattern, text)
		if got := MatchPattern(pattern, text); got != want {
			t.Fatalf("%q, %q: %v", pattern, text, got)
		}
	}
	// Stars over stars end soon enough.
	MatchPattern(strings.Repeat("*a", 100)+"b", strings.Repeat("a", 1024))
}

func TestMatchWildcard(t *testing.T) {
	tests := []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true},
		{"*", "https://a", true},
		{"https://a", "https://a", true},
		{"https://a", "https://ab", false},
		{"https://*.b", "https://a.b", true},
		{"https://*.b", "https://.b", true},
		{"ab*ba", "aba", false},
		{"", "", true},
	}
	for _, tt := range tests {
		if got := MatchWildcard(tt.pattern, tt.s); got != tt.want {
			t.Errorf("%q, %q: %v", tt.pattern, tt.s, got)
		}
	}
}

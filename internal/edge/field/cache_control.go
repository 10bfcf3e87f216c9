package field

import (
	"strings"
	"time"
)

// Directives is what a shared cache takes from a Cache-Control value (RFC 9111
// §5.2.2, RFC 5861).
type Directives struct {
	Lifetime        time.Duration // s-maxage, else max-age; 0 with noStore and noCache
	HasLifetime     bool
	NoStore         bool // no-store or private: not to be kept at all
	NoTransform     bool
	MustRevalidate  bool          // not to be served stale
	WhileRevalidate time.Duration // stale-while-revalidate
	IfError         time.Duration // stale-if-error; negative when it is not said
}

// ParseCacheControl reads the value of a Cache-Control header; what it does not
// know or cannot read counts as not said.
func ParseCacheControl(value string) Directives {
	d := Directives{IfError: -1}
	shared, noCache := false, false
	for directive := range strings.SplitSeq(value, ",") {
		name, arg, _ := strings.Cut(strings.TrimSpace(directive), "=")
		seconds, ok := deltaSeconds(arg)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "no-store", "private":
			d.NoStore = true
		case "no-cache":
			noCache = true
		case "no-transform":
			d.NoTransform = true
		case "must-revalidate", "proxy-revalidate":
			d.MustRevalidate = true
		case "s-maxage":
			if ok {
				d.Lifetime, d.HasLifetime, shared = seconds, true, true
			}
		case "max-age":
			if ok && !shared {
				d.Lifetime, d.HasLifetime = seconds, true
			}
		case "stale-while-revalidate":
			if ok {
				d.WhileRevalidate = seconds
			}
		case "stale-if-error":
			if ok {
				d.IfError = seconds
			}
		}
	}
	if d.NoStore || noCache {
		d.Lifetime, d.HasLifetime = 0, true
	}
	return d
}

func deltaSeconds(arg string) (time.Duration, bool) {
	n, ok := Digits(strings.Trim(strings.TrimSpace(arg), `"`))
	return time.Duration(min(n, 1<<31)) * time.Second, ok // RFC 9111 §1.2.2: 2^31 stands for more
}

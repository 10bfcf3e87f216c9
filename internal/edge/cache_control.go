package edge

import (
	"strings"
	"time"
)

// directives is what a shared cache takes from a Cache-Control value (RFC 9111
// §5.2.2, RFC 5861).
type directives struct {
	lifetime        time.Duration // s-maxage, else max-age; 0 with noStore and noCache
	hasLifetime     bool
	noStore         bool // no-store or private: not to be kept at all
	noTransform     bool
	mustRevalidate  bool          // not to be served stale
	whileRevalidate time.Duration // stale-while-revalidate
	ifError         time.Duration // stale-if-error; negative when it is not said
}

func parseCacheControl(value string) directives {
	d := directives{ifError: -1}
	shared, noCache := false, false
	for directive := range strings.SplitSeq(value, ",") {
		name, arg, _ := strings.Cut(strings.TrimSpace(directive), "=")
		seconds, ok := deltaSeconds(arg)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "no-store", "private":
			d.noStore = true
		case "no-cache":
			noCache = true
		case "no-transform":
			d.noTransform = true
		case "must-revalidate", "proxy-revalidate":
			d.mustRevalidate = true
		case "s-maxage":
			if ok {
				d.lifetime, d.hasLifetime, shared = seconds, true, true
			}
		case "max-age":
			if ok && !shared {
				d.lifetime, d.hasLifetime = seconds, true
			}
		case "stale-while-revalidate":
			if ok {
				d.whileRevalidate = seconds
			}
		case "stale-if-error":
			if ok {
				d.ifError = seconds
			}
		}
	}
	if d.noStore || noCache {
		d.lifetime, d.hasLifetime = 0, true
	}
	return d
}

func deltaSeconds(arg string) (time.Duration, bool) {
	n, ok := parseDigits(strings.Trim(strings.TrimSpace(arg), `"`))
	return time.Duration(min(n, 1<<31)) * time.Second, ok // RFC 9111 §1.2.2: 2^31 stands for more
}

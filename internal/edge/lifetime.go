package edge

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// edgeLifetime returns how long an object counts as fresh at the edge: what its
// Cache-Control or Expires says, within the distribution's bounds
// (CloudFront Developer Guide, "Managing how long content stays in the cache").
// A playlist without either counts for the least time there is: it is the one
// thing that is rewritten under its name as a matter of course.
func edgeLifetime(info *Info, playlist bool, ttl TTL, now time.Time) time.Duration {
	d := ttl.Default
	switch age, found := cacheControlLifetime(info.CacheControl); {
	case found:
		d = age
	case info.Expires != "":
		d = 0 // RFC 9111 §5.3: an invalid date is in the past
		if t, err := http.ParseTime(info.Expires); err == nil {
			d = t.Sub(now)
		}
	case playlist:
		d = min(ttl.Min, ttl.Default)
	}
	return max(min(d, ttl.Max), ttl.Min, 0)
}

// cacheControlLifetime returns the lifetime that a shared cache takes from a
// Cache-Control value, and whether it says one.
func cacheControlLifetime(value string) (d time.Duration, found bool) {
	shared := false
	for directive := range strings.SplitSeq(value, ",") {
		name, arg, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "no-store", "no-cache", "private":
			return 0, true
		case "s-maxage":
			if seconds, ok := deltaSeconds(arg); ok {
				d, found, shared = seconds, true, true
			}
		case "max-age":
			if seconds, ok := deltaSeconds(arg); ok && !shared {
				d, found = seconds, true
			}
		}
	}
	return d, found
}

func deltaSeconds(arg string) (time.Duration, bool) {
	n, ok := parseDigits(strings.Trim(strings.TrimSpace(arg), `"`))
	return time.Duration(min(n, 1<<31)) * time.Second, ok // RFC 9111 §1.2.2: 2^31 stands for more
}

// Bounds of the lifetime given to browsers for objects that carry none of their
// own: seeking back and forth costs no requests, and a day is CloudFront's own default.
const (
	minViewerLifetime = time.Minute
	maxViewerLifetime = 24 * time.Hour
)

// viewerCacheControl returns the Cache-Control to send for an object that has
// none. Browsers subtract the response's Age, so the age at the edge is added.
func viewerCacheControl(playlist bool, now, stored, modified time.Time) string {
	if playlist {
		return "no-cache"
	}
	d := minViewerLifetime
	if !modified.IsZero() {
		d = min(max(now.Sub(modified)/10, minViewerLifetime), maxViewerLifetime)
	}
	d += max(now.Sub(stored), 0)
	return "public, max-age=" + strconv.FormatInt(int64(d/time.Second), 10)
}

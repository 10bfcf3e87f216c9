package edge

import (
	"net/http"
	"strconv"
	"time"

	"vodwright.dev/vodwright/internal/edge/field"
)

// edgeLifetime returns how long an object counts as fresh at the edge: what its
// Cache-Control or Expires says, within the distribution's bounds
// (CloudFront Developer Guide, "Managing how long content stays in the cache").
// A playlist without either counts for the least time there is: it is the one
// thing that is rewritten under its name as a matter of course.
func edgeLifetime(info *Info, said *field.Directives, playlist bool, ttl TTL, now time.Time) time.Duration {
	d := ttl.Default
	switch {
	case said.HasLifetime:
		d = said.Lifetime
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

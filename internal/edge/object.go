package edge

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"vodwright.dev/vodwright/internal/edge/field"
)

// object is one version of an object as the edge has it. Where its bytes are:
//
//	bytes != nil   in memory, or on their way there
//	file != nil    in the origin's file, shared by all viewers; and in memory
//	               as well if warm != nil
//	neither        at the origin; every viewer opens it
//
// The first block of fields is immutable once the object is shared.
type object struct {
	key          cacheKey
	from         OriginRef
	info         Info
	said         field.Directives // by info.CacheControl
	playlist     bool
	compressible bool
	headers      headers
	bytes        *blob
	file         *os.File
	uncached     bool // not to be kept: by its Cache-Control, or forgotten before it landed

	encoded [len(encodingNames)]atomic.Pointer[encoded] // made when asked for

	// warm is a copy of the file's bytes for TLS, made when reads says that it pays.
	warm  atomic.Pointer[blob]
	reads atomic.Int32 // that warm serves or would have served

	fresh     atomic.Pointer[freshness]
	nextCheck atomic.Int64 // Unix nanoseconds: when to ask the origin whether this is still the current version

	// Guarded by cache.mu.
	cost         int64 // bytes reserved in the cache
	refs         int
	linked       bool
	growing      bool // a copy for warm is being made
	freed        bool
	older, newer *object
	idle         []io.ReadSeekCloser // handles with their own position
}

// headers are an object's response headers, made once; nil is not sent.
type headers struct {
	etag, weakETag, lastModified, contentType, length, contentEncoding, contentDisposition, contentLanguage, expires []string
}

// freshness is replaced as a whole when the origin confirms an object.
type freshness struct {
	stored, expires time.Time
	cacheControl    []string
	made            bool // cacheControl is the edge's: the origin sent none
}

// objectOverhead is what an object costs beside its bytes: its fields, headers and map entry, generously.
const objectOverhead = 2 << 10

func newObject(k cacheKey, from OriginRef, info Info) *object {
	info.ContentType = field.ContentType(info.ContentType, k.path)
	o := &object{key: k, from: from, info: info, said: field.ParseCacheControl(info.CacheControl), playlist: field.IsPlaylist(info.ContentType)}
	o.compressible = compressible(&o.info, &o.said)
	o.headers = headers{
		etag:               oneValue(info.ETag),
		weakETag:           oneValue(weak(info.ETag)),
		contentType:        oneValue(info.ContentType),
		length:             oneValue(strconv.FormatInt(info.Size, 10)),
		contentEncoding:    oneValue(info.ContentEncoding),
		contentDisposition: oneValue(info.ContentDisposition),
		contentLanguage:    oneValue(info.ContentLanguage),
		expires:            oneValue(info.Expires),
	}
	if !info.LastModified.IsZero() {
		o.headers.lastModified = oneValue(info.LastModified.UTC().Format(http.TimeFormat))
	}
	return o
}

// weak returns the tag for another encoding of what etag names.
func weak(etag string) string {
	if etag == "" || strings.HasPrefix(etag, "W/") {
		return etag
	}
	return "W/" + etag
}

// originKey is the object's key in its bucket.
func (o *object) originKey() string {
	_, key := o.key.object()
	return key
}

func oneValue(v string) []string {
	if v == "" {
		return nil
	}
	return []string{v}
}

// confirm records that at now the object is the origin's current version, and
// that its lifetime at the edge, within ttl, began at stored.
func (o *object) confirm(now, stored time.Time, ttl TTL, checkEvery time.Duration) {
	f := &freshness{stored: stored, expires: stored.Add(edgeLifetime(&o.info, &o.said, o.playlist, ttl, stored))}
	if o.info.CacheControl != "" {
		f.cacheControl = []string{o.info.CacheControl}
	} else if o.info.Expires == "" {
		f.cacheControl, f.made = []string{viewerCacheControl(o.playlist, now, stored, o.info.LastModified)}, true
	}
	o.fresh.Store(f)
	next := f.expires
	if t := now.Add(checkEvery); checkEvery > 0 && t.Before(next) {
		next = t
	}
	o.nextCheck.Store(next.UnixNano())
}

// mayBeStale reports whether the object may be served at now although the origin
// could not confirm it (CloudFront Developer Guide, "stale-if-error"): without a
// limit unless its Cache-Control sets one.
func (o *object) mayBeStale(now time.Time) bool {
	expires := o.fresh.Load().expires
	switch {
	case now.Before(expires):
		return true
	case o.said.IfError >= 0:
		return now.Before(expires.Add(o.said.IfError))
	}
	return !o.said.MustRevalidate
}

// is reports whether info describes this very version.
func (o *object) is(info *Info) bool {
	return o.info.Size == info.Size && o.info.ETag == info.ETag &&
		o.info.LastModified.Truncate(time.Second).Equal(info.LastModified.Truncate(time.Second))
}

// procPath is the name under which Linux opens the file behind a descriptor again.
func procPath(fd uintptr) string { return "/proc/self/fd/" + strconv.FormatUint(uint64(fd), 10) }

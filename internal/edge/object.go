package edge

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
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
	key      cacheKey
	from     OriginRef
	info     Info
	playlist bool
	ttl      TTL
	headers  headers
	bytes    *blob
	file     *os.File
	cost     int64 // bytes reserved in the cache
	purged   bool  // forgotten before it landed: not to be cached

	// warm is a copy of the file's bytes for TLS, made when reads says that it pays.
	warm  atomic.Pointer[blob]
	reads atomic.Int32 // that warm serves or would have served

	fresh     atomic.Pointer[freshness]
	nextCheck atomic.Int64 // Unix nanoseconds: when to ask the origin whether this is still the current version

	// Guarded by cache.mu.
	refs         int
	linked       bool
	growing      bool // a copy for warm is being made
	freed        bool
	older, newer *object
	idle         []io.ReadSeekCloser // handles with their own position
}

// headers are an object's response headers, made once; nil is not sent.
type headers struct {
	etag, lastModified, contentType, length, contentEncoding, contentDisposition, contentLanguage, expires []string
}

// freshness is replaced as a whole when the origin confirms an object.
type freshness struct {
	stored, expires time.Time
	cacheControl    []string
}

// objectOverhead is what an object costs beside its bytes: its fields, headers and map entry, generously.
const objectOverhead = 2 << 10

func newObject(k cacheKey, from OriginRef, info Info, ttl TTL, now time.Time) *object {
	info.ContentType = contentType(info.ContentType, k.path)
	o := &object{key: k, from: from, info: info, playlist: isPlaylist(info.ContentType), ttl: ttl}
	o.headers = headers{
		etag:               field(info.ETag),
		contentType:        field(info.ContentType),
		length:             field(strconv.FormatInt(info.Size, 10)),
		contentEncoding:    field(info.ContentEncoding),
		contentDisposition: field(info.ContentDisposition),
		contentLanguage:    field(info.ContentLanguage),
		expires:            field(info.Expires),
	}
	if !info.LastModified.IsZero() {
		o.headers.lastModified = field(info.LastModified.UTC().Format(http.TimeFormat))
	}
	o.confirm(now, now, time.Second)
	return o
}

// originKey is the object's key in its bucket.
func (o *object) originKey() string {
	_, key := o.key.object()
	return key
}

func field(v string) []string {
	if v == "" {
		return nil
	}
	return []string{v}
}

// confirm records that at now the object is the origin's current version, and
// that its lifetime at the edge began at stored.
func (o *object) confirm(now, stored time.Time, checkEvery time.Duration) {
	f := &freshness{stored: stored, expires: stored.Add(edgeLifetime(&o.info, o.playlist, o.ttl, stored))}
	if o.info.CacheControl != "" {
		f.cacheControl = []string{o.info.CacheControl}
	} else if o.info.Expires == "" {
		f.cacheControl = []string{viewerCacheControl(o.playlist, now, stored, o.info.LastModified)}
	}
	o.fresh.Store(f)
	next := f.expires
	if t := now.Add(checkEvery); checkEvery > 0 && t.Before(next) {
		next = t
	}
	o.nextCheck.Store(next.UnixNano())
}

// is reports whether info describes this very version.
func (o *object) is(info *Info) bool {
	return o.info.Size == info.Size && o.info.ETag == info.ETag &&
		o.info.LastModified.Truncate(time.Second).Equal(info.LastModified.Truncate(time.Second))
}

// procPath is the name under which Linux opens the file behind a descriptor again.
func procPath(fd uintptr) string { return "/proc/self/fd/" + strconv.FormatUint(uint64(fd), 10) }

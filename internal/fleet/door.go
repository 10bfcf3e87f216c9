package fleet

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// DoorPath is below what a server serves links.
const DoorPath = "/_/work/"

// linkTime is how long a link is good: who needs longer asks for another.
const linkTime = 6 * time.Hour

// DoorConfig is what a Door is made of.
type DoorConfig struct {
	Secret []byte // of links
	Depot  Shelf
	// Open opens a version of an object, which has this ETag; else it is a
	// fault.Conflict.
	Open   func(ctx context.Context, bucket, key, version, etag string) (io.ReadSeekCloser, error)
	Logger *slog.Logger
}

// Door serves links to what is on the server's disk.
type Door struct{ cfg DoorConfig }

// NewDoor returns a Door.
func NewDoor(cfg DoorConfig) *Door { return &Door{cfg} }

func (d *Door) sign(method, path string, q url.Values) string {
	mac := hmac.New(sha256.New, d.cfg.Secret)
	_, _ = io.WriteString(mac, method+" "+path+"?"+q.Encode())
	return hex.EncodeToString(mac.Sum(nil))
}

func (d *Door) link(method, what string, q url.Values) Link {
	path := DoorPath + what
	q.Set("expires", strconv.FormatInt(time.Now().Add(linkTime).Unix(), 10))
	q.Set("signature", d.sign(method, path, q))
	return Link(path + "?" + q.Encode())
}

// Object links to a version of an object.
func (d *Door) Object(bucket, key, version, etag string) Link {
	return d.link(http.MethodGet, "object", url.Values{"bucket": {bucket}, "key": {key}, "version": {version}, "etag": {etag}})
}

// Put links to a place for so many bytes.
func (d *Door) Put(id, place string, size int64) Link {
	return d.link(http.MethodPut, "depot", url.Values{"job": {id}, "place": {place}, "size": {strconv.FormatInt(size, 10)}})
}

// Get links to what is at a place.
func (d *Door) Get(id, place string) Link {
	return d.link(http.MethodGet, "depot", url.Values{"job": {id}, "place": {place}})
}

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	given, err := hex.DecodeString(q.Get("signature"))
	q.Del("signature")
	want, _ := hex.DecodeString(d.sign(r.Method, r.URL.Path, q))
	if err != nil || !hmac.Equal(given, want) {
		http.Error(w, "this link is not one of this server's", http.StatusForbidden)
		return
	}
	if expires, err := strconv.ParseInt(q.Get("expires"), 10, 64); err != nil || time.Now().Unix() > expires {
		http.Error(w, "this link has expired", http.StatusForbidden)
		return
	}
	switch {
	case r.URL.Path == DoorPath+"object":
		err = d.object(w, r, q)
	case r.Method == http.MethodPut:
		err = d.put(r, q)
	default:
		err = d.get(w, r, q)
	}
	if err != nil {
		d.fail(w, r, err)
	}
}

func (d *Door) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.Of(err)
	status := f.Kind.HTTPStatus()
	switch {
	case errors.Is(err, syscall.ENOSPC):
		status = http.StatusInsufficientStorage
		d.cfg.Logger.WarnContext(r.Context(), "a worker's file has no room", "err", err)
	case f.Kind == fault.Conflict:
		status = http.StatusPreconditionFailed
	case f.Kind == fault.Internal && r.Context().Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF):
		d.cfg.Logger.WarnContext(r.Context(), "serve a worker", "path", r.URL.Path, "err", err)
	}
	http.Error(w, f.Message, status)
}

func (d *Door) object(w http.ResponseWriter, r *http.Request, q url.Values) error {
	in, err := d.cfg.Open(r.Context(), q.Get("bucket"), q.Get("key"), q.Get("version"), q.Get("etag"))
	if err != nil {
		return err
	}
	defer in.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, in)
	return nil
}

func (d *Door) put(r *http.Request, q url.Values) error {
	size, err := strconv.ParseInt(q.Get("size"), 10, 64)
	if err != nil || r.ContentLength != size && size != 0 {
		return fault.New(fault.Invalid, "", "%d bytes come where %s were announced", r.ContentLength, q.Get("size"))
	}
	return d.cfg.Depot.Receive(r.Context(), q.Get("job"), q.Get("place"), io.LimitReader(r.Body, size+1), size)
}

func (d *Door) get(w http.ResponseWriter, r *http.Request, q url.Values) error {
	id, place := q.Get("job"), q.Get("place")
	in, err := d.cfg.Depot.Open(r.Context(), id, place)
	if err != nil {
		return err
	}
	defer in.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, in)
	return nil
}

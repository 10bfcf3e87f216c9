package edge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// An object whose size the origin does not tell yet (Info.Size is negative) is being
// made while it is read. It is sent as it comes, without a length, and never cached:
// who asks when it is whole gets an object as any other.

// respondGrowing sends an object that is being made. It reports false, having sent
// nothing, for a request that needs to know all of it, once all of it is there: the
// object is to be looked up again.
func (v *viewer) respondGrowing(o *object, how outcome) (sent bool, err error) {
	own := v.edge.cache.takeIdle(o)
	if own == nil { // of the others who waited for it
		info, r, err := v.edge.cfg.Origin.Open(v.r.Context(), o.from, o.originKey())
		if err != nil {
			return false, originFault(err, v.r.URL.Path)
		}
		if info.Size >= 0 {
			_ = r.Close()
			return false, nil
		}
		own = r
	}
	defer func() { _ = own.Close() }()
	defer context.AfterFunc(v.r.Context(), func() { _ = own.Close() })() // the viewer has left
	if v.r.Method != http.MethodGet || v.r.ProtoMajor == 1 && v.r.ProtoMinor == 0 || hasAny(v.r.Header, "Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since") {
		if _, err := io.Copy(io.Discard, own); err != nil {
			return false, originFault(err, v.r.URL.Path)
		}
		return false, nil
	}
	v.describe(o, how)
	set(v.h, "Content-Type", o.headers.contentType)
	set(v.h, "Content-Encoding", o.headers.contentEncoding)
	v.h["X-Content-Type-Options"] = nosniffHeader
	v.h["Accept-Ranges"] = acceptBytesHeader
	v.writeHeader(http.StatusOK)
	v.sendGrowing(o, own)
	return true, nil
}

func hasAny(h http.Header, names ...string) bool {
	for _, n := range names {
		if h.Get(n) != "" {
			return true
		}
	}
	return false
}

// sendGrowing sends what comes from an object that is being made, as it comes. Where
// no more comes and it is not whole, the response is aborted, as transmit does.
func (v *viewer) sendGrowing(o *object, own io.Reader) {
	control := http.NewResponseController(v.w)
	buffer := v.edge.buffers.Get().(*[bufferBytes]byte)
	defer v.edge.buffers.Put(buffer)
	for {
		n, err := own.Read(buffer[:])
		if n > 0 {
			_ = control.SetWriteDeadline(time.Now().Add(stallTimeout))
			written, failed := v.w.Write(buffer[:n])
			v.sent += int64(written)
			if failed == nil {
				failed = control.Flush()
			}
			if failed != nil { // the viewer's end of it
				v.cut = true
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = control.SetWriteDeadline(time.Time{})
			return
		}
		if err == nil {
			continue
		}
		v.cut = true
		if v.r.Context().Err() == nil {
			v.edge.cfg.Logger.Warn("send object that is being made", "bucket", o.from.Bucket, "key", o.originKey(), "request_id", v.scratch.id[0], "error", err)
		}
		v.finish()
		panic(http.ErrAbortHandler)
	}
}

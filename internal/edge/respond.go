package edge

import (
	"context"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"vodwright.dev/vodwright/internal/edge/field"
	"vodwright.dev/vodwright/internal/fault"
)

// respond sends o, or as much of it as the viewer asked for.
func (v *viewer) respond(o *object, how outcome) error {
	h := v.h
	v.describe(o, how)
	ranged := v.r.Method == http.MethodGet && v.r.Header["Range"] != nil && v.r.Header.Get("Range") != "" && field.RangeApplies(v.r.Header, o.info.ETag, o.info.LastModified)
	var other *encoded // nil: the object as it is
	length := o.headers.length
	set(h, "Etag", o.headers.etag)
	if o.compressible && v.behavior.encodings != 0 {
		addVary(h, "Accept-Encoding")
		if !ranged { // the bytes of a range are the object's own
			var at int
			if other, at = v.edge.encodedFor(v.r.Context(), o, v.behavior.encodings&field.AcceptedEncodings(v.r.Header["Accept-Encoding"])); other != nil {
				set(h, "Etag", o.headers.weakETag)
				h["Content-Encoding"], length = encodingNames[at], other.length
			}
		}
	}

	switch field.Evaluate(v.r.Header, o.info.ETag, o.info.LastModified) {
	case field.NotModified:
		delete(h, "Content-Encoding")
		v.writeHeader(http.StatusNotModified)
		return nil
	case field.PreconditionFailed:
		return errPrecondition()
	}

	set(h, "Content-Type", o.headers.contentType)
	set(h, "Content-Encoding", o.headers.contentEncoding)
	set(h, "Content-Disposition", o.headers.contentDisposition)
	set(h, "Content-Language", o.headers.contentLanguage)
	h["X-Content-Type-Options"] = nosniffHeader
	if other == nil {
		h["Accept-Ranges"] = acceptBytesHeader
	}
	if v.r.Method == http.MethodHead { // a range is defined for GET alone (RFC 9110 §14.2)
		h["Content-Length"] = length
		v.writeHeader(http.StatusOK)
		return nil
	}
	if other != nil {
		h["Content-Length"] = length
		v.writeHeader(http.StatusOK)
		v.transmit(o, body{bytes: other.bytes}, 0, int64(len(other.bytes.data)))
		return nil
	}
	kind, first, n := field.Whole, int64(0), o.info.Size
	if ranged {
		kind, first, n = field.ParseRange(v.r.Header.Get("Range"), o.info.Size)
	}
	if kind == field.Unsatisfiable {
		h["Content-Range"] = []string{"bytes */" + strconv.FormatInt(o.info.Size, 10)}
		return refuse(layerRequest, fault.New(fault.Invalid, "InvalidRange", "The requested range is not satisfiable: the object has %d bytes", o.info.Size))
	}

	// Whatever can fail at the origin does so before the status is sent.
	source, err := v.openBody(o, n)
	if err != nil {
		return originFault(err, v.r.URL.Path)
	}
	defer source.close()
	if kind == field.Part {
		v.scratch.length[0] = strconv.FormatInt(n, 10)
		v.scratch.contentRange[0] = contentRange(first, n, o.info.Size)
		h["Content-Length"] = v.scratch.length[:]
		h["Content-Range"] = v.scratch.contentRange[:]
		v.writeHeader(http.StatusPartialContent)
	} else {
		h["Content-Length"] = length
		v.writeHeader(http.StatusOK)
	}
	if n > 0 {
		v.transmit(o, source, first, n)
	}
	return nil
}

// describe sets the headers that say how o was found and how long it is good for.
func (v *viewer) describe(o *object, how outcome) {
	v.found(how)
	h, f := v.h, o.fresh.Load()
	if how != miss {
		age := max(v.now.Sub(f.stored), 0)
		v.scratch.age[0] = strconv.FormatInt(int64(age/time.Second), 10)
		h["Age"] = v.scratch.age[:]
	}
	set(h, "Last-Modified", o.headers.lastModified)
	if reply := v.behavior.reply; !f.made || reply == nil || !reply.cacheControl {
		set(h, "Cache-Control", f.cacheControl)
	}
	set(h, "Expires", o.headers.expires)
}

// found notes how the object was found.
func (v *viewer) found(how outcome) {
	switch how {
	case hit:
		v.h["X-Cache"], v.result = hitHeader, resultHit
	case miss:
		v.h["X-Cache"], v.result = missHeader, resultMiss
	case refreshHit:
		v.h["X-Cache"], v.result = refreshHitHeader, resultRefreshHit
	}
}

func errPrecondition() error {
	return refuse(layerRequest, fault.New(fault.Invalid, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"))
}

// transmit sends length bytes of o's source from first on, the header having been
// sent. If it cannot, it aborts the response by a panic that net/http knows.
func (v *viewer) transmit(o *object, source body, first, length int64) {
	err := v.send(source, first, length)
	if err == nil {
		return
	}
	v.cut = true
	if v.r.Context().Err() != nil {
		return // the viewer has left
	}
	v.edge.cfg.Logger.Warn("send object", "bucket", o.from.Bucket, "key", o.originKey(), "request_id", v.scratch.id[0], "error", err)
	v.finish()
	// The viewer must not take what it has for the whole: net/http cuts the
	// connection or resets the stream.
	panic(http.ErrAbortHandler)
}

func set(h http.Header, name string, values []string) {
	if values != nil {
		h[name] = values
	}
}

func contentRange(first, length, size int64) string {
	b := make([]byte, 0, 64)
	b = append(b, "bytes "...)
	b = strconv.AppendInt(b, first, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, first+length-1, 10)
	b = append(b, '/')
	b = strconv.AppendInt(b, size, 10)
	return string(b)
}

// sendsFiles reports whether a body of length bytes goes from file to socket in
// the kernel: plain HTTP/1, and more than the calls cost.
func (v *viewer) sendsFiles(length int64) bool {
	return v.r.TLS == nil && v.r.ProtoMajor == 1 && length > 16<<10
}

// body is where the bytes of one response come from; one of the sources is set.
type body struct {
	bytes  *blob
	file   *os.File // the shared file, for sender
	sender fileSender
	at     io.ReaderAt       // the shared file
	own    io.ReadSeekCloser // a handle of this response alone
	close  func()
}

// fileSender is a ResponseWriter that sends parts of a file in the kernel from any
// offset, so that viewers share one handle (fastlane.Lane's).
type fileSender interface {
	CanSendFile() bool
	SendFile(f *os.File, offset, n int64) (int64, error)
}

// openBody returns the source of length bytes of o for this viewer.
func (v *viewer) openBody(o *object, length int64) (body, error) {
	files := v.sendsFiles(length)
	if files && o.file != nil {
		if sender, ok := v.w.(fileSender); ok && sender.CanSendFile() {
			return body{file: o.file, sender: sender, close: func() {}}, nil
		}
	}
	return v.edge.openBody(v.r.Context(), o, files)
}

// openBody returns the source of o's bytes; ownFile asks for a file handle with
// its own position, which sendfile needs.
func (e *Edge) openBody(ctx context.Context, o *object, ownFile bool) (body, error) {
	switch {
	case o.bytes != nil:
		return body{bytes: o.bytes, close: func() {}}, nil
	case o.file != nil && !ownFile:
		if warm := e.warmed(o); warm != nil {
			return body{bytes: warm, close: func() {}}, nil
		}
		return body{at: o.file, close: func() {}}, nil
	}
	own := e.cache.takeIdle(o)
	switch {
	case own != nil:
	case o.file != nil:
		again := reopen(o.file)
		if again == nil {
			return body{at: o.file, close: func() {}}, nil
		}
		own = again
	default:
		info, r, err := e.cfg.Origin.Open(ctx, o.from, o.originKey())
		if err != nil {
			return body{}, err
		}
		if !o.is(&info) { // rewritten within CheckEvery
			_ = r.Close()
			e.cache.remove(o)
			return body{}, fault.New(fault.Unavailable, "ObjectChanged", "The object changed while it was being read")
		}
		return body{own: r, close: func() { _ = r.Close() }}, nil
	}
	return body{own: own, close: func() {
		if o.file == nil { // an origin's stream may be bound to the request it came from
			_ = own.Close()
			return
		}
		e.cache.putIdle(o, own)
	}}, nil
}

// warmed returns o's bytes from memory, or nil if they are not there. TLS must
// have the bytes in the process; reading them from the file each time costs a
// tenth of the CPU that sending takes. The second reader, not the first, has them
// copied: what is watched once shall not drive out what is watched often. When
// there is no room the fourth tries again, the eighth, and so on.
func (e *Edge) warmed(o *object) *blob {
	reads := o.reads.Add(1)
	if b := o.warm.Load(); b != nil {
		return b
	}
	if reads < 2 || reads&(reads-1) != 0 || o.info.Size > e.cfg.MaxBytes/8 || !e.cache.grow(o) {
		return nil
	}
	b := newBlob(o.info.Size)
	if err := b.fill(io.NewSectionReader(o.file, 0, o.info.Size)); err != nil {
		b = nil // sending from the file will say why
	}
	e.cache.grown(o, b)
	return b
}

// A piece is sent under one deadline: a viewer who takes less than a piece in
// stallTimeout is cut off. Browsers that pause a long download come back with a range.
const (
	piece        = 1 << 20
	stallTimeout = 5 * time.Minute
)

// send writes length bytes of b from first on. An error with the viewer still
// there is the origin's.
func (v *viewer) send(b body, first, length int64) error {
	extend := func() {}
	if length > inlineBytes { // less fits the socket's buffer and blocks nobody
		control := http.NewResponseController(v.w)
		extend = func() { _ = control.SetWriteDeadline(time.Now().Add(stallTimeout)) }
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	}
	switch {
	case b.bytes != nil:
		return v.sendBytes(b.bytes, first, first+length, extend)
	case b.at != nil:
		return v.sendAt(b.at, first, length, extend)
	case b.file != nil:
		for length > 0 {
			extend()
			n, err := b.sender.SendFile(b.file, first, min(length, piece))
			first, length, v.sent = first+n, length-n, v.sent+n
			if err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := b.own.Seek(first, io.SeekStart); err != nil {
		return err
	}
	for length > 0 {
		extend()
		part := io.LimitedReader{R: b.own, N: min(length, piece)}
		// To an HTTP/1 connection from a file this is sendfile.
		n, err := io.Copy(v.w, &part)
		length -= n
		v.sent += n
		if err == nil && part.N > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *viewer) sendBytes(b *blob, from, to int64, extend func()) error {
	for from < to {
		extend()
		data, err := b.next(v.r.Context(), int(from), int(min(to, from+piece)))
		if err != nil {
			return err
		}
		n, err := v.w.Write(data)
		from += int64(n)
		v.sent += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *viewer) sendAt(r io.ReaderAt, first, length int64, extend func()) error {
	buffer := v.edge.buffers.Get().(*[bufferBytes]byte)
	defer v.edge.buffers.Put(buffer)
	sinceExtended := int64(piece)
	for length > 0 {
		if sinceExtended >= piece {
			extend()
			sinceExtended = 0
		}
		n, err := r.ReadAt(buffer[:min(length, bufferBytes)], first)
		if n == 0 {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		written, err := v.w.Write(buffer[:n])
		v.sent += int64(written)
		first, length, sinceExtended = first+int64(written), length-int64(written), sinceExtended+int64(written)
		if err != nil {
			return err
		}
	}
	return nil
}

// bufferBytes is the size of the buffers between files and TLS: from 16 to 128 KiB
// the CPU time was the same, within the noise.
const bufferBytes = 64 << 10

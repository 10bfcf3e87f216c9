package fastlane

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// response is the http.ResponseWriter of one answer after the other. Head and
// body leave together where they fit buffered bytes, else the head goes with the
// body's first ones.
type response struct {
	conn   *conn
	header http.Header

	isHead  bool
	headIn  int   // bytes of the request's head
	headOut int   // bytes of the answer's
	status  int   // 0: not written
	length  int64 // of the body as promised; negative: in chunks, until the last one
	sent    int64 // of the body, or taken for a HEAD
	bodyOff bool  // the status has no body
	chunked bool  // the body is sent in chunks (RFC 9112, 7.1)
	closes  bool  // the connection ends after this answer
	err     error // of writing

	out []byte // not written yet
}

// buffered is how much is kept to be written together.
const buffered = 16 << 10

func (w *response) begin(isHead bool, headIn int) {
	clear(w.header)
	w.headIn, w.headOut = headIn, 0
	w.isHead, w.status, w.length, w.sent, w.bodyOff, w.chunked, w.closes, w.err, w.out = isHead, 0, -1, 0, false, false, false, nil, w.out[:0]
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status != 0 || status < 200 { // the edge has nothing to say before its answer
		return
	}
	w.status = status
	w.bodyOff = status == http.StatusNoContent || status == http.StatusNotModified
	if v := w.header["Content-Length"]; len(v) == 1 {
		if n, err := strconv.ParseUint(v[0], 10, 63); err == nil {
			w.length = int64(n)
		} else {
			delete(w.header, "Content-Length")
		}
	}
	w.chunked = !w.bodyOff && w.length < 0 && !w.isHead
	if w.conn.lane.closing.Load() || len(w.header["Connection"]) > 0 {
		w.closes = true
	}
	b := append(w.out, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(append(append(b, ' '), http.StatusText(status)...), '\r', '\n')
	for name, values := range w.header {
		if !validName(name) || w.bodyOff && (name == "Content-Length" || name == "Content-Type" && status == http.StatusNotModified) {
			continue
		}
		for _, v := range values {
			b = append(append(append(b, name...), ':', ' '), clean(v)...)
			b = append(b, '\r', '\n')
		}
	}
	if w.header["Date"] == nil {
		_, date := w.conn.lane.now()
		b = append(append(append(b, "Date: "...), date...), '\r', '\n')
	}
	if w.chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if w.closes {
		b = append(b, "Connection: close\r\n"...)
	}
	w.out = append(b, '\r', '\n')
	w.headOut = len(w.out)
}

// HeadBytes returns what the heads of request and answer are on the wire, for an access log.
func (w *response) HeadBytes() (received, sent int) { return w.headIn, w.headOut }

func validName(name string) bool {
	for i := range len(name) {
		if !token[name[i]] {
			return false
		}
	}
	return name != "" && name != "Connection" && name != "Transfer-Encoding"
}

// clean replaces what would end a header line.
func clean(v string) string {
	if strings.IndexByte(v, '\n') < 0 && strings.IndexByte(v, '\r') < 0 {
		if n := len(v); n > 0 && v[0] > ' ' && v[n-1] > ' ' {
			return v
		}
		return strings.Trim(v, " \t")
	}
	return strings.Trim(strings.NewReplacer("\n", " ", "\r", " ").Replace(v), " \t")
}

// take says how many of n bytes of a body are to be sent.
func (w *response) take(n int64) (send int64, err error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.err != nil:
		return 0, w.err
	case w.bodyOff:
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.sent+n > w.length:
		return 0, http.ErrContentLength
	}
	return n, nil
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if _, err := w.take(int64(len(p))); err != nil {
		return 0, err
	}
	w.sent += int64(len(p))
	if w.isHead || len(p) == 0 {
		return len(p), nil
	}
	if w.chunked {
		w.out = append(strconv.AppendInt(w.out, int64(len(p)), 16), '\r', '\n')
		if err := w.write(p); err != nil {
			return 0, err
		}
		return len(p), w.write(crlf())
	}
	return len(p), w.write(p)
}

func crlf() []byte { return []byte("\r\n") }

// write sends bytes of the body's encoding, or keeps them to be sent with others.
func (w *response) write(p []byte) error {
	if len(w.out)+len(p) <= buffered {
		w.out = append(w.out, p...)
		return nil
	}
	if w.conn.plain != nil && len(w.out) > 0 {
		both := net.Buffers{w.out, p}
		_, w.err = both.WriteTo(w.conn.plain)
		w.out = w.out[:0]
		return w.err
	}
	first := 0
	if len(w.out) > 0 { // a whole first record; TLS cuts what follows by itself
		first = min(max(buffered-len(w.out), 0), len(p))
		w.out = append(w.out, p[:first]...)
	}
	w.conn.hold()
	w.flush()
	if w.err == nil && first < len(p) {
		_, w.err = w.conn.rwc.Write(p[first:])
	}
	if err := w.conn.release(); w.err == nil {
		w.err = err
	}
	return w.err
}

func (w *response) flush() {
	if len(w.out) > 0 && w.err == nil {
		_, w.err = w.conn.rwc.Write(w.out)
	}
	w.out = w.out[:0]
}

// ReadFrom implements io.ReaderFrom: from a file to a plain connection it is sendfile.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	limited, ok := src.(*io.LimitedReader)
	if !ok || w.conn.plain == nil || w.isHead || w.bodyOff || w.err != nil || w.length < 0 || w.sent+limited.N > w.length {
		return io.Copy(writerOnly{w}, src)
	}
	w.flush()
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.conn.plain.ReadFrom(src)
	w.sent += n
	return n, err
}

type writerOnly struct{ io.Writer }

// CanSendFile reports whether SendFile goes through the kernel.
func (w *response) CanSendFile() bool { return w.conn.plain != nil }

// SendFile sends n bytes of f from offset on, whatever f's own position is: many
// viewers can share one f. An f that is shorter is io.ErrUnexpectedEOF.
func (w *response) SendFile(f *os.File, offset, n int64) (int64, error) {
	if _, err := w.take(n); err != nil || w.isHead {
		w.sent += n
		return n, err
	}
	if w.chunked {
		return io.Copy(writerOnly{w}, io.NewSectionReader(f, offset, n))
	}
	file, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	left := n
	var failed error
	err = file.Control(func(from uintptr) {
		failed = w.conn.raw.Write(func(to uintptr) bool {
			for len(w.out) > 0 {
				sent, err := unix.SendmsgN(int(to), w.out, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
				switch {
				case errors.Is(err, unix.EAGAIN):
					return false
				case errors.Is(err, unix.EINTR):
					continue
				case err != nil:
					w.err = err
					return true
				}
				w.out = w.out[:copy(w.out, w.out[sent:])]
			}
			for left > 0 {
				sent, err := unix.Sendfile(int(to), int(from), &offset, int(left))
				switch {
				case errors.Is(err, unix.EAGAIN):
					return false
				case errors.Is(err, unix.EINTR):
					continue
				case err != nil:
					w.err = os.NewSyscallError("sendfile", err)
					return true
				case sent == 0:
					w.err = io.ErrUnexpectedEOF
					return true
				}
				left -= int64(sent)
			}
			return true
		})
	})
	w.sent += n - left
	switch {
	case w.err == nil && failed != nil:
		w.err = failed
	case w.err == nil:
		w.err = err
	}
	return n - left, w.err
}

// Flush implements http.Flusher.
func (w *response) Flush() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.flush()
}

// SetWriteDeadline is for http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.conn.writeBy = t
	return w.conn.rwc.SetWriteDeadline(t)
}

// finish ends the answer, and reports whether another can follow.
func (w *response) finish() bool {
	if w.status == 0 {
		if w.header["Content-Length"] == nil {
			w.header["Content-Length"] = []string{"0"}
		}
		w.WriteHeader(http.StatusOK)
	}
	if w.chunked && w.err == nil {
		w.out = append(w.out, "0\r\n\r\n"...)
	}
	w.flush()
	whole := w.isHead || w.bodyOff || w.length < 0 || w.sent == w.length
	return w.err == nil && whole && !w.closes
}

package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"

	"vodwright.dev/vodwright/internal/edge/field"
)

// Objects between these sizes are compressed (CloudFront Developer Guide, "Serve compressed files").
const minCompressed, maxCompressed = 1_000, 10_000_000

// encoded is an object in one content encoding. It lives and goes with the object.
type encoded struct {
	done   chan struct{} // closed when the rest is set
	bytes  *blob         // nil: not worth it, or no room
	length []string
}

var encodingNames = [2][]string{{"br"}, {"gzip"}}

// compressible reports whether CloudFront would compress an object of this kind.
func compressible(info *Info, said *field.Directives) bool {
	return info.ContentEncoding == "" && info.Size >= minCompressed && info.Size <= maxCompressed && !said.NoTransform && field.CompressibleType(info.ContentType)
}

// encodedFor returns o in the encoding that suits a viewer who takes any of
// accepted, with its index in encodingNames; nil for the object as it is. The
// first who asks has it made, for all who come after.
func (e *Edge) encodedFor(ctx context.Context, o *object, accepted field.Encoding) (*encoded, int) {
	if accepted == 0 || !o.compressible || o.uncached || o.bytes == nil && o.file == nil {
		return nil, 0
	}
	at := 0
	if accepted&field.Brotli == 0 {
		at = 1
	}
	have := o.encoded[at].Load()
	if have == nil {
		have = &encoded{done: make(chan struct{})}
		if o.encoded[at].CompareAndSwap(nil, have) {
			e.cache.hold(o)
			go e.encode(o, at, have)
		} else {
			have = o.encoded[at].Load()
		}
	}
	select {
	case <-have.done:
	default:
		late := time.NewTimer(e.encodeWait)
		defer late.Stop()
		select {
		case <-have.done:
		case <-late.C:
			return nil, 0 // for this time
		case <-ctx.Done():
			return nil, 0
		}
	}
	if have.bytes == nil {
		return nil, 0
	}
	return have, at
}

// encode makes one encoding of o, which it holds, when one of the places for such
// work is free. What fails leaves the object as it is.
func (e *Edge) encode(o *object, at int, into *encoded) {
	defer e.cache.release(o)
	defer close(into.done)
	e.encoders <- struct{}{}
	defer func() { <-e.encoders }()
	var plain io.Reader
	if o.bytes != nil {
		plain = &blobReader{blob: o.bytes}
	} else {
		plain = io.NewSectionReader(o.file, 0, o.info.Size)
	}
	var out bytes.Buffer
	if n, err := e.compress(&out, at, plain, o.info.Size); err != nil || n != o.info.Size || int64(out.Len()) >= o.info.Size {
		return // whoever reads the object itself will say what is wrong with it
	}
	cost := int64(out.Len())
	if !e.cache.charge(o, cost) {
		return
	}
	into.bytes = fullBlob(bytes.Clone(out.Bytes()))
	into.length = oneValue(strconv.FormatInt(cost, 10))
}

// compress writes plain, which has size bytes, to out. Levels: what costs little
// enough to wait for, for bytes that are sent many times.
func (e *Edge) compress(out io.Writer, at int, plain io.Reader, size int64) (int64, error) {
	if at == 0 {
		window := 10 // its memory and the time to make it grow with the window
		for window < 22 && 1<<window < size {
			window++
		}
		w := brotli.NewWriterOptions(out, brotli.WriterOptions{Quality: 5, LGWin: window})
		n, err := io.Copy(w, plain)
		return n, errors.Join(err, w.Close())
	}
	w := e.zips.Get().(*gzip.Writer) // new ones cost a megabyte
	w.Reset(out)
	n, err := io.Copy(w, plain)
	err = errors.Join(err, w.Close())
	w.Reset(io.Discard)
	e.zips.Put(w)
	return n, err
}

// newZip makes what Edge.zips holds.
func newZip() any {
	w, err := gzip.NewWriterLevel(io.Discard, 6)
	if err != nil {
		panic(err) // its level is a valid one
	}
	return w
}

// blobReader reads a blob that may still be filling.
type blobReader struct {
	blob *blob
	at   int
}

func (r *blobReader) Read(p []byte) (int, error) {
	if r.at >= len(r.blob.data) {
		return 0, io.EOF
	}
	data, err := r.blob.next(context.Background(), r.at, len(r.blob.data))
	n := copy(p, data)
	r.at += n
	return n, err
}

package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// makingOrigin makes one object while it is read: what arrives comes in pieces.
type makingOrigin struct {
	Origin
	mu    sync.Mutex
	have  []byte
	whole bool
	err   error
	grown chan struct{}
}

func (o *makingOrigin) make(more []byte, whole bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.have, o.whole, o.err = append(o.have, more...), whole, err
	close(o.grown)
	o.grown = make(chan struct{})
}

func (o *makingOrigin) Open(_ context.Context, _ OriginRef, _ string) (Info, io.ReadSeekCloser, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.whole {
		return Info{Size: int64(len(o.have)), ETag: `"whole"`, ContentType: "video/mp2t"}, struct {
			io.ReadSeeker
			io.Closer
		}{bytes.NewReader(o.have), io.NopCloser(nil)}, nil
	}
	return Info{Size: -1, ContentType: "video/mp2t"}, &making{o: o, closed: make(chan struct{})}, nil
}

type making struct {
	o      *makingOrigin
	at     int
	once   sync.Once
	closed chan struct{}
}

func (m *making) Read(p []byte) (int, error) {
	for {
		m.o.mu.Lock()
		have, whole, err, grown := m.o.have, m.o.whole, m.o.err, m.o.grown
		m.o.mu.Unlock()
		switch {
		case len(have) > m.at:
			n := copy(p, have[m.at:])
			m.at += n
			return n, nil
		case whole:
			return 0, io.EOF
		case err != nil:
			return 0, err
		}
		select {
		case <-grown:
		case <-m.closed:
			return 0, errors.New("closed")
		}
	}
}
func (m *making) Seek(int64, int) (int64, error) { return 0, nil }
func (m *making) Close() error                   { m.once.Do(func() { close(m.closed) }); return nil }

func address(kind string) string {
	if kind == "http" {
		return "http://e1.cdn.localhost/a.ts"
	}
	return "https://e1.cdn.localhost/a.ts"
}

// TestObjectsAreSentWhileTheyAreMade: the first bytes are there before the last ones
// exist, for everybody who asks; who asks for a part gets it of the whole object; what
// breaks off is never taken for whole.
func TestObjectsAreSentWhileTheyAreMade(t *testing.T) {
	for _, kind := range []string{"http", "https", "h2"} {
		t.Run(kind, func(t *testing.T) {
			want := pattern(300_000)
			o := &makingOrigin{grown: make(chan struct{})}
			s := newSite(t, func(c *Config) { o.Origin, c.Origin = c.Origin, o })
			o.make(want[:1000], false, nil)
			get := func(header ...string) *http.Response {
				t.Helper()
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address(kind), nil)
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; i < len(header); i += 2 {
					request.Header.Set(header[i], header[i+1])
				}
				r, err := s.client(kind).Do(request)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { r.Body.Close() })
				return r
			}
			first, second := get(), get()
			for _, r := range []*http.Response{first, second} {
				head := make([]byte, 1000)
				if _, err := io.ReadFull(r.Body, head); err != nil || !bytes.Equal(head, want[:1000]) {
					t.Fatalf("the first bytes: %v", err)
				}
				if r.StatusCode != http.StatusOK || r.ContentLength >= 0 || r.Header.Get("Etag") != "" {
					t.Errorf("%s, length %d, %v", r.Status, r.ContentLength, r.Header)
				}
			}
			part := make(chan []byte)
			go func() {
				r := get("Range", "bytes=299000-")
				body, _ := io.ReadAll(r.Body)
				if r.StatusCode != http.StatusPartialContent {
					body = nil
				}
				part <- body
			}()
			o.make(want[1000:200_000], false, nil)
			o.make(want[200_000:], true, nil)
			for _, r := range []*http.Response{first, second} {
				if rest, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(rest, want[1000:]) {
					t.Errorf("the rest: %d bytes, %v", len(rest), err)
				}
			}
			if got := <-part; !bytes.Equal(got, want[299_000:]) {
				t.Errorf("the part: %d bytes", len(got))
			}
			if r := get(); r.ContentLength != int64(len(want)) || r.Header.Get("Etag") != `"whole"` {
				t.Errorf("the whole object: length %d, %v", r.ContentLength, r.Header)
			}
		})
	}
}

func TestWhatBreaksOffIsNotWhole(t *testing.T) {
	for _, kind := range []string{"http", "https", "h2"} {
		t.Run(kind, func(t *testing.T) {
			o := &makingOrigin{grown: make(chan struct{})}
			s := newSite(t, func(c *Config) { o.Origin, c.Origin = c.Origin, o })
			o.make(pattern(1000), false, nil)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address(kind), nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.client(kind).Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			time.AfterFunc(20*time.Millisecond, func() { o.make(pattern(500), false, errors.New("the encoder died")) })
			if body, err := io.ReadAll(r.Body); err == nil || len(body) > 1500 {
				t.Errorf("%d bytes, as if they were all", len(body))
			}
		})
	}
}

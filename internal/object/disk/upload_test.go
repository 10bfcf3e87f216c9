package disk

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

func uploadOf(t testing.TB, e *Engine, bucket, key string, parts ...string) string {
	t.Helper()
	u, err := e.CreateUpload(bucket, key, Properties{ContentType: "video/mp4"})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		s, err := e.Stage()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(s, p)
		if _, err := s.PutPart(bucket, key, u.ID, i+1, Checksum{}); err != nil {
			t.Fatal(err)
		}
		s.Discard()
	}
	return u.ID
}

func complete(e *Engine, bucket, key, id string) (Version, bool, error) {
	return e.CompleteUpload(bucket, key, id, func(_ Upload, parts []Part) (Completion, error) {
		return Completion{Parts: parts, ETag: fmt.Sprintf("etag-%d", len(parts))}, nil
	})
}

func TestUploadCompletesOnce(t *testing.T) {
	e := newEngine(t)
	b := bucket(t, e, "uploads", VersioningEnabled)
	id := uploadOf(t, e, b, "k", "first-", "second-", "third")
	type answer struct {
		v        Version
		repeated bool
		err      error
	}
	answers := make(chan answer, 8)
	for range 8 {
		go func() {
			v, repeated, err := complete(e, b, "k", id)
			answers <- answer{v, repeated, err}
		}()
	}
	first, ids := 0, map[string]bool{}
	for range 8 {
		a := <-answers
		if a.err != nil {
			t.Fatal(a.err)
		}
		if !a.repeated {
			first++
		}
		ids[a.v.ID] = true
	}
	if first != 1 || len(ids) != 1 {
		t.Errorf("%d completions made versions %v", first, ids)
	}
	if got := get(t, e, b, "k", ""); got != "first-second-third" {
		t.Errorf("got %q", got)
	}
	if err := e.deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := e.events.(*events).list; len(list) != 1 || !ids[list[0].VersionID] || list[0].Size != 18 {
		t.Errorf("events %+v", list)
	}
	// Once the version is gone, the upload never was.
	for id := range ids {
		e.Delete(b, "k", id, nil)
	}
	_, _, err := complete(e, b, "k", id)
	wantCode(t, err, "NoSuchUpload")
	for _, bad := range []string{"", "..", "../../buckets", "x", strings.Repeat("0", 26)} {
		_, _, err := complete(e, b, "k", bad)
		wantCode(t, err, "NoSuchUpload")
		wantCode(t, e.AbortUpload(b, "k", bad, nil), "NoSuchUpload")
	}
	id = uploadOf(t, e, b, "k", "x")
	_, _, err = complete(e, b, "other", id)
	wantCode(t, err, "NoSuchUpload")
	if err := e.AbortUpload(b, "k", id, nil); err != nil {
		t.Error(err)
	}
	_, _, err = complete(e, b, "k", id)
	wantCode(t, err, "NoSuchUpload")
}

func TestReaderOverSegments(t *testing.T) {
	e := newEngine(t)
	b := bucket(t, e, "segments", "")
	parts := []string{"0123456789", "", "abcdefghij", "XYZ"}
	whole := strings.Join(parts, "")
	if _, _, err := complete(e, b, "k", uploadOf(t, e, b, "k", parts...)); err != nil {
		t.Fatal(err)
	}
	r, err := e.Open(b, "k", "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.File() != nil {
		t.Fatal("want a reader over several files")
	}
	for off := int64(0); off <= int64(len(whole)); off++ {
		for n := int64(0); off+n <= int64(len(whole)); n++ {
			var w bytes.Buffer
			if m, err := r.WriteRange(&w, off, n); err != nil || m != n || w.String() != whole[off:off+n] {
				t.Fatalf("range %d+%d: %q, %v", off, n, w.String(), err)
			}
			p := make([]byte, n)
			if _, err := r.ReadAt(p, off); err != nil || string(p) != whole[off:off+n] {
				t.Fatalf("read %d at %d: %q, %v", n, off, p, err)
			}
		}
	}
	if _, err := r.ReadAt(make([]byte, 2), int64(len(whole))-1); err != io.EOF {
		t.Errorf("read over the end: %v", err)
	}
	r.Seek(-3, io.SeekEnd)
	if b, err := io.ReadAll(r); string(b) != "XYZ" || err != nil {
		t.Errorf("tail %q, %v", b, err)
	}
	// What is being read stays readable when the object goes.
	if _, err := e.Delete(b, "k", "", nil); err != nil {
		t.Fatal(err)
	}
	r.Seek(0, io.SeekStart)
	if b, err := io.ReadAll(r); string(b) != whole || err != nil {
		t.Errorf("after the deletion: %q, %v", b, err)
	}
}

package object_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/object/remote"
	"vodwright.dev/vodwright/internal/store"
	"vodwright.dev/vodwright/test/harness"
)

// weather is between a house and its external S3.
type weather struct {
	down     atomic.Bool // every request fails
	bad      atomic.Bool // every third request fails, in one way after the other
	lies     atomic.Bool // what is read has one byte changed, every other time
	requests atomic.Int64
	failed   atomic.Int64
}

// before returns where the external S3 is, as seen through the weather.
func (w *weather) before(t *testing.T, external *house) *object.External {
	t.Helper()
	to, err := url.Parse(external.url)
	if err != nil {
		t.Fatal(err)
	}
	through := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // which is signed
	}}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n := w.requests.Add(1)
		if w.down.Load() {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if w.lies.Load() && r.Method == http.MethodGet && w.failed.Add(1)%2 == 0 {
			all := httptest.NewRecorder()
			through.ServeHTTP(all, r)
			for name, values := range all.Header() {
				rw.Header()[name] = values
			}
			rw.WriteHeader(all.Code)
			b := all.Body.Bytes()
			b[len(b)/2] ^= 1
			_, _ = rw.Write(b)
			return
		}
		if !w.bad.Load() || n%3 != 0 {
			through.ServeHTTP(rw, r)
			return
		}
		switch w.failed.Add(1) % 4 {
		case 0:
			rw.WriteHeader(http.StatusInternalServerError)
		case 1: // nothing comes back, and it was not done
			panic(http.ErrAbortHandler)
		case 2: // it was done, and nobody hears of it
			through.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case 3: // half of the answer
			all := httptest.NewRecorder()
			through.ServeHTTP(all, r)
			for name, values := range all.Header() {
				rw.Header()[name] = values
			}
			rw.WriteHeader(all.Code)
			_, _ = rw.Write(all.Body.Bytes()[:all.Body.Len()/2])
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(server.Close)
	at := external.bytesOf(t)
	at.Endpoint = server.URL
	at.Patience = 10 * time.Second
	return at
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// An external S3 that fails now and then costs time, and nothing else.
func TestExternalS3InBadWeather(t *testing.T) {
	t.Parallel()
	var w weather
	h := openHouse(t, t.TempDir(), w.before(t, newExternal(t)))
	w.bad.Store(true)
	c, ctx, bucket := sdk(h.url, ""), t.Context(), p("weather")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{}
	for i := range 12 {
		key, body := fmt.Sprintf("k%d", i), randomBytes(rand.IntN(1<<20))
		if i == 0 {
			body = randomBytes(33 << 20) // two objects of the external S3
		}
		if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(body)}); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		contents[key] = body
	}
	for key, body := range contents {
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes of %d, %v", key, len(got), len(body), err)
		}
		from := rand.IntN(len(body))
		part, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key, Range: p(fmt.Sprintf("bytes=%d-", from))})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if got, err := io.ReadAll(part.Body); err != nil || !bytes.Equal(got, body[from:]) {
			t.Errorf("%s from %d: %d bytes, %v", key, from, len(got), err)
		}
	}
	if _, err := h.Snapshot(ctx, "weather", "k0", "", filepath.Join(h.dir, "copy")); err != nil {
		t.Error(err)
	}
	if n := w.failed.Load(); n < 10 {
		t.Errorf("%d requests failed: the weather was fine", n)
	}
}

// An external S3 that gives other bytes than it got is found out: a download ends in an
// error, a job's source is fetched again.
func TestExternalS3ThatLies(t *testing.T) {
	t.Parallel()
	var w weather
	h := openHouse(t, t.TempDir(), w.before(t, newExternal(t)))
	c, ctx, bucket := sdk(h.url, ""), t.Context(), p("lies")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	body := randomBytes(1 << 20)
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: p("k"), Body: bytes.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
	w.lies.Store(true)
	right := 0
	for range 4 {
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: p("k")})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(out.Body)
		if err == nil && !bytes.Equal(got, body) {
			t.Error("a lie was handed on")
		}
		if err == nil {
			right++
		}
	}
	if right != 2 {
		t.Errorf("%d of 4 downloads were right, want every other", right)
	}
	for i := range 2 {
		file := filepath.Join(h.dir, fmt.Sprint("copy", i))
		if _, err := h.Snapshot(ctx, "lies", "k", "", file); err != nil {
			t.Error(err)
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, body) {
			t.Errorf("the copy is something else: %v", err)
		}
	}
}

// An external S3 that is down is SlowDown to clients; nothing is there of what failed,
// and all of what was.
func TestExternalS3Down(t *testing.T) {
	t.Parallel()
	var w weather
	at := w.before(t, newExternal(t))
	at.Patience = 300 * time.Millisecond
	h := openHouse(t, t.TempDir(), at)
	c, ctx, bucket := sdk(h.url, ""), t.Context(), p("down")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	put := func(key, body string) error {
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(body)})
		return err
	}
	if err := put("kept", "before"); err != nil {
		t.Fatal(err)
	}
	w.down.Store(true)
	if err := h.Ping(ctx); err == nil {
		t.Error("it answers")
	}
	if err := put("kept", "after"); codeOf(err) != "SlowDown" {
		t.Errorf("put: %v", err)
	}
	if err := put("new", "new"); codeOf(err) != "SlowDown" {
		t.Errorf("put: %v", err)
	}
	if _, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: p("kept")}); codeOf(err) != "SlowDown" {
		t.Errorf("get: %v", err)
	}
	if _, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: p("new")}); codeOf(err) != "NoSuchKey" {
		t.Errorf("get: %v", err)
	}
	if err := func() error { _, err := object.Open(ctx, config(t.TempDir(), h.events, at)); return err }(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("open: %v", err)
	}
	w.down.Store(false)
	out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: p("kept")})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(out.Body); err != nil || string(got) != "before" {
		t.Errorf("%q, %v", got, err)
	}
}

// What keeps a server from an external S3 is said, with what to do.
func TestExternalS3Refused(t *testing.T) {
	t.Parallel()
	external := newExternal(t)
	h := openHouse(t, t.TempDir(), external.bytesOf(t))
	other, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	for name, c := range map[string]struct {
		records *store.Store
		change  func(*object.External)
		kind    fault.Kind
	}{
		"of other records": {other, func(*object.External) {}, fault.Conflict},
		"wrong secret":     {h.events, func(at *object.External) { at.SecretAccessKey = "wrong" }, fault.Denied},
		"stranger's key":   {h.events, func(at *object.External) { at.AccessKeyID, at.SecretAccessKey = "AKIASTRANGE", "stranger" }, fault.Denied},
		"no bucket":        {h.events, func(at *object.External) { at.Bucket = "nowhere" }, fault.NotFound},
		"nobody there":     {h.events, func(at *object.External) { at.Endpoint = "http://" + harness.FreeAddress(t) }, fault.Unavailable},
	} {
		at := external.bytesOf(t)
		c.change(at)
		_, err := object.Open(t.Context(), config(t.TempDir(), c.records, at))
		if !fault.Is(err, c.kind) || fault.Of(err).Hint == "" {
			t.Errorf("%s: %v (%v)", name, err, fault.KindOf(err))
		}
	}
	for _, text := range []string{"", "ftp://h/b", "http://h", "http://key@h/b", "http:///b", "http://h/b?x=y", "s3://"} {
		if _, err := object.ParseExternal(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Copies share bytes, and an output that is there already is not sent again; bytes go an
// hour after the last that names them, and not while it does.
func TestExternalS3HoldsWhatIsNamed(t *testing.T) {
	t.Parallel()
	var w weather
	external := newExternal(t)
	h := openHouse(t, t.TempDir(), w.before(t, external))
	c, ctx, bucket := sdk(h.url, ""), t.Context(), p("named")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	sweep, err := remote.Open(ctx, remote.Config{External: *external.bytesOf(t), Index: h.events, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	holds := func(after time.Duration) int {
		t.Helper()
		if err := sweep.Sweep(ctx, time.Now().Add(after)); err != nil {
			t.Fatal(err)
		}
		page, err := external.List(ctx, "external", object.ListInput{Prefix: "some/prefix/blobs/"})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Objects)
	}
	const soon, later = 30 * time.Minute, 2 * time.Hour
	put := func(key, body string) {
		t.Helper()
		if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
	}
	put("a", "first")
	if _, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: p("b"), CopySource: p("named/a")}); err != nil {
		t.Fatal(err)
	}
	put("a", "second")
	if n := holds(later); n != 2 {
		t.Errorf("a copy and what overwrote its source: %d blobs, want 2", n)
	}
	reader, _, err := h.Open(ctx, "named", "b", "")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for _, key := range []string{"a", "b"} {
		if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	if n := holds(soon); n != 2 {
		t.Errorf("soon after the deletion: %d blobs, want 2", n)
	}
	if got, err := io.ReadAll(reader); err != nil || string(got) != "first" {
		t.Errorf("who reads while it is deleted gets %q, %v", got, err)
	}
	if n := holds(later); n != 0 {
		t.Errorf("hours after the deletion: %d blobs", n)
	}

	file := filepath.Join(t.TempDir(), "output.ts")
	var sent int64
	for range 2 {
		if err := os.WriteFile(file, []byte("an output"), 0o600); err != nil {
			t.Fatal(err)
		}
		before := w.requests.Load()
		made, err := h.Put(ctx, "named", "out/1.ts", object.PutInput{Path: file, KeepEqual: true})
		if err != nil || made.Size != 9 {
			t.Fatalf("%+v, %v", made, err)
		}
		sent = w.requests.Load() - before
	}
	if sent != 0 {
		t.Errorf("what was there already was sent: %d requests", sent)
	}
	if _, err := h.Put(ctx, "named", "out/1.ts", object.PutInput{Path: file, KeepEqual: true, ContentType: "video/mp2t"}); err != nil {
		t.Error(err)
	}
	if info, err := h.Stat(ctx, "named", "out/1.ts", ""); err != nil || info.ContentType != "video/mp2t" {
		t.Errorf("%+v, %v", info, err)
	}
}

// The records are on PostgreSQL, and two servers share them: what one acknowledged the
// other has, a condition is decided once, and no page of a list has a key twice.
func TestTwoServersOfOneExternalS3(t *testing.T) {
	t.Parallel()
	records, err := store.Open(t.Context(), store.Config{URL: harness.StartPostgres(t).URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	external := newExternal(t)
	var both [2]*s3.Client
	var one *house
	for i := range both {
		s, err := object.Open(t.Context(), config(t.TempDir(), records, external.bytesOf(t)))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(s.Handler())
		t.Cleanup(server.Close)
		both[i] = sdk(server.URL, "")
		one = &house{Store: s, events: records, url: server.URL}
	}
	t.Run("boto3", func(t *testing.T) { testBoto3(t, one) })

	ctx, bucket := t.Context(), p("shared")
	if _, err := both[0].CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := both[1].PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}); err != nil {
		t.Fatal(err)
	}
	var won atomic.Int32
	var racing sync.WaitGroup
	for i := range 8 {
		racing.Go(func() {
			_, err := both[i%2].PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: p("once"), Body: strings.NewReader(fmt.Sprint(i)), IfNoneMatch: p("*")})
			if err == nil {
				won.Add(1)
			} else if codeOf(err) != "PreconditionFailed" {
				t.Error(err)
			}
		})
	}
	racing.Wait()
	if won.Load() != 1 {
		t.Errorf("%d writers made the object first", won.Load())
	}

	// An upload goes through both.
	up, err := both[0].CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: p("upload")})
	if err != nil {
		t.Fatal(err)
	}
	body := randomBytes(5<<20 + 1000)
	var parts []types.CompletedPart
	for i, b := range [][]byte{body[:5<<20], body[5<<20:]} {
		out, err := both[i].UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: p("upload"), UploadId: up.UploadId, PartNumber: p(int32(i + 1)), Body: bytes.NewReader(b)})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: p(int32(i + 1)), ETag: out.ETag})
	}
	if _, err := both[1].CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: p("upload"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}); err != nil {
		t.Fatal(err)
	}
	out, err := both[0].GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: p("upload")})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes of %d, %v", len(got), len(body), err)
	}

	// Keys that a database which sorts text would sort otherwise, versions of some.
	keys := []string{"A", "B", "a", "a-b", "a/1", "a/2", "a/b/3", "a0", "b", "é", "ä/ö", "~"}
	for i, key := range keys {
		for range 1 + i%3 {
			if _, err := both[i%2].PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: p("l/" + key), Body: strings.NewReader("")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, size := range []int32{1, 2, 3, 1000} {
		var flat, rolled, versions []string
		pages := s3.NewListObjectsV2Paginator(both[0], &s3.ListObjectsV2Input{Bucket: bucket, Prefix: p("l/"), MaxKeys: &size})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				flat = append(flat, *o.Key)
			}
		}
		pages = s3.NewListObjectsV2Paginator(both[1], &s3.ListObjectsV2Input{Bucket: bucket, Prefix: p("l/"), Delimiter: p("/"), MaxKeys: &size})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				rolled = append(rolled, *o.Key)
			}
			for _, c := range page.CommonPrefixes {
				rolled = append(rolled, *c.Prefix)
			}
		}
		all := s3.NewListObjectVersionsPaginator(both[0], &s3.ListObjectVersionsInput{Bucket: bucket, Prefix: p("l/"), MaxKeys: &size})
		for all.HasMorePages() {
			page, err := all.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range page.Versions {
				versions = append(versions, *v.Key+" "+*v.VersionId)
			}
		}
		if len(flat) != len(keys) || !slices.IsSorted(flat) {
			t.Errorf("pages of %d: %q", size, flat)
		}
		if slices.Sort(rolled); fmt.Sprint(rolled) != "[l/A l/B l/a l/a-b l/a/ l/a0 l/b l/~ l/ä/ l/é]" {
			t.Errorf("pages of %d: %q", size, rolled)
		}
		if n := len(versions); n != 24 || len(slices.Compact(slices.Sorted(slices.Values(versions)))) != n {
			t.Errorf("pages of %d: %d versions: %q", size, n, versions)
		}
	}
}

package object_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/object/catalog"
	"vodwright.dev/vodwright/internal/object/remote"
	"vodwright.dev/vodwright/internal/store"
)

// child starts the server as a process of its own.
func child(t *testing.T, dir string, at *object.External) (c *exec.Cmd, url string) {
	t.Helper()
	c = exec.Command(os.Args[0])
	c.Env = append(os.Environ(), serveEnv+"="+dir)
	if at != nil {
		doc, err := json.Marshal(at)
		if err != nil {
			t.Fatal(err)
		}
		c.Env = append(c.Env, serveAtEnv+"="+string(doc))
	}
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		c.Wait()
		t.Fatalf("the server did not start: %v", err)
	}
	return c, "http://" + strings.TrimSpace(address)
}

// finished is an upload whose completion a client asked for.
type finished struct {
	key, id, etag string // etag of its part
	acknowledged  bool
	version       string
}

// A server is killed while clients write, complete uploads and ask again. A
// repeated completion gives the one version there is; every acknowledged write
// reads back; every version has one event.
func TestKilledServerCompletesUploadsOnce(t *testing.T) {
	t.Parallel()
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		killAndComplete(t, nil)
	})
	t.Run("external", func(t *testing.T) {
		t.Parallel()
		external := newExternal(t)
		dir := killAndComplete(t, external.bytesOf(t))
		onlyWhatIsNamed(t, external, dir)
	})
}

// killAndComplete returns the folder of the server that it killed.
func killAndComplete(t *testing.T, at *object.External) string {
	dir := t.TempDir()
	server, url := child(t, dir, at)
	ctx, bucket := t.Context(), p("killed")
	c := sdk(url, "")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []*finished
	contents := map[string][32]byte{} // version → content
	complete := func(c *s3.Client, f *finished) error {
		out, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: bucket, Key: &f.key, UploadId: &f.id,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: p(int32(1)), ETag: &f.etag}}},
		})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if f.acknowledged && f.version != *out.VersionId {
			t.Errorf("upload %s was version %s and is now %s", f.id, f.version, *out.VersionId)
		}
		f.acknowledged, f.version = true, *out.VersionId
		return nil
	}
	for round := range 6 {
		var writers sync.WaitGroup
		for w := range 3 {
			writers.Go(func() {
				for i := 0; ; i++ {
					body := bytes.Repeat([]byte(fmt.Sprintf("%d-%d-%d;", round, w, i)), 1+rand.IntN(5000))
					key := fmt.Sprintf("k%d", rand.IntN(3))
					if i%2 == 0 {
						out, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(body)})
						if err != nil {
							return
						}
						mu.Lock()
						contents[*out.VersionId] = sha256.Sum256(body)
						mu.Unlock()
						continue
					}
					up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: &key})
					if err != nil {
						return
					}
					part, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: &key, UploadId: up.UploadId, PartNumber: p(int32(1)), Body: bytes.NewReader(body)})
					if err != nil {
						return
					}
					f := &finished{key: key, id: *up.UploadId, etag: *part.ETag}
					mu.Lock()
					all = append(all, f)
					mu.Unlock()
					var failed atomic.Bool
					var asks sync.WaitGroup // two clients, or one that was impatient
					for range 2 {
						asks.Go(func() {
							if e := complete(c, f); e != nil {
								failed.Store(true)
							}
						})
					}
					asks.Wait()
					if failed.Load() {
						return
					}
				}
			})
		}
		time.AfterFunc(time.Duration(100+rand.IntN(400))*time.Millisecond, func() { server.Process.Kill() })
		writers.Wait()
		server.Wait()
		server, url = child(t, dir, at)
		c = sdk(url, "")
		for _, f := range all {
			if err := complete(c, f); err != nil {
				t.Errorf("complete %s again: %v", f.id, err)
			}
		}
	}
	byUpload := 0
	versions := map[string]bool{}
	pages := s3.NewListObjectVersionsPaginator(c, &s3.ListObjectVersionsInput{Bucket: bucket, MaxKeys: p(int32(7))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			if versions[*v.VersionId] {
				t.Errorf("version %s is listed twice", *v.VersionId)
			}
			versions[*v.VersionId] = true
			if strings.HasSuffix(*v.ETag, `-1"`) {
				byUpload++
			}
			want, known := contents[*v.VersionId]
			if !known {
				continue
			}
			out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: v.Key, VersionId: v.VersionId})
			if err != nil {
				t.Errorf("version %s: %v", *v.VersionId, err)
				continue
			}
			if body, err := io.ReadAll(out.Body); err != nil || sha256.Sum256(body) != want {
				t.Errorf("version %s is not what was written: %d bytes, %v", *v.VersionId, len(body), err)
			}
		}
	}
	for v := range contents {
		if !versions[v] {
			t.Errorf("acknowledged version %s is lost", v)
		}
	}
	if byUpload != len(all) || len(all) == 0 {
		t.Errorf("%d uploads made %d versions", len(all), byUpload)
	}
	server.Process.Kill()
	server.Wait()

	// What the log lacks yet is in the journal: the next start hands it over.
	server, _ = child(t, dir, at)
	server.Process.Kill()
	server.Wait()
	db, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	events, _, err := db.ObjectEvents(ctx, 0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if !versions[e.VersionID] {
			t.Errorf("event without version, or a second one: %+v", e)
		}
		delete(versions, e.VersionID)
	}
	if len(versions) > 0 {
		t.Errorf("versions without event: %v", versions)
	}
	t.Logf("%d puts and %d uploads over 6 kills", len(contents), len(all))
	return dir
}

// onlyWhatIsNamed fails when the external S3 holds blobs that no version names, once
// unfinished uploads were aborted and two days have passed.
func onlyWhatIsNamed(t *testing.T, external *house, dir string) {
	ctx := t.Context()
	db, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	cfg := config(dir, db, external.bytesOf(t))
	e, err := remote.Open(ctx, remote.Config{External: *cfg.External, Index: db, Dir: cfg.Dir})
	if err != nil {
		t.Fatal(err)
	}
	uploads, err := e.Uploads(ctx, "killed")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads { // of clients that were not told of it any more
		if err := e.AbortUpload(ctx, u.Bucket, u.Key, u.ID, nil); err != nil {
			t.Error(err)
		}
	}
	if err := e.Sweep(ctx, time.Now().Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	var in catalog.ListInput
	for in.Max, in.AfterVersion = 100, ""; ; {
		page, err := e.ListVersions(ctx, "killed", in)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Items {
			for _, s := range l.Version.Segments {
				named["some/prefix/blobs/"+s.Blob] = true
			}
		}
		if !page.More {
			break
		}
		in.After, in.AfterVersion = page.After, page.AfterVersion
	}
	for after := ""; ; {
		page, err := external.List(ctx, "external", object.ListInput{Prefix: "some/prefix/blobs/", After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			if !named[o.Key] {
				t.Errorf("%s is named by nothing", o.Key)
			}
			delete(named, o.Key)
		}
		if after = page.After; after == "" {
			break
		}
	}
	if len(named) > 0 {
		t.Errorf("%d blobs are gone that versions name", len(named))
	}
}

package remote

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
)

// Files are files that servers keep for each other beside the objects: no object, no
// record, and gone when whoever put them says so. A name is slash-separated; what was
// put is not changed later. It is safe for concurrent use.
type Files struct{ bytes *client }

// Files returns the files there.
func (e *Engine) Files() *Files { return &Files{e.bytes} }

// Where a file is: in one object, or, when it is larger than partBytes, in a folder of
// parts, with a list of them that is written last.
func fileName(name string) string           { return "files/" + name }
func listName(name string) string           { return fileName(name) + ".list" }
func filePart(name string, part int) string { return fmt.Sprintf("%s.part/%05d", fileName(name), part) }

// parts is the list.
type parts struct {
	Size int64 `json:"size"`
}

// Put keeps a file of this machine, whole or not at all.
func (f *Files) Put(ctx context.Context, name, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if size <= partBytes {
		return f.put(ctx, fileName(name), io.NewSectionReader(in, 0, size))
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(fetchers)
	for part, off := 0, int64(0); off < size; part, off = part+1, off+partBytes {
		group.Go(func() error {
			return f.put(within, filePart(name, part), io.NewSectionReader(in, off, min(partBytes, size-off)))
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	doc, err := json.Marshal(parts{size})
	if err != nil {
		return err
	}
	return f.put(ctx, listName(name), io.NewSectionReader(strings.NewReader(string(doc)), 0, int64(len(doc))))
}

func (f *Files) put(ctx context.Context, name string, body *io.SectionReader) error {
	sum := md5.New()
	if _, err := io.Copy(sum, body); err != nil {
		return err
	}
	return f.bytes.put(ctx, name, body, body.Size(), sum.Sum(nil))
}

// Open opens a file; one that is not there is a fault.NotFound. The caller closes the
// Reader.
func (f *Files) Open(ctx context.Context, name string) (*Reader, error) {
	size, whole, err := f.bytes.size(ctx, fileName(name))
	if err != nil {
		return nil, err
	}
	if !whole {
		if size, err = f.listed(ctx, name); err != nil {
			return nil, err
		}
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &Reader{name: name, size: size, stop: stop}
	r.fetch = func(_ int, off, n int64) (io.ReadCloser, error) { return f.bytes.get(ctx, fileName(name), off, n) }
	step := size
	if !whole {
		step = partBytes
		r.fetch = func(part int, off, n int64) (io.ReadCloser, error) {
			return f.bytes.get(ctx, filePart(name, part), off, n)
		}
	}
	for end := int64(0); end < size; {
		end = min(end+step, size)
		r.ends = append(r.ends, end)
	}
	return r, nil
}

// Size returns how many bytes the Reader has.
func (r *Reader) Size() int64 { return r.size }

// listed returns the size of a file in parts.
func (f *Files) listed(ctx context.Context, name string) (int64, error) {
	n, there, err := f.bytes.size(ctx, listName(name))
	if err != nil {
		return 0, err
	}
	if !there {
		return 0, fault.New(fault.NotFound, "", "there is no file %s", name)
	}
	body, err := f.bytes.get(ctx, listName(name), 0, n)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	var of parts
	if err := json.NewDecoder(body).Decode(&of); err != nil {
		return 0, fault.New(fault.Unavailable, "", "read the parts of file %s: %w", name, err)
	}
	return of.Size, nil
}

// Remove removes the files whose names begin with a prefix; that there are none is no
// error.
func (f *Files) Remove(ctx context.Context, prefix string) error {
	for more := true; more; {
		var names []string
		var err error
		if names, more, err = f.bytes.list(ctx, fileName(prefix), ""); err != nil {
			return err
		}
		group, within := errgroup.WithContext(ctx)
		group.SetLimit(removers)
		for _, name := range names {
			group.Go(func() error { return f.bytes.remove(within, name) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// Folders returns the first parts of the names below a folder, which ends with a slash.
func (f *Files) Folders(ctx context.Context, folder string) ([]string, error) {
	var out []string
	after := ""
	for {
		names, _, err := f.bytes.list(ctx, fileName(folder), after)
		if err != nil || len(names) == 0 {
			return out, err
		}
		for _, name := range names {
			first, _, _ := strings.Cut(strings.TrimPrefix(name, fileName(folder)), "/")
			if len(out) == 0 || out[len(out)-1] != first {
				out = append(out, first)
			}
		}
		after = fileName(folder) + out[len(out)-1] + "0" // which comes after the slash
	}
}

// size returns how large an object is; false when there is none.
func (c *client) size(ctx context.Context, name string) (size int64, there bool, err error) {
	key := c.at.key(name)
	err = c.try(ctx, "look for "+name, 0, func(ctx context.Context) error {
		out, err := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &c.at.Bucket, Key: &key})
		if statusOf(err) == http.StatusNotFound {
			there = false
			return nil
		}
		if err != nil {
			return err
		}
		size, there = aws.ToInt64(out.ContentLength), true
		return nil
	})
	return size, there, err
}

// Get makes dst, which does not exist, a copy of a file.
func (f *Files) Get(ctx context.Context, name, dst string) (err error) {
	r, err := f.Open(ctx, name)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, r.stop)()
	defer r.Close()
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = r.WriteRange(out, 0, r.size)
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(dst))
	}
	return nil
}

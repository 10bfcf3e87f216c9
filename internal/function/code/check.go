package code

import (
	"archive/zip"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/fault"
)

// Limits of a package; the first two are Lambda's.
const (
	MaxZipped   = 262144000 // bytes, from a bucket; a request holds less
	MaxUnzipped = 262144000 // bytes
	maxEntries  = 100_000
	maxName     = 1024 // bytes
	maxTarget   = 4096 // bytes of a link
	// A package that grows a hundredfold is text at its best; beyond this size it
	// is made to fill a disk.
	maxRatio  = 100
	ratioFrom = 64 << 20
)

const codeInvalid = "InvalidParameterValueException"

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, codeInvalid, format, args...)
}

// read opens a package and checks all of it.
func read(data []byte) (*zip.Reader, error) {
	if len(data) > MaxZipped {
		return nil, invalid("The package is larger than %d bytes", MaxZipped)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are checked below
		return nil, invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
	}
	if len(z.File) == 0 {
		return nil, invalid("Uploaded file must be a non-empty zip")
	}
	if len(z.File) > maxEntries {
		return nil, invalid("the package has %d entries; %d are the limit", len(z.File), maxEntries)
	}
	if err := checkNames(z); err != nil {
		return nil, err
	}
	if err := checkRanges(z); err != nil {
		return nil, err
	}
	return z, checkContents(z, int64(len(data)))
}

// checkNames refuses names and kinds of entries that have no place in a folder.
func checkNames(z *zip.Reader) error {
	kinds := map[string]fs.FileMode{} // by clean name
	for _, f := range z.File {
		if f.Flags&1 != 0 {
			return invalid("the entry %q is encrypted", f.Name)
		}
		if f.Method != zip.Store && f.Method != zip.Deflate {
			return invalid("the entry %q is compressed by method %d; stored and deflated ones are read", f.Name, f.Method)
		}
		name := strings.TrimSuffix(f.Name, "/")
		switch {
		case name == "" || len(name) > maxName || !utf8.ValidString(name):
			return invalid("the package has an entry without a usable name: %q", clip(f.Name))
		case strings.ContainsAny(name, "\\\x00") || strings.HasPrefix(name, "/") || !fs.ValidPath(strings.TrimPrefix(name, "./")):
			return invalid("the entry %q is not below the package's folder", clip(f.Name))
		}
		name = path.Clean(name)
		if name == "." {
			continue
		}
		kind := f.Mode().Type()
		if kind != 0 && kind != fs.ModeDir && kind != fs.ModeSymlink {
			return invalid("the entry %q is neither a file, a folder nor a link", f.Name)
		}
		if strings.HasSuffix(f.Name, "/") {
			kind = fs.ModeDir
		}
		if have, twice := kinds[name]; twice && (have != fs.ModeDir || kind != fs.ModeDir) {
			return invalid("the package has two entries %q", f.Name)
		}
		kinds[name] = kind
	}
	for name := range kinds {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if kind, ok := kinds[dir]; ok && kind != fs.ModeDir {
				return invalid("the entry %q is below %q, which is not a folder", name, dir)
			}
		}
	}
	return nil
}

// checkRanges refuses entries that share bytes of the package, which is how a
// small one becomes petabytes.
func checkRanges(z *zip.Reader) error {
	type span struct{ from, to int64 }
	var spans []span
	for _, f := range z.File {
		from, err := f.DataOffset()
		if err != nil {
			return invalid("Could not unzip uploaded file: the entry %q has no data", f.Name)
		}
		if f.CompressedSize64 > 0 {
			spans = append(spans, span{from, from + int64(min(f.CompressedSize64, MaxZipped+1))})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return invalid("the package's entries overlap")
		}
	}
	return nil
}

// checkContents reads every entry to its end: its size and checksum are what the
// directory says, and all together are no more than the limit.
func checkContents(z *zip.Reader, zipped int64) error {
	var total uint64
	for _, f := range z.File {
		total += f.UncompressedSize64
		if f.UncompressedSize64 > MaxUnzipped || total > MaxUnzipped {
			return invalid("Unzipped size must be smaller than %d bytes", MaxUnzipped)
		}
	}
	if total > ratioFrom && total/maxRatio > uint64(zipped) {
		return invalid("the package grows from %d to %d bytes, which is no code", zipped, total)
	}
	var left int64 = MaxUnzipped
	for _, f := range z.File {
		var n int64
		var err error
		if f.Mode().Type() == fs.ModeSymlink {
			var target string
			if target, err = linkTarget(f); err == nil {
				n, err = int64(len(target)), checkLink(f.Name, target)
			}
		} else {
			var in io.ReadCloser
			if in, err = f.Open(); err == nil {
				n, err = io.Copy(io.Discard, io.LimitReader(in, left+1))
				err = errors.Join(err, in.Close())
			}
		}
		if left -= n; left < 0 {
			return invalid("Unzipped size must be smaller than %d bytes", MaxUnzipped)
		}
		if fault.Is(err, fault.Invalid) {
			return err
		}
		if err != nil {
			return invalid("Could not unzip uploaded file: the entry %q is damaged: %w", f.Name, err)
		}
	}
	return nil
}

// linkTarget reads where a link points to.
func linkTarget(f *zip.File) (string, error) {
	in, err := f.Open()
	if err != nil {
		return "", err
	}
	defer in.Close()
	target, err := io.ReadAll(io.LimitReader(in, maxTarget+1))
	if err == nil && len(target) > maxTarget {
		err = fmt.Errorf("a link of more than %d bytes", maxTarget)
	}
	return string(target), err
}

func checkLink(name, target string) error {
	if target == "" || strings.ContainsAny(target, "\x00\\") || strings.HasPrefix(target, "/") ||
		!fs.ValidPath(path.Join(path.Dir(path.Clean(name)), target)) {
		return invalid("the link %q points to %q, out of the package's folder", clip(name), clip(target))
	}
	return nil
}

// clip shortens what a message quotes.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// walkStep says how a walk goes on.
type walkStep struct {
	stop bool
	skip string // when set, keys that begin with it are passed over from here on
}

// walk calls visit for the keys of a bucket that begin with prefix and are
// greater than after, in byte order, with the path of each key's entry.
func (e *Engine) walk(bucket, prefix, after string, visit func(key, path string) (walkStep, error)) error {
	w := &walker{prefix: prefix, after: after, visit: visit}
	_, err := w.folder(e.keysPath(bucket), "")
	return err
}

type walker struct {
	prefix, after, skip string
	visit               func(key, path string) (walkStep, error)
}

type walkName struct {
	part   string // what it adds to the key; ends in '/' for a folder
	file   string
	folder bool
}

func (w *walker) folder(dir, at string) (stop bool, err error) {
	names, err := readNames(dir)
	if err != nil {
		return false, err
	}
	for _, n := range names {
		full := at + n.part
		if w.skip != "" && strings.HasPrefix(full, w.skip) {
			continue
		}
		if !strings.HasPrefix(full, w.prefix) && !(n.folder && strings.HasPrefix(w.prefix, full)) {
			continue
		}
		path := filepath.Join(dir, n.file)
		if n.folder {
			if full <= w.after && !strings.HasPrefix(w.after, full) {
				continue // all keys in it are before after
			}
			if stop, err = w.folder(path, full); stop || err != nil {
				return stop, err
			}
			continue
		}
		if full <= w.after {
			continue
		}
		step, err := w.visit(full, path)
		if err != nil || step.stop {
			return step.stop, err
		}
		if step.skip != "" {
			w.skip = step.skip
		}
	}
	return false, nil
}

// readNames returns a folder's names in the order of the keys below them; none
// when the folder is gone, which a deletion elsewhere may bring about.
func readNames(dir string) ([]walkName, error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	files, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	names := make([]walkName, len(files))
	for i, f := range files {
		part, folder := nameOf(f)
		names[i] = walkName{part, f, folder}
	}
	slices.SortFunc(names, func(a, b walkName) int { return strings.Compare(a.part, b.part) })
	return names, nil
}

// List returns the newest version of each key that has one which is not a
// delete marker.
func (e *Engine) List(bucket string, in ListInput) (Page, error) {
	return e.list(bucket, in, func(en *entry) []Listed {
		if en.Versions[0].Marker {
			return nil
		}
		return []Listed{{Key: en.Key, Version: en.Versions[0], Latest: true}}
	})
}

// ListVersions returns all versions and delete markers.
func (e *Engine) ListVersions(bucket string, in ListInput) (Page, error) {
	return e.list(bucket, in, func(en *entry) []Listed {
		out := make([]Listed, len(en.Versions))
		for i, v := range en.Versions {
			out[i] = Listed{Key: en.Key, Version: v, Latest: i == 0}
		}
		return out
	})
}

func (e *Engine) list(bucket string, in ListInput, items func(*entry) []Listed) (Page, error) {
	var page Page
	if _, err := e.Bucket(bucket); err != nil {
		return page, err
	}
	if in.Max <= 0 {
		return page, nil
	}
	count := 0
	// add appends one line, or says that the page is full.
	full := func() bool {
		page.More = count == in.Max
		count++
		return page.More
	}
	walkAfter := in.After
	if in.After != "" && in.AfterVersion != "" {
		// The rest of that key comes first.
		en, err := e.readEntry(bucket, in.After)
		if err != nil {
			return page, err
		}
		if en != nil && strings.HasPrefix(en.Key, in.Prefix) && in.RollUp(en.Key) == "" {
			for _, l := range olderThan(items(en), in.AfterVersion) {
				if full() {
					return page, nil
				}
				page.Items = append(page.Items, l)
				page.After, page.AfterVersion = l.Key, l.Version.ID
			}
		}
	}
	skip := ""
	if in.After != "" && in.RollUp(in.After) == in.After {
		skip = in.After // a common prefix: what it stands for was listed
	}
	w := &walker{prefix: in.Prefix, after: walkAfter, skip: skip}
	w.visit = func(key, path string) (walkStep, error) {
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return walkStep{}, nil // deleted while we walk
		}
		if err != nil {
			return walkStep{}, err
		}
		en, err := decodeEntry(b)
		if err != nil {
			return walkStep{}, err
		}
		lines := items(en)
		if len(lines) == 0 {
			return walkStep{}, nil
		}
		if group := in.RollUp(key); group != "" {
			if full() {
				return walkStep{stop: true}, nil
			}
			page.CommonPrefixes = append(page.CommonPrefixes, group)
			page.After, page.AfterVersion = group, ""
			return walkStep{skip: group}, nil
		}
		for _, l := range lines {
			if full() {
				return walkStep{stop: true}, nil
			}
			page.Items = append(page.Items, l)
			page.After, page.AfterVersion = key, l.Version.ID
		}
		return walkStep{}, nil
	}
	_, err := w.folder(e.keysPath(bucket), "")
	return page, err
}

// olderThan returns the lines after the version id; when that version is gone
// meanwhile, those that are older by their ids.
func olderThan(lines []Listed, id string) []Listed {
	for i, l := range lines {
		if l.Version.ID == id {
			return lines[i+1:]
		}
	}
	for i, l := range lines {
		if l.Version.Sequence < id {
			return lines[i:]
		}
	}
	return nil
}

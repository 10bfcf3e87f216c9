package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Cache keeps sources on a worker's disk for the jobs to come, those used last, by
// hard links. A nil Cache keeps nothing. It is safe for concurrent use.
type Cache struct {
	dir string
	max int64

	mu sync.Mutex
}

// NewCache returns a cache of so many bytes in a folder, on the file system of the
// work folder.
func NewCache(dir string, maxBytes int64) (*Cache, error) {
	c := &Cache{dir: dir, max: maxBytes}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c.trim() // it may have been larger
	return c, nil
}

func (c *Cache) path(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:]))
}

// Get makes dst what was put under a name, and reports whether it did.
func (c *Cache) Get(name, dst string) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return os.Chtimes(c.path(name), now, now) == nil && os.Link(c.path(name), dst) == nil
}

// Put keeps a file that nobody writes to any more, if there is room.
func (c *Cache) Put(name, file string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if os.Link(file, c.path(name)) == nil && os.Chtimes(c.path(name), now, now) == nil {
		c.trim()
	}
}

// trim removes what was used longest ago until the rest has room.
func (c *Cache) trim() {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	type kept struct {
		path string
		used time.Time
		size int64
	}
	var all []kept
	var sum int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			all = append(all, kept{filepath.Join(c.dir, e.Name()), info.ModTime(), info.Size()})
			sum += info.Size()
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return a.used.Compare(b.used) })
	for _, k := range all {
		if sum <= c.max {
			return
		}
		if os.Remove(k.path) == nil {
			sum -= k.size
		}
	}
}

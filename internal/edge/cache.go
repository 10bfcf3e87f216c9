package edge

import (
	"io"
	"os"
	"sync"
)

// cache holds objects, the least recently used leaving first, within a bound of
// bytes and one of open files. Objects in use are counted until their last user
// has gone and are never evicted, so the bounds hold for what is really held;
// an object that finds no room is served all the same, uncached.
type cache struct {
	maxBytes int64
	maxFiles int

	mu      sync.Mutex
	objects map[cacheKey]*object
	newest  *object // ends of the list of linked objects
	oldest  *object
	bytes   int64
	files   int // open ones of objects, idle handles included
}

func newCache(maxBytes int64, maxFiles int) *cache {
	return &cache{maxBytes: maxBytes, maxFiles: maxFiles, objects: map[cacheKey]*object{}}
}

// acquire returns the object under k for use until release, or nil.
func (c *cache) acquire(k cacheKey) *object {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.objects[k]
	if o == nil {
		return nil
	}
	o.refs++
	if c.newest != o {
		c.unlist(o)
		c.list(o)
	}
	return o
}

// release ends a use of o; the last one of an object no longer cached frees it.
func (c *cache) release(o *object) {
	c.mu.Lock()
	o.refs--
	free := c.freeable(o)
	c.mu.Unlock()
	closeAll(free)
}

// hold counts one more use of o, which is in use.
func (c *cache) hold(o *object) {
	c.mu.Lock()
	o.refs++
	c.mu.Unlock()
}

// charge counts bytes that o, which is in use, is about to hold besides what it
// has, and reports whether there was room.
func (c *cache) charge(o *object, bytes int64) bool {
	if !c.reserve(bytes) {
		return false
	}
	c.mu.Lock()
	o.cost += bytes
	c.mu.Unlock()
	return true
}

// reserve counts bytes for an object that is about to hold them, and reports
// whether there was room, made by evicting if need be.
func (c *cache) reserve(bytes int64) bool {
	c.mu.Lock()
	var free []io.Closer
	for o := c.oldest; o != nil && c.bytes+bytes > c.maxBytes && bytes <= c.maxBytes; {
		next := o.newer
		if o.refs == 0 {
			free = append(free, c.drop(o)...)
		}
		o = next
	}
	ok := c.bytes+bytes <= c.maxBytes
	if ok {
		c.bytes += bytes
	}
	c.mu.Unlock()
	closeAll(free)
	return ok
}

// grow counts o's size once more, for a copy in memory, and reports whether there
// was room. o is in use. Room is made of the copies of objects that were read
// less, never of objects: with more to watch than fits, what is warm stays warm
// instead of everything being copied in and thrown out in turn. A copy that is
// spared loses half of its merit, so that it does not outlive its time.
func (c *cache) grow(o *object) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	missing := c.bytes + o.info.Size - c.maxBytes
	var cooled []*object
	for v := c.oldest; v != nil && missing > 0; v = v.newer {
		if v.warm.Load() == nil || v.refs > 0 {
			continue
		}
		if merit := v.reads.Load(); merit >= o.reads.Load() {
			v.reads.Store(merit / 2)
			return false
		}
		cooled = append(cooled, v)
		missing -= v.info.Size
	}
	if missing > 0 || o.growing || o.warm.Load() != nil {
		return false
	}
	for _, v := range cooled {
		c.cool(v)
	}
	o.growing = true
	o.cost += o.info.Size
	c.bytes += o.info.Size
	return true
}

// grown ends what grow began, with the copy or, if it failed, without.
func (c *cache) grown(o *object, copied *blob) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.growing = false
	o.warm.Store(copied)
	if copied == nil {
		c.cool(o)
	}
}

// add puts o in the cache with refs users, in place of what was there. It must
// not have been added before; o.cost has been reserved, or is 0 for an object
// that found no room and lives for its present users only.
func (c *cache) add(o *object, refs int) {
	c.mu.Lock()
	var free []io.Closer
	o.refs += refs
	c.files += len(o.idle)
	if o.file != nil {
		c.files++
		for old := c.oldest; old != nil && c.files > c.maxFiles; {
			next := old.newer
			if old.refs == 0 && old.file != nil {
				free = append(free, c.drop(old)...)
			}
			old = next
		}
	}
	if o.cost > 0 && !o.uncached && c.files <= c.maxFiles {
		if old := c.objects[o.key]; old != nil {
			free = append(free, c.drop(old)...)
		}
		c.objects[o.key] = o
		c.list(o)
		o.linked = true
	}
	free = append(free, c.freeable(o)...)
	c.mu.Unlock()
	closeAll(free)
}

// remove takes o out of the cache; its present users keep it.
func (c *cache) remove(o *object) {
	c.mu.Lock()
	var free []io.Closer
	if o.linked {
		free = c.drop(o)
	}
	c.mu.Unlock()
	closeAll(free)
}

// removeWhere takes out every object whose key matches.
func (c *cache) removeWhere(match func(cacheKey) bool) {
	c.mu.Lock()
	var free []io.Closer
	for k, o := range c.objects {
		if match(k) {
			free = append(free, c.drop(o)...)
		}
	}
	c.mu.Unlock()
	closeAll(free)
}

// takeIdle returns a handle of o that nobody uses, or nil.
func (c *cache) takeIdle(o *object) io.ReadSeekCloser {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(o.idle)
	if n == 0 {
		return nil
	}
	h := o.idle[n-1]
	o.idle[n-1] = nil
	o.idle = o.idle[:n-1]
	c.files--
	return h
}

// maxIdle is how many handles an object keeps besides its shared one: about as
// many as two cores keep busy sending it.
const maxIdle = 4

// putIdle takes a handle of o back for the next user, or closes it.
func (c *cache) putIdle(o *object, h io.ReadSeekCloser) {
	c.mu.Lock()
	keep := o.linked && len(o.idle) < maxIdle && c.files < c.maxFiles
	if keep {
		o.idle = append(o.idle, h)
		c.files++
	}
	c.mu.Unlock()
	if !keep {
		_ = h.Close()
	}
}

// The rest is called with mu held; closing is left to the caller, without it.

func (c *cache) drop(o *object) []io.Closer {
	c.unlist(o)
	delete(c.objects, o.key)
	o.linked = false
	return c.freeable(o)
}

func (c *cache) cool(o *object) {
	o.warm.Store(nil)
	o.reads.Store(0)
	o.cost -= o.info.Size
	c.bytes -= o.info.Size
}

// freeable returns what to close of an object that is neither cached nor used, and uncounts it.
func (c *cache) freeable(o *object) []io.Closer {
	if o.linked || o.refs > 0 || o.freed {
		return nil
	}
	o.freed = true
	c.bytes -= o.cost
	var free []io.Closer
	for _, h := range o.idle {
		free = append(free, h)
	}
	c.files -= len(o.idle)
	o.idle = nil
	if o.file != nil {
		free = append(free, o.file)
		c.files--
	}
	return free
}

func (c *cache) list(o *object) {
	o.older, o.newer = c.newest, nil
	if c.newest != nil {
		c.newest.newer = o
	} else {
		c.oldest = o
	}
	c.newest = o
}

func (c *cache) unlist(o *object) {
	if o.newer != nil {
		o.newer.older = o.older
	} else {
		c.newest = o.older
	}
	if o.older != nil {
		o.older.newer = o.newer
	} else {
		c.oldest = o.newer
	}
	o.older, o.newer = nil, nil
}

func closeAll(closers []io.Closer) {
	for _, c := range closers {
		_ = c.Close() // read-only: nothing is lost
	}
}

// reopen returns a second handle on the very file of f, with its own position,
// even if f's name is gone or names another file by now; nil where /proc is missing.
func reopen(f *os.File) *os.File {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	var again *os.File
	_ = raw.Control(func(fd uintptr) {
		if g, err := os.Open(procPath(fd)); err == nil {
			again = g
		}
	})
	return again
}

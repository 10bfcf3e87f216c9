package edge

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// outcome is how an object was found, for X-Cache.
type outcome uint8

const (
	hit outcome = iota
	miss
	refreshHit
)

// flight is one opening of an object at the origin, and everybody who waits for it.
type flight struct {
	landed chan struct{} // closed when obj and err are set

	// Guarded by Edge.mu.
	waiters int
	obj     *object
	err     error
}

// How long an origin may take to answer, and to deliver an object into memory
// (at most MaxBytes/8), before the viewers who wait are told that it is down.
const (
	openTimeout = 30 * time.Second
	fillTimeout = 5 * time.Minute
)

// inlineBytes is the size up to which objects from files are kept in memory:
// below it, the calls to read a file cost more than copying its bytes.
const inlineBytes = 64 << 10

// object returns the current version of k, which b serves, for use until it is released.
func (e *Edge) object(ctx context.Context, b *knownBehavior, k cacheKey) (*object, outcome, error) {
	if b.uncached {
		f := &flight{landed: make(chan struct{}), waiters: 1} // nobody joins it, and nothing is kept
		go e.fly(context.WithoutCancel(ctx), k, b, f)
		return e.await(ctx, f, miss)
	}
	if o := e.cache.acquire(k); o != nil {
		how, current, err := e.check(ctx, b, o)
		if current {
			return o, how, nil
		}
		e.cache.remove(o)
		e.cache.release(o)
		if err != nil {
			return nil, 0, err
		}
	}

	e.mu.Lock()
	f := e.flights[k]
	how := hit // followers: the object is on its way
	if f == nil {
		if o := e.cache.acquire(k); o != nil { // it landed just now
			e.mu.Unlock()
			return o, hit, nil
		}
		if known, ok := e.errors[k]; ok {
			if e.cfg.Clock().Before(known.expires) {
				e.mu.Unlock()
				return nil, 0, known.err
			}
			delete(e.errors, k)
		}
		how = miss
		f = &flight{landed: make(chan struct{})}
		e.flights[k] = f
		// On its own goroutine and without this viewer's cancellation: others may join.
		go e.fly(context.WithoutCancel(ctx), k, b, f)
	}
	f.waiters++
	e.mu.Unlock()
	return e.await(ctx, f, how)
}

// await returns what a flight brings, which counted this viewer among its waiters.
func (e *Edge) await(ctx context.Context, f *flight, how outcome) (*object, outcome, error) {
	select {
	case <-f.landed:
		if f.obj != nil && f.obj.uncached {
			how = miss
		}
		return f.obj, how, f.err
	case <-ctx.Done():
	}
	e.mu.Lock()
	f.waiters--
	landed := f.obj // the flight counted this viewer in if it has landed
	e.mu.Unlock()
	if landed != nil {
		e.cache.release(landed)
	}
	return nil, 0, ctx.Err()
}

// check asks the origin, when it is time to, whether o is still the current
// version. One viewer asks; others go on with what is there. An origin that is
// down keeps what is cached alive, as far as the object allows; one that says the
// object is gone, or not to be read any more, ends it.
func (e *Edge) check(ctx context.Context, b *knownBehavior, o *object) (how outcome, current bool, err error) {
	now := e.cfg.Clock()
	due := o.nextCheck.Load()
	if now.UnixNano() < due || !o.nextCheck.CompareAndSwap(due, now.Add(time.Second).UnixNano()) {
		return hit, true, nil
	}
	if expires := o.fresh.Load().expires; !now.Before(expires) && now.Before(expires.Add(o.said.WhileRevalidate)) {
		e.cache.hold(o)
		go func() {
			defer e.cache.release(o)
			if _, current, _ := e.ask(context.WithoutCancel(ctx), b, o, now); !current {
				e.cache.remove(o)
			}
		}()
		return hit, true, nil
	}
	return e.ask(ctx, b, o, now)
}

// ask has the origin confirm o.
func (e *Edge) ask(ctx context.Context, b *knownBehavior, o *object, now time.Time) (how outcome, current bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	info, err := e.cfg.Origin.Stat(ctx, b.origin, o.originKey())
	if err == nil {
		f := o.fresh.Load()
		switch {
		case !o.is(&info):
			return miss, false, nil
		case now.Before(f.expires):
			o.confirm(now, f.stored, b.Cache.TTL, e.cfg.CheckEvery)
			return hit, true, nil
		}
		o.confirm(now, now, b.Cache.TTL, e.cfg.CheckEvery)
		return refreshHit, true, nil
	}
	left := errors.Is(err, context.Canceled) // the viewer's leaving says nothing about the origin
	kind := fault.KindOf(err)
	switch {
	case kind == fault.NotFound || kind == fault.Denied:
		return 0, false, err
	case !left && !o.mayBeStale(now):
		return 0, false, err
	case !left:
		e.cfg.Logger.Warn("serve stale object", "bucket", o.from.Bucket, "key", o.originKey(), "error", err)
	}
	return hit, true, nil
}

// fly opens k at the origin, hands the object to everybody who waits and puts it
// in the cache; if the bytes go to memory it stays until they are there.
func (e *Edge) fly(ctx context.Context, k cacheKey, b *knownBehavior, f *flight) {
	_, key := k.object()
	if len(key) > maxKey {
		e.land(k, b, f, nil, keyTooLong(len(key)))
		return
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(openTimeout, func() { cancel(errOriginSlow) })
	info, body, err := e.cfg.Origin.Open(ctx, b.origin, key)
	timer.Stop()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		e.land(k, b, f, nil, err)
		return
	}
	o := newObject(k, b.origin, info)
	now := e.cfg.Clock()
	o.confirm(now, now, b.Cache.TTL, e.cfg.CheckEvery)
	o.uncached = o.said.NoStore && !now.Before(o.fresh.Load().expires) // a minimum lifetime overrides it
	if info.Size < 0 {
		o.uncached = true
		o.idle = []io.ReadSeekCloser{&cancelCloser{body, func() { cancel(nil) }}}
		e.land(k, b, f, o, nil)
		return
	}
	file, isFile := body.(*os.File)
	cost := int64(objectOverhead + len(k.path) + len(k.variant))
	inMemory := info.Size <= e.cfg.MaxBytes/8 && (!isFile || info.Size <= inlineBytes)
	switch {
	case inMemory && e.cache.reserve(cost+info.Size):
		o.bytes, o.cost = newBlob(info.Size), cost+info.Size
	case e.cache.reserve(cost):
		o.cost = cost
		fallthrough
	default:
		o.uncached = o.uncached || o.cost == 0
		if isFile {
			o.file = file
		}
	}

	if o.bytes == nil {
		if o.file == nil {
			o.idle = []io.ReadSeekCloser{&cancelCloser{body, func() { cancel(nil) }}}
		} else {
			cancel(nil)
		}
		e.land(k, b, f, o, nil)
		return
	}
	o.refs++ // this goroutine's own
	e.land(k, b, f, o, nil)
	timer = time.AfterFunc(fillTimeout, func() { cancel(errOriginSlow) })
	if err := o.bytes.fill(body); err != nil {
		e.cfg.Logger.Error("read object from origin", "bucket", b.origin.Bucket, "key", key, "error", err)
		e.cache.remove(o) // before anybody knows: who asks again shall not meet it
		o.bytes.fail(err)
	}
	timer.Stop()
	cancel(nil)
	_ = body.Close()
	e.cache.release(o)
}

// errOriginSlow is why an origin's reader was cancelled.
var errOriginSlow = fault.New(fault.Unavailable, "OriginTimeout", "The origin took too long to answer")

// land ends a flight. A flight that was purged meanwhile, or that nobody was to
// join, serves its waiters and leaves nothing behind.
func (e *Edge) land(k cacheKey, b *knownBehavior, f *flight, o *object, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.flights[k] == f {
		delete(e.flights, k)
		if ttl := b.errorLifetime(err); ttl > 0 {
			if len(e.errors) >= maxErrors {
				clear(e.errors)
			}
			e.errors[k] = knownError{err, e.cfg.Clock().Add(ttl)}
		}
	} else if o != nil {
		o.uncached = true
	}
	f.obj, f.err = o, err
	if o != nil {
		e.cache.add(o, f.waiters)
	}
	close(f.landed)
}

// cancelCloser ends the context its reader was opened with when it is closed.
type cancelCloser struct {
	io.ReadSeekCloser
	cancel func()
}

func (c *cancelCloser) Close() error {
	err := c.ReadSeekCloser.Close()
	c.cancel()
	return err
}

package event

import (
	"context"
	"time"
)

// route delivers to one target, side by side within RouteSlots. It lives while
// there is something to deliver.
type route struct {
	name string
	wake chan struct{}
}

// resumeRoutes starts the routes that an earlier process left.
func (b *Bus) resumeRoutes(ctx context.Context) {
	for ctx.Err() == nil {
		names, err := b.store.DeliveryRoutes(ctx)
		if err == nil {
			for _, n := range names {
				b.wakeRoute(n)
			}
			return
		}
		if ctx.Err() == nil {
			b.log.ErrorContext(ctx, "read what is to be delivered", "err", err)
		}
		select {
		case <-time.After(b.cfg.Backoff):
		case <-ctx.Done():
		}
	}
}

func (b *Bus) wakeRoutes(deliveries []Delivery) {
	woken := map[string]bool{}
	for _, d := range deliveries {
		if !woken[d.Route] {
			woken[d.Route] = true
			b.wakeRoute(d.Route)
		}
	}
}

// wakeRoute makes a route look for work. Outside of Run it does nothing: Run begins with all routes.
func (b *Bus) wakeRoute(name string) {
	b.routesMu.Lock()
	defer b.routesMu.Unlock()
	if b.running == nil {
		return
	}
	q := b.routes[name]
	if q == nil {
		q = &route{name: name, wake: make(chan struct{}, 1)}
		b.routes[name] = q
		ctx := b.running
		b.group.Go(func() { b.deliver(ctx, q) })
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// retire ends a route unless it was woken since it looked.
func (b *Bus) retire(q *route) bool {
	b.routesMu.Lock()
	defer b.routesMu.Unlock()
	if len(q.wake) > 0 {
		return false
	}
	delete(b.routes, q.name)
	return true
}

// deliver makes the attempts of a route until there are none to make.
func (b *Bus) deliver(ctx context.Context, q *route) {
	carried := map[int64]bool{}
	ended := make(chan int64)
	defer func() {
		for range carried {
			<-ended
		}
	}()
	for ctx.Err() == nil {
		var alarm <-chan time.Time
		if len(carried) < b.cfg.RouteSlots {
			due, next, err := b.store.DueDeliveries(ctx, q.name, b.now(), b.cfg.RouteSlots+len(carried))
			if err != nil && ctx.Err() == nil {
				b.log.ErrorContext(ctx, "read what is to be delivered", "route", q.name, "err", err)
				next = b.now().Add(b.cfg.Backoff)
			}
			for _, d := range due {
				if carried[d.Position] || len(carried) == b.cfg.RouteSlots {
					continue
				}
				carried[d.Position] = true
				go func() {
					b.carry(ctx, d)
					ended <- d.Position
				}()
			}
			if len(carried) == 0 && next.IsZero() && b.retire(q) {
				return
			}
			if !next.IsZero() {
				alarm = time.After(max(next.Sub(b.now()), time.Millisecond))
			}
		}
		select {
		case p := <-ended:
			delete(carried, p)
		case <-q.wake:
		case <-alarm:
		case <-ctx.Done():
		}
	}
}

// settlement is an outcome with who waits for it.
type settlement struct {
	outcome Outcome
	done    chan struct{}
}

// settleLoop stores outcomes, those that come together in one commit.
func (b *Bus) settleLoop(ctx context.Context) {
	for {
		var batch []settlement
		select {
		case s := <-b.settling:
			batch = append(batch, s)
		case <-ctx.Done():
			return
		}
		for more := true; more && len(batch) < factsAtOnce; {
			select {
			case s := <-b.settling:
				batch = append(batch, s)
			default:
				more = false
			}
		}
		outcomes := make([]Outcome, len(batch))
		for i, s := range batch {
			outcomes[i] = s.outcome
		}
		if err := b.store.SettleDeliveries(ctx, outcomes); err != nil {
			// They stay due and are made again: more than once is allowed, never is not.
			b.log.ErrorContext(ctx, "store what became of deliveries", "deliveries", len(batch), "err", err)
			time.Sleep(b.cfg.Backoff)
		}
		for _, s := range batch {
			close(s.done)
		}
	}
}

// settle stores one outcome and returns when it is kept.
func (b *Bus) settle(o Outcome) {
	s := settlement{o, make(chan struct{})}
	b.settling <- s
	<-s.done
}

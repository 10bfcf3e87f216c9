package function

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// slowReads is a Queue of one event, which is handled while due ones are read for the
// second time: what is read then knows nothing of it.
type slowReads struct {
	f     *Functions
	reads int
	again chan struct{} // closed when the second read has begun
	gone  int           // times that the event was handled
}

func (q *slowReads) DueEvents(context.Context, time.Time, int, []string) ([]Event, error) {
	q.reads++
	if q.reads > 2 {
		return nil, nil
	}
	if q.reads == 2 {
		close(q.again)
		for len(q.f.wake) == 0 { // the dispatcher is woken when an event was handled
			runtime.Gosched()
		}
	}
	return []Event{{ID: "e", Function: "f"}}, nil
}

func (q *slowReads) DeleteEvent(context.Context, string) error {
	<-q.again
	q.gone++
	return nil
}

func (*slowReads) NextEvent(context.Context, time.Time) (time.Time, error) { return time.Time{}, nil }
func (*slowReads) InsertEvent(context.Context, Event) error                { return nil }
func (*slowReads) UpdateEvent(context.Context, Event) error                { return nil }

// noFunctions are the records of a house without functions.
type noFunctions struct{ Records }

func (noFunctions) Function(_ context.Context, name string) (Function, error) {
	return Function{}, notFound(name)
}

// An event that ends while due ones are read does not run once more.
func TestAnEventRunsOnce(t *testing.T) {
	q := &slowReads{again: make(chan struct{})}
	q.f = New(Config{Queue: q, Records: noFunctions{}})
	d := newDispatcher(q.f)
	for range 3 {
		if _, err := d.startDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	d.wg.Wait()
	if q.gone != 1 {
		t.Errorf("it ran %d times", q.gone)
	}
}

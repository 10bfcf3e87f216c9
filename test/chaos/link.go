package chaos

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is a way to an address that can be cut, slow, or false: it changes a byte now
// and then of what goes there.
type link struct {
	to       string
	listener net.Listener

	cut, slow, lies atomic.Bool

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	moved *sync.Cond // of cut
}

func newLink(to string) (*link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &link{to: to, listener: l, conns: map[net.Conn]struct{}{}}
	k.moved = sync.NewCond(&k.mu)
	go k.run()
	return k, nil
}

func (k *link) address() string { return k.listener.Addr().String() }

func (k *link) run() {
	for {
		c, err := k.listener.Accept()
		if err != nil {
			return
		}
		go k.carry(c)
	}
}

func (k *link) carry(c net.Conn) {
	defer c.Close()
	k.passable()
	s, err := net.Dial("tcp", k.to)
	if err != nil {
		return
	}
	defer s.Close()
	k.mu.Lock()
	k.conns[c], k.conns[s] = struct{}{}, struct{}{}
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		delete(k.conns, c)
		delete(k.conns, s)
		k.mu.Unlock()
	}()
	done := make(chan struct{}, 2)
	go func() { k.copy(s, c, true); done <- struct{}{} }()
	go func() { k.copy(c, s, false); done <- struct{}{} }()
	<-done
}

// passable waits while the link is cut: what is sent meanwhile is neither refused nor
// answered, as where a cable is out.
func (k *link) passable() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.cut.Load() {
		k.moved.Wait()
	}
}

func (k *link) copy(to io.Writer, from io.Reader, up bool) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		k.passable()
		if n > 0 {
			if k.slow.Load() {
				<-time.After(20 * time.Millisecond)
			}
			// A full buffer is of a body: the lie is in what is stored, not in how.
			if up && k.lies.Load() && n == len(buffer) {
				buffer[n/2] ^= 0xff
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// set cuts or mends. The end of a cut breaks what was under way, as a restarted
// router does.
func (k *link) set(cut bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cut.Store(cut)
	k.moved.Broadcast()
	if !cut {
		for c := range k.conns {
			_ = c.Close()
		}
	}
}

// heal makes the link good.
func (k *link) heal() {
	k.slow.Store(false)
	k.lies.Store(false)
	if k.cut.Load() {
		k.set(false)
	}
}

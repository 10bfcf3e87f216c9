package ffmpeg

import "sync"

// tail is an io.Writer that keeps the beginning and the end of what is written.
type tail struct {
	headSize, tailSize int // bytes kept of each

	mu   sync.Mutex
	head []byte
	ring []byte
	next int // where the ring is written next once it is full
	lost bool
}

// newTail keeps size bytes: how a log began says why, how it ended says what came of it.
func newTail(size int) *tail {
	size = max(size, 4096)
	return &tail{headSize: size / 4, tailSize: size - size/4}
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if room := t.headSize - len(t.head); room > 0 {
		k := min(room, len(p))
		t.head, p = append(t.head, p[:k]...), p[k:]
	}
	for len(p) > 0 {
		if room := t.tailSize - len(t.ring); room > 0 {
			k := min(room, len(p))
			t.ring, p = append(t.ring, p[:k]...), p[k:]
			continue
		}
		t.lost = true
		k := copy(t.ring[t.next:], p)
		t.next, p = (t.next+k)%t.tailSize, p[k:]
	}
	return n, nil
}

// String returns what was kept, with a line that says where something is missing.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.lost {
		return string(t.head) + string(t.ring)
	}
	return string(t.head) + "\n[…]\n" + string(t.ring[t.next:]) + string(t.ring[:t.next])
}

package ffmpeg

import "sync"

// Bounds of the log that is kept: how it began says why, how it ended says what
// came of it. Together 64 KiB.
const (
	logHead = 16 << 10
	logTail = 48 << 10
)

// tail is an io.Writer that keeps the beginning and the end of what is written.
type tail struct {
	mu   sync.Mutex
	head []byte
	ring []byte
	next int // where the ring is written next once it is full
	lost bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if room := logHead - len(t.head); room > 0 {
		k := min(room, len(p))
		t.head, p = append(t.head, p[:k]...), p[k:]
	}
	for len(p) > 0 {
		if room := logTail - len(t.ring); room > 0 {
			k := min(room, len(p))
			t.ring, p = append(t.ring, p[:k]...), p[k:]
			continue
		}
		t.lost = true
		k := copy(t.ring[t.next:], p)
		t.next, p = (t.next+k)%logTail, p[k:]
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

package catalog

import (
	"crypto/rand"
	"sync"

	"github.com/oklog/ulid/v2"
)

// Sequence makes ULIDs that grow, within the process and after a given one. It is safe for
// concurrent use.
type Sequence struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
	last    uint64 // milliseconds
}

// NewSequence returns a Sequence.
func NewSequence() *Sequence {
	return &Sequence{entropy: ulid.Monotonic(rand.Reader, 0)}
}

// Next returns a ULID greater than all before it and than after, when given.
func (s *Sequence) Next(after string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ms := max(ulid.Now(), s.last)
	if id, err := ulid.ParseStrict(after); err == nil && id.Time() >= ms {
		ms = id.Time() + 1
	}
	for {
		id, err := ulid.New(ms, s.entropy)
		if err == nil {
			s.last = ms
			return id.String()
		}
		ms++ // the millisecond's random part overflowed
	}
}

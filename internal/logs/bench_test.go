package logs_test

import (
	"path/filepath"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/logs"
	"vodwright.dev/vodwright/internal/store"
)

// BenchmarkAppend is what one small batch costs its writer, alone and among many:
// a commit on the disk, or a share of one.
func BenchmarkAppend(b *testing.B) {
	s, err := store.Open(b.Context(), store.Config{Path: filepath.Join(b.TempDir(), "records.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	l := logs.New(logs.Config{Store: s})
	batch := []logs.Event{{Time: time.Now(), Message: "START RequestId: 1"}, {Time: time.Now(), Message: "END RequestId: 1"}}
	write := func() {
		if err := l.Append(b.Context(), "/aws/lambda/f", "s", batch); err != nil {
			b.Error(err)
		}
	}
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			write()
		}
	})
	b.Run("among many", func(b *testing.B) {
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				write()
			}
		})
	})
}

package field

import (
	"math"
	"math/big"
	"regexp"
	"testing"
)

func TestParseRange(t *testing.T) {
	tests := []struct {
		header        string
		size          int64
		kind          RangeKind
		first, length int64
	}{
		{"bytes=0-0", 10, Part, 0, 1},
		{"bytes=0-9", 10, Part, 0, 10},
		{"bytes=0-", 10, Part, 0, 10},
		{"bytes=3-5", 10, Part, 3, 3},
		{"bytes=9-", 10, Part, 9, 1},
		{"bytes=5-100", 10, Part, 5, 5},
		{"bytes=5-99999999999999999999999", 10, Part, 5, 5},
		{"bytes=-3", 10, Part, 7, 3},
		{"bytes=-100", 10, Part, 0, 10},
		{"bytes=-99999999999999999999999", 10, Part, 0, 10},
		{"Bytes=1-2", 10, Part, 1, 2}, // range units are case-insensitive, RFC 9110 §14.1
		{"bytes= 1-2 ", 10, Part, 1, 2},

		{"bytes=10-", 10, Unsatisfiable, 0, 0},
		{"bytes=10-20", 10, Unsatisfiable, 0, 0},
		{"bytes=99999999999999999999999-", 10, Unsatisfiable, 0, 0},
		{"bytes=-0", 10, Unsatisfiable, 0, 0},
		{"bytes=0-", 0, Unsatisfiable, 0, 0},
		{"bytes=-5", 0, Unsatisfiable, 0, 0},

		{"bytes=5-3", 10, Whole, 0, 10}, // descending
		{"bytes=20-15", 10, Whole, 0, 10},
		{"bytes=0-1,3-4", 10, Whole, 0, 10}, // several
		{"bytes=0-1, 0-5", 10, Whole, 0, 10},
		{"bytes=0-1,", 10, Whole, 0, 10},
		{"", 10, Whole, 0, 10},
		{"bytes", 10, Whole, 0, 10},
		{"bytes=", 10, Whole, 0, 10},
		{"bytes=-", 10, Whole, 0, 10},
		{"bytes=--1", 10, Whole, 0, 10},
		{"bytes=a-b", 10, Whole, 0, 10},
		{"bytes=1-2x", 10, Whole, 0, 10},
		{"bytes=99999999999999999999999x-", 10, Whole, 0, 10},
		{"bytes=+1-2", 10, Whole, 0, 10},
		{"bytes=1 - 2", 10, Whole, 0, 10},
		{"bytes=0x1-2", 10, Whole, 0, 10},
		{"bytes=١-٢", 10, Whole, 0, 10}, // digits, but not DIGIT
		{"seconds=1-2", 10, Whole, 0, 10},
		{"bytes 1-2", 10, Whole, 0, 10},
	}
	for _, tt := range tests {
		kind, first, length := ParseRange(tt.header, tt.size)
		if kind != tt.kind || first != tt.first || length != tt.length {
			t.Errorf("%q of %d: %d, %d+%d, want %d, %d+%d", tt.header, tt.size, kind, first, length, tt.kind, tt.first, tt.length)
		}
	}
}

// FuzzParseRange compares with a second reading of RFC 9110 §14.1.2 in numbers of any size.
func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=5-3", "bytes=0-1,3-4", "bytes=9223372036854775807-9223372036854775808", "BYTES=\t1-2 "} {
		f.Add(seed, int64(10))
	}
	f.Add("bytes=9223372036854775806-", int64(math.MaxInt64))
	grammar := regexp.MustCompile(`^(?i:bytes)=[ \t]*([0-9]*)-([0-9]*)[ \t]*$`)
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		kind, first, length := ParseRange(header, size)
		want := func(k RangeKind, from, n int64) {
			t.Helper()
			if kind != k || first != from || length != n {
				t.Fatalf("%q of %d: %d, %d+%d, want %d, %d+%d", header, size, kind, first, length, k, from, n)
			}
		}
		m := grammar.FindStringSubmatch(header)
		if m == nil || m[1] == "" && m[2] == "" {
			want(Whole, 0, size)
			return
		}
		end := big.NewInt(size)
		number := func(s string) *big.Int {
			n, _ := new(big.Int).SetString(s, 10)
			return n
		}
		if m[1] == "" {
			if n := number(m[2]); n.Sign() == 0 || size == 0 {
				want(Unsatisfiable, 0, 0)
			} else if n.Cmp(end) >= 0 {
				want(Part, 0, size)
			} else {
				want(Part, size-n.Int64(), n.Int64())
			}
			return
		}
		from := number(m[1])
		last := new(big.Int).Sub(end, big.NewInt(1))
		if m[2] != "" {
			to := number(m[2])
			// Numbers past any object are all alike to the parser.
			if to.IsInt64() && to.Cmp(from) < 0 {
				want(Whole, 0, size)
				return
			}
			if to.Cmp(last) < 0 {
				last = to
			}
		}
		if from.Cmp(end) >= 0 {
			want(Unsatisfiable, 0, 0)
			return
		}
		want(Part, from.Int64(), last.Int64()-from.Int64()+1)
	})
}

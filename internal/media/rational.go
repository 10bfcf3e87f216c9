package media

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Rational is an exact fraction: a frame rate in frames a second, a time base in
// seconds a tick, an aspect ratio. Den is never negative; Den 0 means unknown.
type Rational struct {
	Num int64 `json:"num"`
	Den int64 `json:"den"`
}

// R returns num/den in lowest terms with a non-negative denominator.
func R(num, den int64) Rational {
	if den == 0 {
		return Rational{}
	}
	if den < 0 {
		num, den = -num, -den
	}
	a, b := num, den
	if a < 0 {
		a = -a
	}
	for b != 0 {
		a, b = b, a%b
	}
	if a > 1 {
		num, den = num/a, den/a
	}
	return Rational{num, den}
}

// ParseRational reads "30000/1001", "30" or "1:1". Anything else is unknown (Den 0).
func ParseRational(s string) Rational {
	n, d, ok := strings.Cut(strings.Replace(s, ":", "/", 1), "/")
	if !ok {
		d = "1"
	}
	num, err1 := strconv.ParseInt(n, 10, 64)
	den, err2 := strconv.ParseInt(d, 10, 64)
	if err1 != nil || err2 != nil {
		return Rational{}
	}
	return R(num, den)
}

// Known reports whether r is a usable positive value.
func (r Rational) Known() bool { return r.Num > 0 && r.Den > 0 }

// Float returns r as a float64, for display and for ffmpeg arguments only. Unknown is 0.
func (r Rational) Float() float64 {
	if r.Den == 0 {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

// Inverse returns 1/r: a frame rate's frame duration, and back.
func (r Rational) Inverse() Rational { return R(r.Den, r.Num) }

// String returns "num/den".
func (r Rational) String() string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// Duration returns n ticks of time base r, rounded to the nearest nanosecond.
func (r Rational) Duration(n int64) time.Duration {
	return time.Duration(Rescale(n, r, Rational{1, int64(time.Second)}))
}

// Rescale converts n ticks of time base from into ticks of time base to, rounded
// to nearest, ties away from zero, with a 128-bit intermediate. It saturates
// rather than wraps. An unknown base gives 0.
func Rescale(n int64, from, to Rational) int64 { return NewScale(from, to).Of(n) }

// Scale is what converts ticks of one time base into those of another: Rescale of
// many. The zero Scale makes everything 0.
type Scale struct{ mul, div uint64 }

// NewScale returns the Scale between two time bases.
func NewScale(from, to Rational) Scale {
	if from.Den <= 0 || to.Num <= 0 || to.Den <= 0 || from.Num <= 0 {
		return Scale{}
	}
	num := R(from.Num, to.Num) // (from.Num*to.Den)/(from.Den*to.Num), reduced crosswise first
	den := R(to.Den, from.Den)
	mulHi, mul := bits.Mul64(uint64(num.Num), uint64(den.Num))
	divHi, div := bits.Mul64(uint64(num.Den), uint64(den.Den))
	if mulHi != 0 || divHi != 0 {
		return Scale{}
	}
	return Scale{mul, div}
}

// Of converts n ticks.
func (s Scale) Of(n int64) int64 {
	if s.div == 0 {
		return 0
	}
	neg := n < 0
	u := uint64(n)
	if neg {
		u = -u
	}
	const limit = int64(^uint64(0) >> 1)
	hi, lo := bits.Mul64(u, s.mul)
	lo, carry := bits.Add64(lo, s.div/2, 0)
	hi += carry
	out := limit
	if hi < s.div {
		if q, _ := bits.Div64(hi, lo, s.div); q <= uint64(limit) {
			out = int64(q)
		}
	}
	if neg {
		return -out
	}
	return out
}

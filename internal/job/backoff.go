package job

import "time"

// maxBackoff bounds the time between two tries of anything.
const maxBackoff = time.Minute

// backoff returns how long to wait after so many failures (1 is the first): base,
// doubled with each, at most maxBackoff, then 20 % less to 20 % more as jitter
// goes from 0 to 1, so that what failed together is not tried together.
func backoff(base time.Duration, failures int, jitter float64) time.Duration {
	d := base
	for i := 1; i < failures && d < maxBackoff; i++ {
		d *= 2
	}
	d = min(d, maxBackoff)
	return max(time.Millisecond, time.Duration(float64(d)*(0.8+0.4*jitter)))
}

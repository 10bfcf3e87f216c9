package ffmpeg

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Meter adds up what media processes take. It is safe for concurrent use.
type Meter struct {
	mu        sync.Mutex
	usage     Usage
	processes int
}

// Metered returns a context whose processes a new Meter counts, those that failed or
// were killed included.
func Metered(ctx context.Context) (context.Context, *Meter) {
	m := &Meter{}
	return context.WithValue(ctx, meterKey{}, m), m
}

type meterKey struct{}

// Total returns what the processes that have ended took together, and their number.
// Wall is the sum of theirs.
func (m *Meter) Total() (Usage, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.usage, m.processes
}

// Metering returns what the Meter of ctx has counted; nothing where there is none.
func Metering(ctx context.Context) (Usage, int) {
	if m, ok := ctx.Value(meterKey{}).(*Meter); ok {
		return m.Total()
	}
	return Usage{}, 0
}

// meter counts a process that ended.
func meter(ctx context.Context, u Usage) {
	m, ok := ctx.Value(meterKey{}).(*Meter)
	if !ok {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.usage.CPU, m.usage.Wall = m.usage.CPU+u.CPU, m.usage.Wall+u.Wall
	m.processes++
}

// tickTime is the kernel's unit of a process's times in /proc: USER_HZ is 100 on
// every architecture that Go runs on.
const tickTime = 10 * time.Millisecond

// cpuOf returns what a process and those below it have taken so far. The times of a
// process that is killed inside the sandbox reach nobody, so they are asked for
// before. What cannot be read counts as nothing.
func cpuOf(pid int) time.Duration {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return 0
	}
	// "pid (name) state …": the name may hold anything. utime, stime, cutime and
	// cstime are the fields 14 to 17.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var sum time.Duration
	for i := 11; i < 15 && i < len(fields); i++ {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		sum += time.Duration(n) * tickTime
	}
	children, _ := os.ReadFile(dir + "/task/" + strconv.Itoa(pid) + "/children")
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			sum += cpuOf(n)
		}
	}
	return sum
}

package ffmpeg

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// censusEvery is how often the processes of a sandbox are counted: the kernel holds
// neither the root user to a number of them, nor several of them to the memory that
// one may have.
const censusEvery = 250 * time.Millisecond

// tally is what a process and those below it are.
type tally struct {
	threads  int
	resident int64 // bytes of memory, what they share counted for each
}

// census counts a process and those below it, and stops beyond maxThreads. What
// vanishes meanwhile counts as nothing.
func census(pid int) tally {
	var t tally
	t.count(pid)
	return t
}

func (t *tally) count(pid int) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil || t.threads > maxThreads {
		return
	}
	// "pid (name) state …": the name may hold anything. num_threads is field 20, rss,
	// in pages, field 24.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 22 {
		return
	}
	threads, _ := strconv.Atoi(fields[17])
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	t.threads, t.resident = t.threads+threads, t.resident+pages*int64(os.Getpagesize())
	lists, _ := filepath.Glob(dir + "/task/[0-9]*/children")
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				t.count(n)
			}
		}
	}
}

package execution

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// measureEvery is how often the memory of a running environment is measured: at
// a few GB/s, which is what a process can touch, an environment is ended a
// quarter of a GB above its limit at the latest.
const measureEvery = 50 * time.Millisecond

// usage is what the processes of an environment take at one moment.
type usage struct {
	held      int64 // bytes that are theirs alone: heaps, stacks, shared memory
	peak      int64 // the most bytes they had resident, code of programs included
	processes int   // and threads
}

// measure reads the usage from the sandbox's own /proc, which lists its
// processes and no others; first is the id of its process 1. Without a sandbox
// it is that of the process alone.
func measure(first, pid int) usage {
	var sum usage
	if first == 0 {
		sum.add(filepath.Join("/proc", strconv.Itoa(pid)))
		return sum
	}
	// Until bubblewrap has made its root it is the machine's, with all its processes.
	root := filepath.Join("/proc", strconv.Itoa(first), "root")
	theirs, err := os.Stat(root + "/")
	if err != nil {
		return sum // it has just ended
	}
	if ours, err := os.Stat("/"); err != nil || os.SameFile(ours, theirs) {
		return sum
	}
	proc := filepath.Join(root, "proc")
	dir, err := os.Open(proc)
	if err != nil {
		return sum
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if name[0] >= '0' && name[0] <= '9' {
			sum.add(filepath.Join(proc, name))
		}
	}
	return sum
}

// add adds the process described in a folder of /proc. One that ends meanwhile adds nothing.
func (u *usage) add(dir string) {
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "RssAnon", "RssShmem":
			u.held += n << 10
		case "VmHWM":
			u.peak += n << 10
		case "Threads":
			u.processes += int(n)
		}
	}
}

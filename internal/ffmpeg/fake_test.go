package ffmpeg_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/internal/ffmpeg"
)

// The test binary plays two other parts, told apart by the name it is called by:
// an ffmpeg that misbehaves, and a server that is killed while it runs one.
const (
	fakeName   = "fake-ffmpeg"
	serverName = "fake-server"
)

func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case fakeName:
		os.Exit(fake(os.Args[1:]))
	case serverName:
		os.Exit(server(os.Args[1], os.Args[2]))
	}
	os.Exit(m.Run())
}

// fake does what the argument "fake=…" says, in ffmpeg's place.
func fake(args []string) int {
	progress := os.NewFile(3, "progress")
	report := func(frame int) {
		fmt.Fprintf(progress, "frame=%d\nfps=1.0\nout_time_us=%d\ntotal_size=1\nprogress=continue\n", frame, frame*40000)
	}
	mode := ""
	for _, a := range args {
		if m, ok := strings.CutPrefix(a, "fake="); ok {
			mode = m
		}
	}
	forever := func() int {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
		report(1)
		for {
			<-time.After(time.Hour)
		}
	}
	switch mode {
	case "hang":
		return forever()
	case "repeat": // alive, but going nowhere
		for {
			report(7)
			<-time.After(5 * time.Millisecond)
		}
	case "flood stderr":
		line := []byte(strings.Repeat("noise ", 20) + "\n")
		fmt.Fprintln(os.Stderr, "the beginning")
		for range 200_000 {
			os.Stderr.Write(line)
		}
		fmt.Fprintln(os.Stderr, "[x264 @ 0x55d0c0ffee00] the end of "+ffmpeg.SourcePath(0))
		return 1
	case "flood stdout":
		block := make([]byte, 1<<20)
		for {
			if _, err := os.Stdout.Write(block); err != nil {
				return 0
			}
		}
	case "flood progress":
		block := bytes.Repeat([]byte("x"), 1<<20)
		for range 20 {
			progress.Write(block)
		}
		fmt.Fprint(progress, "\nframe=-5\nframe=99999999999999999999\nframe=3\nprogress=end")
		return 0
	case "exit 139":
		report(3)
		return 139
	case "exit 255":
		return 255
	case "leave children":
		child := exec.Command("/usr/bin/sleep", "3600")
		child.Args[0] = args[len(args)-1] // the marker
		if err := child.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	case "leave a session": // a daemon: its own session, no descriptor of ours
		child := exec.Command("/usr/bin/sleep", "3600")
		child.Args[0] = args[len(args)-1]
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	case "spin":
		//lint:ignore SA5002 a process that does nothing but spin is what is wanted
		for {
		}
	case "big file":
		signal.Ignore(syscall.SIGXFSZ)
		if err := os.WriteFile("big", make([]byte, 2<<20), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	case "file at once":
		if err := os.WriteFile("a", make([]byte, 200<<10), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return 0
	case "no end": // ffmpeg 5.1 exits with 0 all the same
		fmt.Fprintln(os.Stderr, "Error writing trailer of /out/r0.mp4: No space left on device")
		return 0
	case "many files":
		for i := 0; ; i++ {
			if err := os.WriteFile(fmt.Sprintf("f%06d", i), []byte("x"), 0o600); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			report(i)
		}
	case "memory":
		var keep [][]byte
		for range 64 {
			keep = append(keep, bytes.Repeat([]byte{1}, 16<<20))
		}
		return len(keep) & 1
	case "look around":
		look(os.Stdout, args[len(args)-1])
		return 0
	}
	fmt.Fprintln(os.Stderr, "no such fake:", mode)
	return 99
}

// look prints what a program inside can see and do; secret is a host file and a
// host address, separated by a comma.
func look(w io.Writer, secret string) {
	var open []int
	for fd := range 256 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			open = append(open, fd)
		}
	}
	file, address, _ := strings.Cut(secret, ",")
	try := func(what string, err error) {
		if err == nil {
			fmt.Fprintln(w, what, "yes")
		} else {
			fmt.Fprintln(w, what, "no")
		}
	}
	_, err := os.ReadFile(file)
	try("read a host file", err)
	_, err = net.DialTimeout("tcp", address, time.Second)
	try("connect to the host", err)
	_, err = os.ReadFile(ffmpeg.SourcePath(0))
	try("read the source", err)
	try("write the source", os.WriteFile(ffmpeg.SourcePath(0), []byte("x"), 0o600))
	try("write the work folder", os.WriteFile(ffmpeg.OutputDir+"/made", []byte("x"), 0o600))
	try("write the root", os.WriteFile("/made", []byte("x"), 0o600))
	try("write shared memory", os.WriteFile("/dev/shm/made", []byte("x"), 0o600))
	try("write /usr", os.WriteFile("/usr/made", []byte("x"), 0o600))
	_, err = os.ReadDir("/proc/1")
	try("see processes", err)
	_, err = os.Stat("/etc/passwd")
	try("see /etc/passwd", err)
	try("make a namespace", syscall.Unshare(syscall.CLONE_NEWUSER))
	try("become root", syscall.Setuid(0))
	for _, call := range []struct {
		name string
		args [4]uintptr
		nr   uintptr
	}{
		{"open a socket", [4]uintptr{unix.AF_UNIX, unix.SOCK_STREAM}, unix.SYS_SOCKET},
		{"open a netlink socket", [4]uintptr{unix.AF_NETLINK, unix.SOCK_RAW}, unix.SYS_SOCKET},
		{"make a key", [4]uintptr{unix.KEYCTL_GET_KEYRING_ID, ^uintptr(0), 0}, unix.SYS_KEYCTL},
		{"load a program", [4]uintptr{0, 0, 0}, unix.SYS_BPF},
		{"make a ring", [4]uintptr{8, 0}, unix.SYS_IO_URING_SETUP},
		{"fault for itself", [4]uintptr{1}, unix.SYS_USERFAULTFD},
		{"trace", [4]uintptr{unix.PTRACE_TRACEME}, unix.SYS_PTRACE},
		{"mount", [4]uintptr{0, 0, 0, 0}, unix.SYS_MOUNT},
		{"change its personality", [4]uintptr{0xffffffff}, unix.SYS_PERSONALITY},
		{"clone into a namespace", [4]uintptr{unix.CLONE_NEWUSER | unix.CLONE_FS}, unix.SYS_CLONE},
	} {
		_, _, errno := unix.RawSyscall6(call.nr, call.args[0], call.args[1], call.args[2], call.args[3], 0, 0)
		fmt.Fprintln(w, "refused:", call.name, errno == unix.EPERM)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
	fmt.Fprintln(w, "refused: clone by a struct", errno == unix.ENOSYS)
	fmt.Fprintln(w, "descriptors", open)
	fmt.Fprintln(w, "user", os.Getuid(), os.Getgid())
	groups, _ := os.Getgroups()
	fmt.Fprintln(w, "groups", len(groups))
	fmt.Fprintln(w, "environment", len(os.Environ()), os.Getenv("SECRET"))
	fmt.Fprintln(w, "session", os.Getpid())
}

// server runs a fake that hangs, says so, and waits to be killed.
func server(fakePath, marker string) int {
	r, err := ffmpeg.New(ffmpeg.Config{FFmpegPath: fakePath, Unsandboxed: strings.HasPrefix(marker, "bare")})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	_, err = r.Run(context.Background(), ffmpeg.Command{
		Args:     []string{"fake=hang", marker},
		Limits:   ffmpeg.Limits{MemoryBytes: 1 << 46},
		Progress: func(ffmpeg.Progress) { fmt.Println("running") },
	})
	fmt.Println(err)
	return 1
}

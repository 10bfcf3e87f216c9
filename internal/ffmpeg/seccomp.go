package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// refusedCalls are the system calls that no decoder, encoder or container needs and
// that have been ways out of sandboxes: the kernel's programs, keys, tracing, other
// processes' memory, mounts and namespaces, asynchronous I/O, modules, clocks, and
// every socket. They fail with EPERM. The list is of what is refused, not of what is
// allowed: a new C library may use calls that nobody has listed here.
var refusedCalls = []uint32{
	unix.SYS_BPF, unix.SYS_USERFAULTFD, unix.SYS_PERF_EVENT_OPEN, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_MOVE_PAGES, unix.SYS_MIGRATE_PAGES,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_FANOTIFY_INIT, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_NFSSERVCTL,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_SYSLOG, unix.SYS_VHANGUP, unix.SYS_PERSONALITY,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR,
}

// Offsets of struct seccomp_data, whose arguments are 64 bits, little-endian here.
const (
	callNumber = 0
	callArch   = 4
	firstArg   = 16
	secondArg  = 24
)

// newNamespaces are the flags of clone that make a namespace.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// x32 is the bit of system calls of x86-64's third interface, which could go around
// the numbers.
const x32 = 0x40000000

// seccompProgram returns the filter of system calls that bubblewrap installs last, a
// classic BPF program (struct sock_filter). It is nil for processors it is not
// written for.
func seccompProgram(arch string) []byte {
	var audit uint32
	switch arch {
	case "amd64":
		audit = unix.AUDIT_ARCH_X86_64
	case "arm64":
		audit = unix.AUDIT_ARCH_AARCH64
	default:
		return nil
	}
	const (
		load      = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal     = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		atLeast   = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		anyOf     = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		answer    = unix.BPF_RET | unix.BPF_K
		allowed   = unix.SECCOMP_RET_ALLOW
		refused   = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		not       = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
		terminals = 0x5412 // TIOCSTI: typing into the terminal of whoever started the server
	)
	var out bytes.Buffer
	op := func(code uint16, ifTrue, ifFalse uint8, k uint32) {
		_ = binary.Write(&out, binary.LittleEndian, unix.SockFilter{Code: code, Jt: ifTrue, Jf: ifFalse, K: k})
	}
	op(load, 0, 0, callArch)
	op(equal, 1, 0, audit)
	op(answer, 0, 0, refused)
	op(load, 0, 0, callNumber)
	if arch == "amd64" {
		op(atLeast, 0, 1, x32)
		op(answer, 0, 0, refused)
	}
	for _, call := range refusedCalls {
		op(equal, 0, 1, call)
		op(answer, 0, 0, refused)
	}
	// clone3 has its flags in memory, where no filter can look; the C library takes
	// clone where it is not there.
	op(equal, 0, 1, unix.SYS_CLONE3)
	op(answer, 0, 0, not)
	op(equal, 0, 4, unix.SYS_CLONE)
	op(load, 0, 0, firstArg)
	op(anyOf, 0, 1, newNamespaces)
	op(answer, 0, 0, refused)
	op(answer, 0, 0, allowed)
	op(equal, 0, 4, unix.SYS_IOCTL)
	op(load, 0, 0, secondArg)
	op(equal, 0, 1, terminals)
	op(answer, 0, 0, refused)
	op(answer, 0, 0, allowed)
	op(answer, 0, 0, allowed)
	return out.Bytes()
}

// filterHere returns the filter for this machine's processor. On a kernel without
// filters bubblewrap fails, and so does every Run.
func filterHere() []byte { return seccompProgram(runtime.GOARCH) }

// filterPipe returns a pipe with the filter in it, for bubblewrap to read.
func filterPipe(program []byte) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	_, err = w.Write(program) // smaller than any pipe
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("write the filter: %w", err)
	}
	return r, nil
}

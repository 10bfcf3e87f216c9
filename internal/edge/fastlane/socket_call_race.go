//go:build race

package fastlane

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// The race detector takes reading what somebody has written as coming after it,
// but only where package syscall does both.

func readSocket(fd uintptr, b []byte) (int, unix.Errno)  { return call(syscall.Read, fd, b) }
func writeSocket(fd uintptr, b []byte) (int, unix.Errno) { return call(syscall.Write, fd, b) }

func call(do func(int, []byte) (int, error), fd uintptr, b []byte) (int, unix.Errno) {
	for {
		n, err := do(int(fd), b)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		var errno unix.Errno
		_ = errors.As(err, &errno)
		return max(n, 0), errno
	}
}

//go:build !race

package fastlane

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func readSocket(fd uintptr, b []byte) (int, unix.Errno)  { return call(unix.SYS_READ, fd, b) }
func writeSocket(fd uintptr, b []byte) (int, unix.Errno) { return call(unix.SYS_WRITE, fd, b) }

// call reads into or writes from b, which is not empty, and tries again when a signal came between.
func call(trap, fd uintptr, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		if errno == unix.EINTR {
			continue
		}
		return int(n), errno
	}
}

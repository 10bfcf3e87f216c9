package fastlane

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is a TCP connection read and written by raw system calls. The scheduler
// need not hear of them: on a socket that does not block they take microseconds,
// and telling it makes it wake other threads for nothing. One goroutine may read
// while another writes, no two do the same (below TLS, crypto/tls sees to that).
type socket struct {
	*net.TCPConn
	raw syscall.RawConn

	// The arguments and results of the functions below, which are made once.
	in, out           []byte
	got, put          int
	readErr, writeErr error
	read, write       func(fd uintptr) bool
}

func newSocket(tcp *net.TCPConn) (*socket, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{TCPConn: tcp, raw: raw}
	s.read = func(fd uintptr) bool {
		n, errno := readSocket(fd, s.in)
		if errno == unix.EAGAIN {
			return false
		}
		s.got, s.readErr = n, nil
		if errno != 0 {
			s.got, s.readErr = 0, &net.OpError{Op: "read", Net: "tcp", Addr: s.RemoteAddr(), Err: os.NewSyscallError("read", errno)}
		}
		return true
	}
	s.write = func(fd uintptr) bool {
		for s.put < len(s.out) {
			n, errno := writeSocket(fd, s.out[s.put:])
			switch {
			case errno == unix.EAGAIN:
				return false
			case errno != 0:
				s.writeErr = &net.OpError{Op: "write", Net: "tcp", Addr: s.RemoteAddr(), Err: os.NewSyscallError("write", errno)}
				return true
			}
			s.put += n
		}
		return true
	}
	return s, nil
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.in = p
	err := s.raw.Read(s.read)
	s.in = nil
	switch {
	case err != nil: // the deadline, or closed
		return 0, err
	case s.readErr != nil:
		return 0, s.readErr
	case s.got == 0:
		return 0, io.EOF
	}
	return s.got, nil
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.out, s.put, s.writeErr = p, 0, nil
	err := s.raw.Write(s.write)
	s.out = nil
	if err == nil {
		err = s.writeErr
	}
	return s.put, err
}

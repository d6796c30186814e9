package tlsstate

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// input holds the bytes that came from the kernel and have not been asked for
// yet. Its buffer comes from a pool and is held only while there are bytes in
// it: a connection that waits costs none.
type input struct {
	// Set at birth.
	conn   net.Conn
	sys    syscall.RawConn       // nil where conn is no socket of the kernel
	peekFD func(fd uintptr)      // built once: a closure a call would be garbage
	readFD func(fd uintptr) bool // the same
	pollFD func(fd uintptr)

	// Owned by the goroutine that reads.
	buf    *block // nil: empty
	r, w   int    // buf[r:w] is unread
	peeked int    // result of peekFD
	err    error  // result of readFD
}

// block is large enough for two records of TLS at their largest: where full
// ones come in a row, there are fewer system calls than records.
type block [2 * maxRecord]byte

var blocks = sync.Pool{New: func() any { return new(block) }}

func (in *input) init(conn net.Conn) {
	in.conn = conn
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	sys, err := sc.SyscallConn()
	if err != nil {
		return // closed already: the first Read says so
	}
	in.sys, in.peekFD, in.readFD = sys, in.peek, in.readReady
	in.pollFD = func(fd uintptr) { in.readReady(fd) }
}

func (in *input) len() int { return in.w - in.r }

func (in *input) bytes() []byte {
	if in.buf == nil {
		return nil
	}
	return in.buf[in.r:in.w]
}

// read gives out bytes that are here; it never waits.
func (in *input) read(p []byte) int {
	n := copy(p, in.bytes())
	in.skip(n)
	return n
}

// skip drops n bytes, and the buffer with the last one.
func (in *input) skip(n int) {
	in.r += n
	if in.r == in.w {
		in.release()
	}
}

func (in *input) release() {
	if in.buf != nil {
		blocks.Put(in.buf)
		in.buf = nil
	}
	in.r, in.w = 0, 0
}

// fill waits until there are bytes, and reads as many as one system call gives.
// It is called only when there are none.
func (in *input) fill() error {
	if in.sys == nil {
		in.buf = blocks.Get().(*block)
		n, err := in.conn.Read(in.buf[:])
		return in.filled(n, err)
	}
	if err := in.sys.Read(in.readFD); err != nil {
		return err
	}
	return in.err
}

// readReady is one attempt to read without waiting; false asks to be called
// again when there is something. While it waits there is no buffer.
func (in *input) readReady(fd uintptr) bool {
	in.buf = blocks.Get().(*block)
	n, err := readNow(int(fd), in.buf[:])
	if err == unix.EAGAIN {
		in.release()
		return false
	}
	if err != nil {
		err = &net.OpError{Op: "read", Net: "tcp", Source: in.conn.LocalAddr(), Addr: in.conn.RemoteAddr(), Err: os.NewSyscallError("read", err)}
	}
	in.err = in.filled(n, err)
	return true
}

// filled takes note of what a read gave.
func (in *input) filled(n int, err error) error {
	in.r, in.w = 0, n
	switch {
	case n > 0:
		return nil // an error comes again with the next read
	case err == nil:
		err = io.EOF
	}
	in.release()
	return err
}

// poll reads what the kernel has ready, without waiting, and tells whether
// that is anything. It is called only when there are no bytes here.
func (in *input) poll() bool {
	if in.sys != nil && in.inKernel() {
		in.sys.Control(in.pollFD)
	}
	return in.len() > 0
}

// inKernel tells whether the kernel has bytes for us. It takes none.
func (in *input) inKernel() bool {
	if in.sys == nil {
		return false
	}
	in.peeked = 0
	in.sys.Control(in.peekFD) // Control, as Read would fail once the deadline has passed
	return in.peeked > 0
}

// ended tells whether the peer has closed the connection and nothing of it is
// left to be read.
func (in *input) ended() bool {
	if in.sys == nil {
		return false
	}
	over := false
	err := in.sys.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		over = n == 0 && err == nil || err != nil && err != unix.EAGAIN && err != unix.EINTR
	})
	return over || err != nil
}

func (in *input) peek(fd uintptr) {
	in.peeked, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ)
}

func readNow(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

package tlsstate

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is one TCP connection, in clear or in TLS.
//
// One goroutine may read (Read, Pending) while another writes. What changes the
// socket's state (StartServer, StartClient, Shutdown) or tells it belongs to a
// time when nobody does. Deadlines and Close may come from anywhere, any time.
type Socket struct {
	// Set at birth.
	raw net.Conn
	in  input // owned by the goroutine that reads

	// Changed by StartServer, StartClient and Shutdown alone.
	tls   *tls.Conn // nil: in clear
	wire  *wire     // what tls or old stands on
	state State
	fault error // a change failed: nothing is read or written any more

	// Owned by the goroutine that reads.
	old     *tls.Conn // ended by Shutdown, its end not yet read
	readErr error     // TLS cannot be read any more
	peek    byte      // read from tls ahead of its time, if peeked
	peeked  bool

	// Under mu.
	mu              sync.Mutex
	readBy, writeBy time.Time // the user's deadlines

	closed atomic.Bool
}

// New takes over conn: nothing else may read, write or close it from now on.
func New(conn net.Conn) *Socket {
	s := &Socket{raw: conn}
	s.in.init(conn)
	return s
}

// State says how the socket is protected now.
func (s *Socket) State() State { return s.state }

// Read reads what comes next into p. The connection's end is io.EOF in clear.
// In TLS it is ErrCut, and the end of TLS is ErrCloseNotify; ErrClear, ErrFlood
// and errors of crypto/tls mean that the peer is no good. Past a deadline the
// error is os.ErrDeadlineExceeded, and Read can be called again.
func (s *Socket) Read(p []byte) (int, error) {
	switch {
	case s.fault != nil:
		return 0, s.fault
	case s.tls != nil:
		return s.readTLS(p)
	case s.old != nil:
		if s.readErr != nil {
			return 0, s.readErr
		}
		if err := s.drain(); err != nil {
			return 0, err
		}
	}
	if s.in.len() > 0 {
		return s.in.read(p), nil
	}
	return s.raw.Read(p)
}

// Write writes p: one system call, whatever the number of TLS records.
func (s *Socket) Write(p []byte) (int, error) {
	switch {
	case s.fault != nil:
		return 0, s.fault
	case s.tls == nil:
		return s.raw.Write(p)
	}
	s.wire.begin()
	n, err := s.tls.Write(p)
	if ferr := s.wire.flush(); ferr != nil && err == nil {
		n, err = 0, ferr
	}
	return n, err
}

// WriteBuffers writes what *b holds and takes from it what was written. In
// clear it is one writev; in TLS small pieces share a record.
func (s *Socket) WriteBuffers(b *net.Buffers) (int64, error) {
	switch {
	case s.fault != nil:
		return 0, s.fault
	case s.tls == nil:
		return b.WriteTo(s.raw)
	}
	s.wire.begin()
	n, err := s.writeJoined(b)
	if ferr := s.wire.flush(); ferr != nil && err == nil {
		n, err = 0, ferr
	}
	return n, err
}

func (s *Socket) writeJoined(b *net.Buffers) (total int64, err error) {
	piece := blocks.Get().(*block)
	defer blocks.Put(piece)
	for len(*b) > 0 {
		n := gather(piece[:16384], b)
		if n, err = s.tls.Write(piece[:n]); err != nil {
			return total, err
		}
		total += int64(n)
	}
	return total, nil
}

// gather moves the first bytes of *b to p.
func gather(p []byte, b *net.Buffers) (n int) {
	for len(*b) > 0 && n < len(p) {
		m := copy(p[n:], (*b)[0])
		n += m
		if (*b)[0] = (*b)[0][m:]; len((*b)[0]) == 0 {
			(*b)[0] = nil
			*b = (*b)[1:]
		}
	}
	return n
}

// Pending tells, without waiting, whether Read would give a byte at once. What
// is no data, as the end of the connection or a ticket in TLS, does not count.
// So a server may keep its reply back, to send it with the next one, exactly
// while Pending is true.
func (s *Socket) Pending() bool {
	switch {
	case s.fault != nil:
		return false
	case s.tls != nil:
		return s.pendingTLS()
	case s.old != nil:
		return s.readErr == nil && s.pendingOld()
	}
	return s.in.len() > 0 || s.in.inKernel()
}

// Quiet tells, without waiting, whether the connection stands as it was left: the
// peer has ended neither it nor TLS, and has sent no data. A client asks before
// it shuts TLS down, to know what came before from what comes of that.
func (s *Socket) Quiet() bool {
	return s.fault == nil && !s.Pending() && s.readErr == nil && !s.in.ended()
}

// SetReadDeadline ends every Read at t, the one under way too; zero: never.
// It outlasts the start and the end of TLS.
func (s *Socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readBy = t
	return s.raw.SetReadDeadline(t)
}

// SetWriteDeadline is SetReadDeadline for writing. A write in TLS that fails,
// by time as well, is the last one.
func (s *Socket) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeBy = t
	return s.raw.SetWriteDeadline(t)
}

func (s *Socket) restoreDeadlines() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw.SetReadDeadline(s.readBy)
	s.raw.SetWriteDeadline(s.writeBy)
}

// QuickAck makes the kernel acknowledge what comes next at once. A client calls
// it right after it wrote EHLO: else Nagle's algorithm there and the delayed
// acknowledgement here cost a full TLS 1.3 handshake 40 ms.
func (s *Socket) QuickAck() {
	if s.in.sys != nil {
		s.in.sys.Control(quickAck)
	}
}

func quickAck(fd uintptr) {
	unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
}

// LocalAddr is our end of the connection, as plain IPv4 where it is IPv4;
// the zero value where it has no IP address.
func (s *Socket) LocalAddr() netip.AddrPort { return unmapped(s.raw.LocalAddr()) }

// RemoteAddr is the peer's end, in the form of LocalAddr.
func (s *Socket) RemoteAddr() netip.AddrPort { return unmapped(s.raw.RemoteAddr()) }

// Close closes the TCP connection and ends a Read or Write under way. It sends
// nothing: who wants to part in order calls Shutdown first. Only the first
// call can return an error.
func (s *Socket) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.raw.Close()
}

func unmapped(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

package tlsstate

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// Socket is one TCP connection, in clear or in TLS.
//
// One goroutine may read while another writes. What changes the socket's
// state (StartServer, StartClient, Shutdown) and Pending belong to the one
// that reads, while nobody writes. Close may come from anywhere, at any time.
type Socket struct {
	// Set at birth.
	raw net.Conn
	in  input

	closed atomic.Bool
}

// New takes over conn: nothing else may read, write or close it from now on.
func New(conn net.Conn) *Socket {
	s := &Socket{raw: conn}
	s.in.init(conn)
	return s
}

// State says how the socket is protected now.
func (s *Socket) State() State { return State{} }

// Read reads what comes next into p. In clear io.EOF says that the peer ended
// the TCP connection in order.
func (s *Socket) Read(p []byte) (int, error) {
	if s.in.len() > 0 {
		return s.in.read(p), nil
	}
	return s.raw.Read(p)
}

// Write writes p.
func (s *Socket) Write(p []byte) (int, error) {
	return s.raw.Write(p)
}

// WriteBuffers writes what *b holds and leaves in it what could not be
// written. In clear it is one writev.
func (s *Socket) WriteBuffers(b *net.Buffers) (int64, error) {
	return b.WriteTo(s.raw)
}

// Pending tells, without blocking and without taking it, whether a byte that
// Read would give is there already: in the socket's own buffer or in the
// kernel's. The end of the connection is no byte.
func (s *Socket) Pending() bool {
	return s.in.len() > 0 || s.in.inKernel()
}

// SetReadDeadline ends every Read at t, the one under way too; zero: never.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.raw.SetReadDeadline(t) }

// SetWriteDeadline ends every write at t, the one under way too; zero: never.
func (s *Socket) SetWriteDeadline(t time.Time) error { return s.raw.SetWriteDeadline(t) }

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

package tlsstate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// StartServer starts TLS as its server: the reply to STARTTLS has been written
// (RFC 3207 4), or the port is one of TLS from the start.
//
// behind is what the caller has read and not used beyond the STARTTLS line. If
// there is any, or the socket has some, or something else than TLS comes, that
// is ErrClearBehind. by ends the handshake and replaces the deadlines while it
// lasts; zero leaves them. After an error the socket is good for Close alone.
func (s *Socket) StartServer(cfg *tls.Config, by time.Time, behind []byte) error {
	return s.start(cfg, by, behind, tls.Server)
}

// StartClient starts TLS as its client: the server's 220 to STARTTLS has been
// read, and behind is what the caller has beyond it. All else is as with
// StartServer.
func (s *Socket) StartClient(cfg *tls.Config, by time.Time, behind []byte) error {
	return s.start(cfg, by, behind, tls.Client)
}

func (s *Socket) start(cfg *tls.Config, by time.Time, behind []byte, role func(net.Conn, *tls.Config) *tls.Conn) error {
	if s.fault == nil {
		s.fault = s.handshake(cfg, by, behind, role)
	}
	return s.fault
}

func (s *Socket) handshake(cfg *tls.Config, by time.Time, behind []byte, role func(net.Conn, *tls.Config) *tls.Conn) error {
	switch {
	case s.tls != nil:
		return errors.New("cannot start TLS: it is on")
	case s.old != nil:
		return errors.New("cannot start TLS: nothing was read since the last TLS session")
	case len(behind) > 0 || s.in.len() > 0:
		return fmt.Errorf("cannot start TLS: %w", ErrClearBehind)
	}
	if !by.IsZero() {
		s.raw.SetDeadline(by)
		defer s.restoreDeadlines()
	}
	w := &wire{s: s, shaking: true}
	conn := role(w, cfg)
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", handshakeError(w, err))
	}
	w.shaking, w.begun = false, false
	s.wire, s.tls = w, conn
	s.state = describe(conn.ConnectionState())
	return nil
}

func handshakeError(w *wire, err error) error {
	switch {
	case errors.Is(err, ErrClear):
		return ErrClearBehind
	case w.ended:
		return ErrCut
	case err == io.EOF:
		return ErrCloseNotify
	}
	return err
}

// Shutdown ends TLS: it sends close_notify and waits for nothing. From now on
// Write writes in clear, and Read skips what is still under way from the TLS
// session until clear text comes. In clear it does nothing.
//
// It is the answer to ErrCloseNotify, the first half of a hand-over, and the
// orderly end before Close. A TLS session that failed otherwise cannot be left
// for clear text: its error is returned, and the socket is good for Close alone.
func (s *Socket) Shutdown() error {
	switch {
	case s.fault != nil || s.tls == nil:
		return s.fault
	case s.readErr != nil && s.readErr != ErrCloseNotify:
		s.fault = s.readErr
		return s.fault
	}
	if err := s.tls.CloseWrite(); err != nil {
		s.fault = fmt.Errorf("cannot end TLS: %w", err)
		return s.fault
	}
	s.wire.mute()
	if s.peeked {
		s.fault = ErrLate
	}
	if s.readErr == nil {
		s.old = s.tls
	}
	s.tls, s.readErr, s.state = nil, nil, State{}
	if s.old != nil && s.in.len() > 0 {
		s.drainHeld() // gives the buffer back, mostly: Close, which may be next, cannot
	}
	return s.fault
}

// readTLS is Read while TLS is on.
func (s *Socket) readTLS(p []byte) (int, error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case s.peeked:
		p[0], s.peeked = s.peek, false
		return 1 + s.readHeld(p[1:]), nil
	case s.readErr != nil:
		return 0, s.readErr
	}
	n, err := s.tls.Read(p)
	s.wire.pay(n)
	if err == nil || isTimeout(err) {
		return n, err
	}
	s.readErr = s.readError(err)
	return n, s.readErr
}

// readHeld is tls.Conn.Read with what is here already; an error waits in
// readErr. Not every error of tls.Conn comes twice.
func (s *Socket) readHeld(p []byte) int {
	if len(p) == 0 || s.readErr != nil {
		return 0
	}
	s.wire.hold = true
	n, err := s.tls.Read(p)
	s.wire.hold = false
	s.wire.pay(n)
	if err != nil && err != errHold {
		s.readErr = s.readError(err)
	}
	return n
}

func (s *Socket) readError(err error) error {
	switch {
	case s.wire.ended:
		return ErrCut
	case err == io.EOF:
		return ErrCloseNotify
	}
	return fmt.Errorf("TLS: %w", err)
}

// pendingTLS decrypts what is here until there is a byte of data.
func (s *Socket) pendingTLS() bool {
	if s.peeked || s.readErr != nil {
		return s.peeked
	}
	for {
		var one [1]byte
		if s.readHeld(one[:]) == 1 {
			s.peek, s.peeked = one[0], true
			return true
		}
		if s.readErr != nil || s.in.len() > 0 || !s.in.poll() {
			return false
		}
	}
}

// drain reads what is left of a TLS session that Shutdown ended, and leaves the
// input at the first byte of clear text. The records go through the old
// tls.Conn: only that knows which of them is the last.
func (s *Socket) drain() error {
	for s.old != nil {
		if s.in.len() == 0 {
			if err := s.in.fill(); err != nil {
				return s.drainError(err)
			}
		}
		if err := s.drainHeld(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Socket) drainError(err error) error {
	if err == io.EOF && !s.wire.frame.between() {
		s.readErr = ErrCut
		return s.readErr
	}
	return err
}

// drainHeld is drain with what is here already: at least one byte.
func (s *Socket) drainHeld() error {
	if s.wire.frame.between() && !isRecord(s.in.bytes()[0]) {
		s.old = nil // the peer went to clear text without close_notify
		return nil
	}
	s.wire.hold = true
	var one [1]byte
	_, err := s.old.Read(one[:])
	switch {
	case err == nil:
		s.readErr = ErrLate
	case err == io.EOF:
		s.old = nil
	case err != errHold:
		s.readErr = fmt.Errorf("TLS after its end: %w", err)
	}
	return s.readErr
}

// pendingOld drains what is here and tells whether clear text follows it.
func (s *Socket) pendingOld() bool {
	for s.old != nil {
		if s.in.len() == 0 && !s.in.poll() || s.drainHeld() != nil {
			return false
		}
	}
	return s.Pending()
}

// PeerCertificates are the peer's, its own first; nil in clear and without any.
// They are not to be changed.
func (s *Socket) PeerCertificates() []*x509.Certificate {
	if s.tls == nil {
		return nil
	}
	return s.tls.ConnectionState().PeerCertificates
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

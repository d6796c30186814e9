package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mtad/internal/auth"
)

// Sink is an SMTP server that accepts, counts and checks mail. Its exported
// fields are set before the first Serve and not changed afterwards.
type Sink struct {
	Delay      time.Duration // before each reply
	Rules      []Rule        // what is refused, and where it hangs up
	Keep       string        // folder to keep messages in, one file each; "" keeps none
	Verify     bool          // look at the checksums
	LMTP       bool
	Extensions []string // of EHLO; nil is DefaultExtensions

	TLS      *tls.Config // what STARTTLS is done with; nil: it is not offered
	AfterTLS string      // one of AfterTLSModes: what it does when the client shuts TLS down

	Auth *auth.Server // offered, and not demanded; nil: no AUTH

	// Record is told of each message that came whole, before the reply is
	// sent, by all connections at once. With it, SHA-256 is worked out.
	Record func(Entry)
	// Refuse, if set, is asked for the code that RCPT of an address is refused with; 0
	// accepts it.
	Refuse func(rcpt string) (code int)
	// Reports has Record get the text of what comes from the null sender too.
	Reports bool
	// Hangup is told when a connection ends.
	Hangup func(conn int, how Ending)

	mu        sync.Mutex
	listeners []net.Listener
	conns     map[net.Conn]bool
	seen      map[uint64]struct{}
	closed    bool
	keepErr   error
	enough    int64 // messages after which done is called; 0: never
	done      func()
	wg        sync.WaitGroup

	connections, messages, recipients, bytes atomic.Int64
	duplicates, corrupt, refused             atomic.Int64
	unverified                               atomic.Int64
	handshakes, resumed, shutdowns           atomic.Int64
	authenticated                            atomic.Int64
	latency                                  histogram
}

// Ending is how a connection came to its end.
type Ending uint8

const (
	Cut         Ending = iota // without QUIT
	CutHandedOn               // the same, after TLS was shut down and before the next MAIL: in a hand-over
	Quit
)

// DefaultExtensions is what the sink offers.
var DefaultExtensions = []string{"PIPELINING", "8BITMIME", "SIZE", "CHUNKING"}

var seed = maphash.MakeSeed()

// Enough has f called once n messages have had their reply, and possibly again
// for each one more. It is called before the first Serve; n = 0 is never.
func (s *Sink) Enough(n int64, f func()) { s.enough, s.done = n, f }

// Serve accepts on l until Close. It may be called for many listeners.
func (s *Sink) Serve(l net.Listener) error {
	if !s.own(l) {
		return net.ErrClosed
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			if s.isClosed() {
				return nil
			}
			if ne := net.Error(nil); errors.As(err, &ne) && !errors.Is(err, net.ErrClosed) {
				time.Sleep(10 * time.Millisecond) // out of descriptors
				continue
			}
			return err
		}
		n := int(s.connections.Add(1))
		if !s.track(conn) {
			conn.Close()
			return nil
		}
		go s.serve(conn, n)
	}
}

func (s *Sink) own(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, l)
	return !s.closed
}

func (s *Sink) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Sink) track(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.conns == nil {
		s.conns = map[net.Conn]bool{}
	}
	s.conns[conn] = true
	s.wg.Add(1)
	return true
}

func (s *Sink) serve(conn net.Conn, n int) {
	session := newSinkSession(s, conn, n)
	session.run()
	conn.Close()
	if s.Hangup != nil {
		s.Hangup(n, session.ending())
	}
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	s.wg.Done()
}

// Close closes all listeners and connections, and returns when every session
// has ended.
func (s *Sink) Close() {
	s.mu.Lock()
	s.closed = true
	for _, l := range s.listeners {
		l.Close()
	}
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// rule returns what is to be done to a verb instead of what it asks for.
func (s *Sink) rule(verb string) (Rule, bool) {
	for _, r := range s.Rules {
		if r.hits(verb) {
			return r, true
		}
	}
	return Rule{}, false
}

// account counts a message that was accepted for some recipients.
func (s *Sink) account(c *content, rcpts []string, now time.Time) {
	s.messages.Add(1)
	s.recipients.Add(int64(len(rcpts)))
	s.bytes.Add(c.size)
	if !c.sent.IsZero() {
		s.latency.add(now.Sub(c.sent))
	}
	if c.id == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[uint64]struct{}{}
	}
	for _, rcpt := range rcpts {
		var h maphash.Hash
		h.SetSeed(seed)
		h.WriteString(c.id)
		h.WriteByte(0)
		h.WriteString(rcpt)
		key := h.Sum64()
		if _, twice := s.seen[key]; twice {
			s.duplicates.Add(1)
		}
		s.seen[key] = struct{}{}
	}
}

// keepFile opens the file that one message is kept in.
func (s *Sink) keepFile(conn, n int) (io.WriteCloser, error) {
	return os.Create(filepath.Join(s.Keep, fmt.Sprintf("%06d-%06d.eml", conn, n)))
}

func (s *Sink) keepFailed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keepErr == nil {
		s.keepErr = err
	}
}

// Totals is what a sink has seen so far.
type Totals struct {
	Connections, Messages, Recipients, Bytes int64
	Duplicates                               int64   // recipients that got a message with the same id again
	Corrupt                                  int64   // messages whose checksum does not match (Verify)
	Unverified                               int64   // messages without a checksum (Verify)
	Refused                                  int64   // commands and messages refused by a rule
	Handshakes, Resumed, Shutdowns           int64   // of TLS; shutdowns by the client
	Authenticated                            int64   // times that a client proved who it is
	Latency                                  Latency // from X-Mtad-Sent to the end of the message
	KeepErr                                  error   // why messages could not be kept
}

// Totals may be called at any time.
func (s *Sink) Totals() Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Totals{
		Connections: s.connections.Load(), Messages: s.messages.Load(), Recipients: s.recipients.Load(), Bytes: s.bytes.Load(),
		Duplicates: s.duplicates.Load(), Corrupt: s.corrupt.Load(), Unverified: s.unverified.Load(), Refused: s.refused.Load(),
		Handshakes: s.handshakes.Load(), Resumed: s.resumed.Load(), Shutdowns: s.shutdowns.Load(),
		Authenticated: s.authenticated.Load(),
		Latency:       s.latency.latency(), KeepErr: s.keepErr,
	}
}

// WriteTo writes the totals for people.
func (t Totals) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "connections  %d\nmessages     %d (%d recipients, %d bytes)\n", t.Connections, t.Messages, t.Recipients, t.Bytes)
	fmt.Fprintf(&b, "duplicates   %d\ncorrupt      %d\nrefused      %d\n", t.Duplicates, t.Corrupt, t.Refused)
	if t.Unverified > 0 {
		fmt.Fprintf(&b, "unverified   %d without a checksum\n", t.Unverified)
	}
	if t.Handshakes > 0 {
		fmt.Fprintf(&b, "TLS sessions %d (%d resumed), %d shut down by the client\n", t.Handshakes, t.Resumed, t.Shutdowns)
	}
	if t.Authenticated > 0 {
		fmt.Fprintf(&b, "AUTH         %d succeeded\n", t.Authenticated)
	}
	if t.Latency.Count > 0 {
		fmt.Fprintf(&b, "MAIL to here %s\n", t.Latency)
	}
	if t.KeepErr != nil {
		fmt.Fprintf(&b, "not kept     %v\n", t.KeepErr)
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

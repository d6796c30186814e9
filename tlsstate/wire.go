package tlsstate

import (
	"io"
	"net"
	"sync"
	"time"
)

// wire is the connection as one TLS session sees it, between tls.Conn and the
// TCP connection. Four things set it apart from the TCP connection:
//
//   - Read never gives out more than the rest of the current record. tls.Conn
//     takes all it is given, and what follows a close_notify is not its own.
//   - It knows whether the TCP connection ended, where tls.Conn says io.EOF for
//     that and for a close_notify.
//   - What tls.Conn writes during one Write of the socket's user leaves as one
//     system call, and nothing leaves once the session is over.
//   - A peer that writes its part of the handshake piece by piece, with Nagle's
//     algorithm on, does not wait for delayed acknowledgements.
type wire struct {
	s *Socket // for its input and its TCP connection

	shaking bool // the handshake is on; changed when nobody reads or writes

	// Owned by the goroutine that reads.
	frame frame
	begun bool // in the handshake: the peer's answer has begun to come
	hold  bool // give only what is here: errHold instead of waiting
	ended bool // the TCP connection ended
	debt  int  // see charge

	// Under mu: tls.Conn also writes on its own while it reads.
	mu      sync.Mutex
	collect bool   // keep what is written until flush
	out     *block // what was kept: out[:n]
	n       int
	muted   bool  // the session is over: what is written goes nowhere
	err     error // first failure of a write, final: the peer has part of a record
}

// Read gives tls.Conn the next bytes of the current record.
func (w *wire) Read(p []byte) (int, error) {
	in := &w.s.in
	if in.len() == 0 {
		if w.hold {
			return 0, errHold
		}
		if w.begun {
			w.s.QuickAck() // Nagle's algorithm may hold the rest back until then
		}
		if err := in.fill(); err != nil {
			w.ended = err == io.EOF
			return 0, err
		}
		w.begun = w.shaking
	}
	b := in.bytes()
	if w.frame.between() {
		if err := w.enter(b[0]); err != nil {
			return 0, err
		}
	}
	n := w.frame.next(b[:min(len(b), len(p))])
	return in.read(p[:n]), nil
}

// enter decides whether a record that begins with b may begin.
func (w *wire) enter(b byte) error {
	if isRecord(b) {
		return w.charge()
	}
	if w.hold {
		return errHold // who holds looks at the next byte itself
	}
	return ErrClear
}

// A record costs its receiver work even where it carries nothing: empty ones,
// KeyUpdates, warnings, handshake messages in crumbs. Each costs recordCost
// bytes of credit, which the data that it brings pays back. crypto/tls ends a
// row of 16 records without data; this also ends a mix of them with crumbs of
// data (THREATS CE-20, CE-21; CVE-2016-8610).
const (
	recordCost = 8
	maxDebt    = 4096 * recordCost
)

func (w *wire) charge() error {
	if w.debt += recordCost; w.debt > maxDebt {
		return ErrFlood
	}
	return nil
}

func (w *wire) pay(data int) { w.debt = max(0, w.debt-data) }

// Write takes bytes from tls.Conn.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.muted:
		return len(p), nil
	case w.err != nil:
		return 0, w.err
	case !w.collect:
		return len(p), w.send(p)
	}
	if w.out == nil {
		w.out = blocks.Get().(*block)
	}
	for rest := p; len(rest) > 0; {
		n := copy(w.out[w.n:], rest)
		w.n, rest = w.n+n, rest[n:]
		if w.n == len(w.out) {
			if err := w.sendOut(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// begin keeps what is written from now on; flush sends it.
func (w *wire) begin() {
	w.mu.Lock()
	w.collect = true
	w.mu.Unlock()
}

func (w *wire) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.collect = false
	err := w.err
	if err == nil && w.n > 0 {
		err = w.sendOut()
	}
	if w.out != nil {
		blocks.Put(w.out)
		w.out = nil
	}
	return err
}

func (w *wire) sendOut() error {
	n := w.n
	w.n = 0
	return w.send(w.out[:n])
}

func (w *wire) send(p []byte) error {
	if w.shaking {
		w.begun = false
	}
	_, w.err = w.s.raw.Write(p)
	return w.err
}

// mute ends the session's way out: from now on the connection is in clear, and
// an answer to a KeyUpdate or an alert would be rubbish in it.
func (w *wire) mute() {
	w.mu.Lock()
	w.muted = true
	w.mu.Unlock()
}

// Close is there for the interface: tls.Conn.Close is never called.
func (w *wire) Close() error         { return w.s.Close() }
func (w *wire) LocalAddr() net.Addr  { return w.s.raw.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr { return w.s.raw.RemoteAddr() }

// Deadlines belong to the socket's user. tls.Conn.CloseWrite would leave the
// one for writing in the past.
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// errHold says that there is nothing to read just now. It is a temporary
// net.Error: tls.Conn keeps what it has of a record and can go on.
var errHold net.Error = holdError{}

type holdError struct{}

func (holdError) Error() string   { return "nothing to read yet" }
func (holdError) Timeout() bool   { return true }
func (holdError) Temporary() bool { return true }

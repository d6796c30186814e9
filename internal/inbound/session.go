package inbound

import (
	"cmp"
	"crypto/x509"
	"errors"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"

	"mtad/internal/auth"
	"mtad/internal/config"
	"mtad/internal/mainlog"
	"mtad/internal/smtp"
	"mtad/tlsstate"
)

// session is one connection. It belongs to the goroutine that runs Serve. While
// its client is silent it costs itself, its line buffer included: about 3 KB.
type session struct {
	// Set at birth.
	srv    *Server
	cfg    *config.Config
	auth   *auth.Server // nil: there is no AUTH
	sock   *tlsstate.Socket
	door   Listener
	client netip.AddrPort
	began  time.Time

	// What came and what goes out.
	in   smtp.LineReader
	out  *[]byte // replies not written yet; nil: none
	pace pace    // of the message under way

	// How it goes.
	over     bool
	err      error // how the connection failed
	insecure bool  // a security failure: nothing but QUIT from now on
	suspect  bool  // DATA was refused: a client that did not listen sends a message now
	last     string

	// What it has cost so far: perform.go.
	tally tally

	// What lists and the DNS say of the client.
	tls   tlsPolicy
	names names

	// Forgotten when TLS starts or ends.
	hello    hello
	identity identity
	relay    relayAnswer
	shown    *x509.Certificate // ours, in TLS

	// Forgotten with each transaction.
	txn transaction
}

func newSession(srv *Server, sock *tlsstate.Socket, door Listener) *session {
	cfg := cmp.Or(door.Config, srv.deps.Config())
	return &session{
		srv: srv, cfg: cfg, auth: srv.authenticators.of(cfg), sock: sock, door: door,
		client: sock.RemoteAddr(), began: time.Now(),
	}
}

// run greets, then takes command after command.
func (s *session) run() error {
	if s.door.TLS == "implicit" {
		s.implicitTLS()
	}
	if !s.over {
		s.greet()
	}
	for !s.over {
		line, err := s.nextLine()
		if err != nil {
			s.lineFailed(err)
			continue
		}
		v, reply := s.perform(line)
		s.suspect = v.name == "DATA" && reply.Code == 503
		if reply == silence {
			continue
		}
		countCommand(v, reply.Code)
		if s.over {
			break // the connection was lost
		}
		s.answer(s.limited(v, reply))
		if v.name == "DATA" && !s.over && s.in.Buffered() > 0 && !s.hello.pipelining {
			s.answer(s.outOfStep("input behind the end of a message, pipelining was not advertised", nil))
		}
	}
	if s.flush() == nil {
		s.part()
	}
	return s.err
}

// close gives back what an unfinished transaction holds.
func (s *session) close() {
	s.forgetTransaction()
	s.releaseOutput()
}

// greet sends the banner, to those who waited for it (RFC 5321 3.1, 4.3.1).
func (s *session) greet() {
	switch {
	case !s.admitted():
		rejectedHost.Inc()
		s.srv.deps.Log.ConnectionRefused(s.who(), hostRefused.Text)
		s.answer(hostRefused)
	case s.sock.Pending():
		rejectedPregreet.Inc()
		s.srv.deps.Log.SyncError(s.who(), "data before the banner", "")
		s.answer(syncError)
	default:
		s.answer(smtp.Reply{Code: 220, Text: s.banner()})
	}
}

func (s *session) banner() string {
	if v, err := s.expanded(s.cfg.SMTPBanner); err == nil && v.String() != "" {
		return v.String()
	}
	return s.cfg.PrimaryHostname + " ESMTP " + s.product()
}

// product is our name and version.
func (s *session) product() string {
	if s.srv.deps.Version == "" {
		return "mtad"
	}
	return "mtad " + s.srv.deps.Version
}

var errDraining = errors.New("draining")

// nextLine waits for a command. The deadline is that of the whole line, however
// slowly its bytes come; replies are held back while there are more commands to
// answer (RFC 2920 3.2).
func (s *session) nextLine() ([]byte, error) {
	if !s.in.Complete() {
		if err := s.flush(); err != nil {
			return nil, err
		}
		s.sock.SetReadDeadline(time.Now().Add(s.cfg.SMTPReceiveTimeout))
	}
	if s.srv.deps.Draining() { // behind the deadline, which Drain moves
		return nil, errDraining
	}
	return s.in.Next(s.sock)
}

// lineFailed ends the session, or answers a line that was none.
func (s *session) lineFailed(err error) {
	draining := s.srv.deps.Draining()
	switch {
	case err == smtp.ErrLineTooLong:
		s.answer(s.limited(&otherVerb, lineTooLong))
	case err == smtp.ErrLineEndless:
		s.drop(lineTooLong.ThenHangup(), "endless command line")
	case err == smtp.ErrLineBare:
		rejectedBareLine.Inc()
		s.drop(bareLine, bareLine.Text)
	case err == errDraining, draining && isTimeout(err):
		rejectedDraining.Inc()
		s.answer(s.named(shuttingDown))
	case err == tlsstate.ErrCloseNotify:
		s.tlsEnded(err)
	case isTimeout(err):
		rejectedTimeout.Inc()
		s.lost(mainlog.StageCommand, true)
		s.answer(s.named(commandTimeout))
	default:
		s.lost(mainlog.StageCommand, false)
		s.fail(err)
	}
}

// named puts our name in front of a 421, where RFC 5321 4.2.2 has it.
func (s *session) named(r smtp.Reply) smtp.Reply {
	return r.With(s.cfg.PrimaryHostname + " " + r.Text)
}

// fail ends a session whose connection is gone. Its end is no failure.
func (s *session) fail(err error) {
	s.over = true
	if err != io.EOF {
		s.err = err
	}
}

func (s *session) lost(stage mainlog.Stage, timeout bool) {
	s.srv.deps.Log.ConnectionLost(mainlog.Lost{
		Client: s.who(), Stage: stage, Sender: s.sender(),
		Timeout: timeout, After: time.Since(s.began),
	})
}

// drop answers for the last time, and tells the operator why.
func (s *session) drop(r smtp.Reply, reason string) {
	s.srv.deps.Log.Dropped(s.who(), reason, s.last)
	s.answer(r)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// maxOut is how much of replies is held back.
const maxOut = 4096

var outPool = sync.Pool{New: func() any { b := make([]byte, 0, maxOut+1024); return &b }}

// answer adds a reply to what goes out with the next flush.
func (s *session) answer(r smtp.Reply) {
	if s.out == nil {
		s.out = outPool.Get().(*[]byte)
	}
	*s.out = r.Append(*s.out, s.hello.enhanced)
	s.over = s.over || r.Hangup
	if len(*s.out) > maxOut {
		s.flush()
	}
}

// flush writes the replies that wait. A client that does not read them is given
// as long as one that does not write.
func (s *session) flush() error {
	if s.out == nil {
		return nil
	}
	s.sock.SetWriteDeadline(time.Now().Add(s.cfg.SMTPReceiveTimeout))
	_, err := s.sock.Write(*s.out)
	s.releaseOutput()
	if err != nil {
		s.fail(err)
	}
	return err
}

func (s *session) releaseOutput() {
	if s.out == nil {
		return
	}
	if cap(*s.out) <= 4*maxOut {
		*s.out = (*s.out)[:0]
		outPool.Put(s.out)
	}
	s.out = nil
}

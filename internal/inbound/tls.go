package inbound

import (
	"crypto/tls"
	"fmt"
	"time"

	"mtad/internal/certs"
	"mtad/internal/expand"
	"mtad/internal/lists"
	"mtad/internal/mainlog"
	"mtad/internal/policy"
	"mtad/internal/smtp"
)

// TLS in a session, chapter 38.1:
//
//	clear ── STARTTLS, or the port is one of TLS ──▶ handshake ──▶ TLS: all that was said before is forgotten
//	  ▲                                                 │ fails       │
//	  │                                                 ▼             │
//	  └──────────── close_notify between commands ── closed ◀─────────┘ close_notify anywhere else, or a cut

// tlsPolicy is what the lists say of TLS with this client, asked once.
type tlsPolicy struct {
	asked    bool
	offered  bool // tls_advertise_hosts, tls_hosts
	required bool // tls_hosts
}

func (s *session) tlsPolicy() tlsPolicy {
	if !s.tls.asked {
		required := policy.Demands(s.ask(s.cfg.TLSHosts))
		s.tls = tlsPolicy{true, required || policy.Demands(s.ask(s.cfg.TLSAdvertiseHosts)), required}
	}
	return s.tls
}

func (s *session) ask(l *lists.HostList) lists.Answer { return l.Match(s.host()).Answer }

// offersTLS: S1.
func (s *session) offersTLS() bool {
	return s.door.TLS == "starttls" && !s.sock.State().On && s.tlsPolicy().offered
}

// mustStartTLS: S10.
func (s *session) mustStartTLS() bool { return !s.sock.State().On && s.tlsPolicy().required }

// starttls answers STARTTLS and has the handshake behind it (RFC 3207 4). It
// needs no EHLO: a client that has ended TLS may start it again straight away.
func starttls(s *session, _ []byte) smtp.Reply {
	switch {
	case s.sock.State().On:
		return alreadyTLS
	case !s.offersTLS():
		return startTLSRefused
	case s.in.Buffered() > 0 || s.sock.Pending(): // CVE-2011-0411
		return s.injected()
	}
	cfg, err := s.tlsConfig()
	if err != nil {
		tlsHandshakes.failed("unavailable")
		s.srv.deps.Log.TLSFailed(s.who(), "TLS cannot be offered: "+err.Error(), 0)
		s.forgetTransaction()
		s.insecure = true
		return tlsUnavailable
	}
	s.answer(tlsGoAhead)
	if s.flush() == nil {
		countCommand(byName["STARTTLS"], tlsGoAhead.Code)
		s.handshake(cfg)
	}
	return silence
}

// injected ends a session in which bytes in clear stand behind STARTTLS: they
// may be somebody else's than the client's.
func (s *session) injected() smtp.Reply {
	rejectedInjection.Inc()
	s.srv.deps.Log.SyncError(s.who(), "clear text behind STARTTLS", string(s.in.Peek(128)))
	return securityFailure.ThenHangup()
}

// maxHandshake bounds a handshake where smtp_receive_timeout is longer.
const maxHandshake = time.Minute

// handshake starts TLS, or ends the connection: after a failure its bytes are
// in step no more.
func (s *session) handshake(cfg *tls.Config) bool {
	began := time.Now()
	err := s.sock.StartServer(cfg, began.Add(min(s.cfg.SMTPReceiveTimeout, maxHandshake)), s.in.Peek(1))
	took := time.Since(began)
	if err != nil {
		reason := certs.ReasonOf(err)
		tlsHandshakes.failed(string(reason))
		s.srv.deps.Log.TLSFailed(s.who(), string(reason)+": "+certs.Explain(err), took)
		s.over = true
		return false
	}
	tlsHandshakes.succeeded(s.sock.State(), took)
	s.beginAnew()
	if len(cfg.Certificates) > 0 {
		s.shown = cfg.Certificates[0].Leaf
	}
	return true
}

// beginAnew forgets all that the client said (RFC 3207 4.2), and what followed
// from it.
func (s *session) beginAnew() {
	s.forgetTransaction()
	s.hello, s.identity, s.relay, s.shown = hello{}, identity{}, relayAnswer{}, nil
	s.suspect = false
}

// implicitTLS begins a session on a port of TLS.
func (s *session) implicitTLS() {
	cfg, err := s.tlsConfig()
	if err != nil {
		tlsHandshakes.failed("unavailable")
		s.srv.deps.Log.TLSFailed(s.who(), "TLS cannot be had: "+err.Error(), 0)
		s.over = true
		return
	}
	s.handshake(cfg)
}

// tlsConfig expands the options for this client. What is for tls_verify_hosts
// is left out for all others.
func (s *session) tlsConfig() (*tls.Config, error) {
	o := certs.Server{Groups: s.cfg.TLSGroups}
	err := s.fileOption(&o.Certificate, "tls_certificate", s.cfg.TLSCertificate)
	if err == nil {
		err = s.fileOption(&o.PrivateKey, "tls_privatekey", s.cfg.TLSPrivateKey)
	}
	if policy.Demands(s.ask(s.cfg.TLSVerifyHosts)) {
		if err == nil {
			err = s.fileOption(&o.VerifyCertificates, "tls_verify_certificates", s.cfg.TLSVerifyCertificates)
		}
		if err == nil {
			var v expand.Value
			if v, err = s.expanded(s.cfg.TLSVerifyCiphers); err != nil {
				err = fmt.Errorf("tls_verify_ciphers: %w", err)
			}
			o.Ciphers = v.String()
		}
	}
	if err != nil {
		return nil, err
	}
	return s.srv.deps.Certs.Server(o)
}

// fileOption expands an option that names a file: the network has no say in it.
func (s *session) fileOption(to *string, name string, o *expand.String) error {
	v, err := s.expanded(o)
	if err == nil {
		*to, err = v.FileName()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// tlsEnded answers a close_notify between two commands: the session goes on in
// clear, from the state before EHLO (S14). Half a command or half a message is
// none, and where only TLS may be there is no way back.
func (s *session) tlsEnded(err error) {
	if s.in.Buffered() > 0 || s.txn.chunks != nil || s.door.TLS == "implicit" {
		s.lost(mainlog.StageCommand, false)
		s.fail(err)
		return
	}
	s.releaseOutput()
	s.sock.SetWriteDeadline(time.Now().Add(s.cfg.SMTPReceiveTimeout))
	if err := s.sock.Shutdown(); err != nil {
		s.lost(mainlog.StageCommand, false)
		s.fail(err)
		return
	}
	s.beginAnew()
}

// part ends TLS in order before the connection is closed.
func (s *session) part() {
	if s.sock.State().On {
		s.sock.SetWriteDeadline(time.Now().Add(refuseTimeout))
		s.sock.Shutdown() // the connection is closed next, whatever comes of it
	}
}

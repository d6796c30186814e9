package inbound

import (
	"bytes"
	"context"
	"strings"
	"time"

	"mtad/internal/auth"
	"mtad/internal/mainlog"
	"mtad/internal/policy"
	"mtad/internal/smtp"
	"mtad/tlsstate"
)

// AUTH in a session (RFC 4954):
//
//	nobody ── AUTH ─▶ dialogue: 334 and a line, as often as the mechanism wants ─▶ 235: identity
//	   ▲                  │                                                           │
//	   └── 5xx, 454, "*" ─┘            TLS starts or ends ◀───────────────────────────┘
//
// What the lines mean is internal/auth's. No line of a dialogue is ever logged, and
// none stays in the session's buffer.

// identity is whom the client has proved to be. The zero value is nobody.
type identity struct {
	authenticator string // its name: A=, $sender_host_authenticated
	id            string // $authenticated_id
}

// known reports somebody.
func (i identity) known() bool { return i.authenticator != "" }

// maxAuthFailures in a session; one more ends it.
const maxAuthFailures = 3

// offersAuth: S12.
func (s *session) offersAuth() bool {
	return !s.identity.known() && s.auth != nil && !s.mustHideAuth() && len(s.mechanisms()) > 0
}

// mustHideAuth: the client must be in TLS before it may say its secret.
func (s *session) mustHideAuth() bool {
	return !s.sock.State().On && policy.Demands(s.ask(s.cfg.AuthOverTLSHosts))
}

func (s *session) mechanisms() []string { return s.auth.Mechanisms(s.authSession()) }

func (s *session) mechanismList() string { return strings.Join(s.mechanisms(), " ") }

// authSession is what a dialogue has to know of the session.
func (s *session) authSession() auth.Session {
	of := auth.Session{Host: s.client.Addr(), Env: s, Bindings: auth.Bindings(s.sock, s.shown)}
	if certs := s.sock.PeerCertificates(); len(certs) > 0 { // verified: nobody else's is asked for
		of.PeerName = auth.PeerName(certs[0])
	}
	return of
}

// authenticate has the dialogue of AUTH.
func authenticate(s *session, arg []byte) smtp.Reply {
	s.tally.auths++
	defer s.in.Wipe()
	if r, refused := s.refuseAuth(); refused {
		return r
	}
	name, initial, has := bytes.Cut(arg, []byte{' '})
	if len(name) == 0 || bytes.IndexByte(initial, ' ') >= 0 {
		return wantsMechanism
	}
	if s.flush() != nil { // while a secret is verified nobody waits for an earlier answer
		return silence
	}
	mechanism := strings.ToUpper(string(name))
	d, step := s.auth.Begin(context.Background(), s.authSession(), mechanism, string(initial), has)
	for step.Outcome == auth.Challenge {
		s.answer(step.Reply())
		line, err := s.dialogueLine()
		if err != nil {
			return s.dialogueFailed(mechanism, err)
		}
		step = d.Next(context.Background(), string(line))
	}
	return s.settleAuth(mechanism, step)
}

func (s *session) refuseAuth() (smtp.Reply, bool) {
	switch {
	case s.identity.known():
		return authTwice, true
	case !s.hello.auth:
		return authRefused, true
	case s.txn.env != nil:
		return authInMail, true
	}
	return smtp.Reply{}, false
}

// dialogueLine waits for what the client answers to a challenge.
func (s *session) dialogueLine() ([]byte, error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	s.sock.SetReadDeadline(time.Now().Add(s.cfg.SMTPReceiveTimeout))
	if s.srv.deps.Draining() {
		return nil, errDraining
	}
	return s.in.NextLong(s.sock, auth.MaxLine+len("\r\n"))
}

// dialogueFailed ends a dialogue whose next line is none. A TLS session that
// ends in the middle takes the connection with it (S14).
func (s *session) dialogueFailed(mechanism string, err error) smtp.Reply {
	switch {
	case err == smtp.ErrLineTooLong:
		countAuth(mechanism, auth.Malformed)
		return authLineTooLong
	case err == tlsstate.ErrCloseNotify:
		s.lost(mainlog.StageAuth, false)
		s.fail(err)
	default:
		s.lineFailed(err)
	}
	return silence
}

// settleAuth answers the end of a dialogue.
func (s *session) settleAuth(mechanism string, step auth.Step) smtp.Reply {
	if step.Outcome == auth.Unknown {
		mechanism = "other"
	}
	countAuth(mechanism, step.Outcome)
	r := step.Reply()
	switch step.Outcome {
	case auth.Done:
		s.identity = identity{step.Authenticator, step.ID}
		s.relay = relayAnswer{}
		return r
	case auth.Cancelled:
		return r
	}
	s.srv.deps.Log.AuthFailed(mainlog.AuthFailure{
		Client: s.who(), Authenticator: step.Authenticator, User: step.User, Text: r.Error() + " (" + step.Reason + ")",
	})
	s.srv.hold(step.Delay)
	if s.tally.guesses++; s.tally.guesses > maxAuthFailures {
		rejectedGuesses.Inc()
		return s.dropped(tooManyGuesses)
	}
	return r
}

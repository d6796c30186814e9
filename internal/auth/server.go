package auth

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/xdg-go/scram"

	"mtad/internal/expand"
)

// Authenticator is one [[authenticator]] as server. Its fields are set before
// its first use and never changed.
type Authenticator struct {
	Name       string // of the section
	Driver     string // "plaintext", "cram_md5", "scram" or "external"
	PublicName string // "PLAIN"; a scram one is offered as SCRAM-SHA-256, and -PLUS where there is TLS
	Users      *Users // server_users; nil: Condition or Secret decides

	Prompts   []string // server_prompts; nil: what PublicName asks for
	Condition Expand   // server_condition; nil: nobody, unless Users decides
	SetID     Expand   // server_set_id; nil: the name that was proved
	Secret    Expand   // server_secret, of cram_md5
	Advertise Expand   // server_advertise_condition, in which there is no $auth1; nil: to everybody
}

// Expand is an option that is expanded for a session. vars[0] is $auth1.
type Expand func(of expand.Env, vars []string) (string, error)

// Session is what is known of the session that wants to authenticate.
type Session struct {
	Host     netip.Addr             // guessing is counted by it
	PeerName string                 // the name in the verified client certificate; "": there is none
	Bindings []scram.ChannelBinding // of its TLS, best first (Bindings); nil in clear
	Env      expand.Env             // what expansions find
}

// Server serves the authenticators of one configuration. It is safe for
// concurrent use.
type Server struct {
	Hostname       string // in the challenge of CRAM-MD5
	Authenticators []*Authenticator
	Guesses        *Guesses         // nil: nothing is counted
	Costs          *Costs           // bounds what is hashed at a time; one for the process
	Now            func() time.Time // nil: time.Now

	nonce func() string // of SCRAM; nil: random
}

// Mechanisms is what EHLO offers to this session, in the configured order.
func (s *Server) Mechanisms(of Session) []string {
	var names []string
	for _, a := range s.Authenticators {
		if a.allowed(of) {
			names = append(names, a.mechanisms(of)...)
		}
	}
	return names
}

// allowed is server_advertise_condition: all but a no offers, also Debian's "*".
// One that fails to expand does not.
func (a *Authenticator) allowed(of Session) bool {
	if a.Advertise == nil {
		return true
	}
	result, err := a.Advertise(of.Env, nil)
	yes, known := truth(result)
	return err == nil && (yes || !known)
}

func (a *Authenticator) mechanisms(of Session) []string {
	switch {
	case a.Driver == "scram" && len(of.Bindings) > 0:
		return []string{scramPlus, scramPlain}
	case a.Driver == "scram":
		return []string{scramPlain}
	case a.Driver == "external" && of.PeerName == "":
		return nil
	}
	return []string{strings.ToUpper(a.PublicName)}
}

func (s *Server) find(mechanism string, of Session) *Authenticator {
	for _, a := range s.Authenticators {
		if !a.allowed(of) {
			continue
		}
		for _, name := range a.mechanisms(of) {
			if strings.EqualFold(name, mechanism) {
				return a
			}
		}
	}
	return nil
}

// Dialogue is one AUTH command up to its end. It belongs to its session.
type Dialogue struct {
	server  *Server
	auth    *Authenticator
	session Session
	next    responder // nil: it is over
}

// responder takes what the client said, decoded, and returns who takes its
// next line.
type responder func(ctx context.Context, data string) (Step, responder)

// mechanism begins the dialogue. first is the initial response where has.
type mechanism func(d *Dialogue, ctx context.Context, first string, has bool) (Step, responder)

// Begin starts the dialogue of AUTH: args are mechanism and initial response
// in base64 ("=" is an empty one; RFC 4954 4), has says whether there is one.
// It may wait for its turn to hash, as Next may, no longer than ctx and Costs allow.
func (s *Server) Begin(ctx context.Context, of Session, mechanism, initial string, has bool) (*Dialogue, Step) {
	a := s.find(mechanism, of)
	if a == nil {
		return nil, Step{Outcome: Unknown, Reason: "no such mechanism for this session"}
	}
	d := &Dialogue{server: s, auth: a, session: of}
	if wait := s.backoff(of.Host, ""); wait > 0 {
		return d, d.settle(Step{Outcome: Temporary, Reason: "too many failures of this host"}, nil)
	}
	first, ok := "", true
	if has && initial != "=" {
		first, ok = decode(initial)
		ok = ok && initial != "" // an empty one is written "="
	}
	if !ok {
		return d, d.settle(malformed("the initial response is not base64 or too long"), nil)
	}
	step, next := a.begin(mechanism)(d, ctx, first, has)
	return d, d.settle(step, next)
}

// Next takes the client's next line, without CRLF.
func (d *Dialogue) Next(ctx context.Context, line string) Step {
	next := d.next
	if next == nil {
		return Step{Outcome: Malformed, Authenticator: d.auth.Name, Reason: "the dialogue is over"}
	}
	d.next = nil
	if line == "*" {
		return d.settle(Step{Outcome: Cancelled, Reason: "cancelled by the client"}, nil)
	}
	data, ok := decode(line)
	if !ok {
		return d.settle(malformed("a response is not base64 or too long"), nil)
	}
	step, next := next(ctx, data)
	return d.settle(step, next)
}

func (d *Dialogue) settle(s Step, next responder) Step {
	s.Authenticator = d.auth.Name
	if s.Outcome == Challenge {
		d.next = next
	}
	return s
}

func malformed(reason string) Step { return Step{Outcome: Malformed, Reason: reason} }
func rejected(reason string) Step  { return Step{Outcome: Rejected, Reason: reason} }

func (a *Authenticator) begin(name string) mechanism {
	switch a.Driver {
	case "cram_md5":
		return beginCRAM
	case "scram":
		return beginSCRAM(strings.EqualFold(name, scramPlus))
	case "external":
		return beginExternal
	}
	return beginPlaintext
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Server) backoff(host netip.Addr, user string) time.Duration {
	if s.Guesses == nil {
		return 0
	}
	return s.Guesses.Wait(s.now(), host, user)
}

// judge ends the dialogue: verify is asked unless the user is backing off, and
// its answer is counted.
func (d *Dialogue) judge(user string, vars []string, verify func() (bool, error)) Step {
	s := d.server
	if wait := s.backoff(d.session.Host, user); wait > 0 {
		return Step{Outcome: Temporary, Reason: "too many failures for this user"}
	}
	ok, err := verify()
	if err != nil {
		return Step{Outcome: Temporary, Reason: err.Error()}
	}
	if !ok {
		return d.failed(user, "wrong name or secret")
	}
	if s.backoff(d.session.Host, user) > 0 { // many sessions guessed at once: none of them gains by it
		return Step{Outcome: Temporary, Reason: "too many failures meanwhile"}
	}
	id := user
	if d.auth.SetID != nil {
		if id, err = d.auth.SetID(d.session.Env, vars); err != nil {
			return Step{Outcome: Temporary, Reason: "server_set_id cannot be expanded"}
		}
	}
	if s.Guesses != nil {
		s.Guesses.Succeeded(s.now(), d.session.Host, user)
	}
	return Step{Outcome: Done, ID: id}
}

// failed counts a failure of this host and user.
func (d *Dialogue) failed(user, reason string) Step {
	step := rejected(reason)
	step.User = user
	if d.server.Guesses != nil {
		step.Delay = d.server.Guesses.Failed(d.server.now(), d.session.Host, user)
	}
	return step
}

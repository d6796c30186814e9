package outbound

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mtad/internal/auth"
	"mtad/internal/config"
	"mtad/internal/expand"
	"mtad/internal/lists"
	"mtad/internal/smtp"
)

// Auth is what a transport wants of AUTH with one host.
type Auth struct {
	Try     string       // the item of hosts_try_auth that the host is; "" where it is none
	Require string       // the same of hosts_require_auth
	Client  *auth.Client // shared by all sessions
	// Credentials are those for a host, expanded just before they are used.
	Credentials func(Target) ([]auth.Credential, error)
}

// AuthFacts is all that the choice about AUTH depends on: what the lists say, and
// what happened so far.
type AuthFacts struct {
	Try, Require string // as in Auth
	HandedOn     bool   // not the first message of its connection
	Done         bool   // authenticated
	Failed       string // why that was not to be had
	Untrusted    bool   // the server claims a success that it cannot prove
}

// AuthChoice is what comes next.
type AuthChoice uint8

const (
	AuthGoOn     AuthChoice = iota // as the session is now
	Authenticate                   // choose a mechanism, say AUTH
	AuthLeave                      // the next host, or later
)

// Choose says what comes next, and why in words. It is the client's half of SPEC 7.
func (a *AuthFacts) Choose() (AuthChoice, string) {
	switch {
	case a.Done:
		return AuthGoOn, "authenticated"
	case a.Try == "" && a.Require == "":
		return AuthGoOn, "the host is not in hosts_try_auth or hosts_require_auth"
	case a.Failed == "" && a.Require != "":
		return Authenticate, "the host is in hosts_require_auth (" + strconv.Quote(a.Require) + ")"
	case a.Failed == "":
		return Authenticate, "the host is in hosts_try_auth (" + strconv.Quote(a.Try) + ")"
	case a.Untrusted:
		return AuthLeave, a.Failed
	case a.Require != "":
		return AuthLeave, a.Failed + "; the host is in hosts_require_auth (" + strconv.Quote(a.Require) + ")"
	case a.HandedOn: // H3
		return AuthLeave, "the connection was handed on, and now " + a.Failed
	}
	return AuthGoOn, "unauthenticated: " + a.Failed
}

// Facts is what is known before a session: what the configuration says.
func (a *Auth) Facts() AuthFacts { return AuthFacts{Try: a.Try, Require: a.Require} }

// authenticate does one AUTH (RFC 4954), with the strongest mechanism that both
// sides have. A refusal is noted, and AuthFacts.Choose says what it means; a line
// that is lost, or closed with 421, is a fault of its own.
func (w *wire) authenticate(p *progress) *Fault {
	choices, err := w.exchanges()
	if err != nil {
		p.auth.Failed = printable(err.Error())
		countAuth("none", "failed")
		return nil
	}
	for _, x := range choices {
		code, f := w.dialogue(p, x)
		switch {
		case f != nil && (f.Busy || w.conn.failed):
			countAuth(x.Mechanism, "failed")
			return f
		case p.auth.Done:
			countAuth(x.Mechanism, "done")
			w.conn.Authenticator = x.Name
			return nil
		}
		countAuth(x.Mechanism, "failed")
		if code != 504 && code != 534 || p.auth.Untrusted {
			return nil
		}
	}
	return nil
}

// exchanges are the dialogues to try, strongest first.
func (w *wire) exchanges() ([]*auth.Exchange, error) {
	credentials, err := w.set.Auth.Credentials(w.conn.Target)
	if err != nil {
		return nil, err
	}
	sock := w.conn.Socket
	of := auth.Channel{TLS: sock.State().On, Certificate: sock.State().On && w.conn.Certificate}
	if peers := sock.PeerCertificates(); len(peers) > 0 {
		of.Bindings = auth.Bindings(sock, peers[0])
	}
	return w.set.Auth.Client.Choose(w.conn.Extensions.Auth, of, credentials)
}

// dialogue speaks one mechanism to its end, and notes in p how that was. code is
// that of the last reply.
func (w *wire) dialogue(p *progress, x *auth.Exchange) (code int, f *Fault) {
	after := "AUTH " + x.Mechanism // what is said to the log
	line := "AUTH " + x.Start()
	var said []string
	for {
		said = append(said, line)
		a, challenge, f := w.turn(p.scope, after, line)
		switch {
		case f != nil:
			return a.Code, f
		case line == "*":
			return a.Code, nil
		case a.Code == 235:
			return a.Code, p.auth.finish(after, x.Finish())
		case a.Code != 334:
			p.auth.Failed = after + ": " + withoutSecrets(a.LastLine(), said)
			return a.Code, nil
		}
		var err error
		if line, err = x.Next(w.ctx, challenge); err != nil {
			p.auth.Failed = after + ": " + printable(err.Error())
			line = "*" // RFC 4954 4: the client gives up, and is answered 501
		}
	}
}

// finish takes in a 235. A server that has not proved that it knows the secret,
// where the mechanism lets it, is not the one that was meant.
func (a *AuthFacts) finish(after string, err error) *Fault {
	a.Done, a.Failed = err == nil, ""
	if err != nil {
		a.Failed, a.Untrusted = after+": "+err.Error(), true
	}
	return nil
}

// turn says one line and takes the reply. Any reply but 421 is an answer. after
// stands for the line wherever it is told: the line itself may have a secret.
func (w *wire) turn(scope Scope, after, line string) (a smtp.Answer, text string, f *Fault) {
	if w.speaks() {
		return a, "", w.spoke(scope, after)
	}
	w.out = append(append(w.out, line...), "\r\n"...)
	if err := w.flush(); err != nil {
		return a, "", w.lost(scope, after, err)
	}
	a, err := w.reply(w.patience, func(b []byte) { text = string(b) })
	switch {
	case err != nil:
		return a, "", w.lost(scope, after, err)
	case a.Code == 421:
		return a, "", w.busy(scope, after, a)
	}
	return a, text, nil
}

// withoutSecrets takes out of a reply what was said to the server, in base64 and
// decoded: some servers say it back, and the reply goes to the log.
func withoutSecrets(reply string, said []string) string {
	for _, line := range said {
		word := line[strings.LastIndexByte(line, ' ')+1:]
		if plain, err := base64.StdEncoding.DecodeString(word); err == nil {
			for _, part := range strings.Split(string(plain), "\x00") {
				reply = hide(reply, part)
			}
			reply = hide(reply, word)
		}
	}
	return reply
}

func hide(reply, secret string) string {
	if len(secret) < 3 {
		return reply
	}
	return strings.ReplaceAll(reply, secret, "(hidden)")
}

// withoutAuth is the fault of a host that is left because of AUTH.
func (w *wire) withoutAuth(p *progress) *Fault {
	_, why := p.auth.Choose()
	return &Fault{
		Scope: p.scope, Kind: "auth", Code: codeNoAuth,
		Text: clip("H=" + w.conn.Target.String() + ": AUTH: " + why),
	}
}

// authOf is what the transport wants of AUTH with that host.
func (t *Transport) authOf(who lists.Host) Auth {
	return Auth{
		Try:         matches(t.Config.HostsTryAuth, who, lists.Yes),
		Require:     matches(t.Config.HostsRequireAuth, who, lists.Yes, lists.Unknown),
		Client:      t.auth,
		Credentials: t.credentials,
	}
}

// credentials expands the client options of all authenticators for a host. One
// that is forced to fail takes its authenticator out, for this host.
func (t *Transport) credentials(host Target) (all []auth.Credential, err error) {
	vars := hostVars{t.helo, t.version, host}
	for i := range t.authenticators {
		a := &t.authenticators[i]
		if !a.IsClient() {
			continue
		}
		c := auth.Credential{Name: a.Name, Driver: a.Driver, PublicName: a.PublicName, AllowClear: a.ClientAllowClear}
		switch err := expandCredential(&c, a, vars); {
		case errors.Is(err, expand.ErrForced):
			continue
		case err != nil:
			return nil, fmt.Errorf("authenticator %s: %w", a.Name, err)
		}
		all = append(all, c)
	}
	return all, nil
}

func expandCredential(c *auth.Credential, a *config.Authenticator, vars expand.Env) error {
	for _, s := range a.ClientSend {
		v, err := s.Eval(vars)
		if err != nil {
			return secretError("client_send", err)
		}
		c.Send = append(c.Send, v.String())
	}
	for _, f := range []struct {
		name   string
		option *expand.String
		to     *string
	}{{"client_name", a.ClientName, &c.User}, {"client_secret", a.ClientSecret, &c.Secret}} {
		if f.option == nil {
			continue
		}
		v, err := f.option.Eval(vars)
		if err != nil {
			return secretError(f.name, err)
		}
		*f.to = v.String()
	}
	return nil
}

// secretError names the option. What an expansion says of its failure may quote
// what it works on, so that is not told.
func secretError(option string, err error) error {
	if errors.Is(err, expand.ErrForced) {
		return err
	}
	return fmt.Errorf("%s cannot be expanded; \"mtad expand\" tells why", option)
}

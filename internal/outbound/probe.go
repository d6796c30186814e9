package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"

	"mtad/internal/smtp"
	"mtad/tlsstate"
)

// Probed is what a server says and shows to a session that sends no mail.
type Probed struct {
	Transcript    []Line
	TLS           tlsstate.State      // as the session stood at its end
	Offers        Extensions          // after TLS, where there was some
	Certificates  []*x509.Certificate // the server's, its own first; nil: it has shown none
	Refused       error               // why certificate or cipher were not accepted
	Verified      bool                // the certificate was verified
	Clear         string              // why the session was in clear though TLS was wanted
	Authenticator string              // that did AUTH; "": none
	Anonymous     string              // why there was no AUTH though it was wanted
	Fault         *Fault              // why no message could be sent; nil: one could
}

// Line is one line of a transcript, printable.
type Line struct {
	From string `json:"from"` // "C": us; "S": the server; "*": what happened
	Text string `json:"text"`
}

// Probe opens a session as a delivery does, with all that is decided on the way,
// and ends it with QUIT in place of MAIL. What is secret is not in the transcript.
func Probe(ctx context.Context, target Target, s *Settings) *Probed {
	p, heard := &Probed{}, &transcript{}
	traced := *s
	traced.transcript = heard
	if client := s.TLS.Client; client != nil {
		traced.TLS.Client = func(t Target) (*tls.Config, bool, error) {
			cfg, verified, err := client(t)
			if err == nil {
				cfg = p.watch(cfg)
			}
			return cfg, verified, err
		}
	}
	conn, fault := Dial(ctx, target, &traced)
	if conn != nil {
		p.TLS, p.Offers, p.Verified, p.Clear = conn.Socket.State(), conn.Extensions, conn.Verified, conn.Clear
		p.Authenticator, p.Anonymous = conn.Authenticator, conn.Anonymous
		conn.Quit(ctx)
	}
	p.Fault, p.Transcript = fault, heard.lines
	return p
}

// watch notes what the server shows, and what is thought of it. The handshake is
// a full one: on resumption nothing would be shown.
func (p *Probed) watch(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.ClientSessionCache = nil
	judge := cfg.VerifyConnection
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		p.Certificates = cs.PeerCertificates
		if judge != nil {
			p.Refused = judge(cs)
		}
		return p.Refused
	}
	return cfg
}

// transcript is a session as it is said. A nil one keeps nothing.
type transcript struct {
	lines  []Line
	secret bool     // the server has asked for something (334): the next line answers it
	said   []string // lines of AUTH, as they were
}

const hidden = "(not shown)"

func (t *transcript) add(from, text string) { t.lines = append(t.lines, Line{from, text}) }

func (t *transcript) connects(target *Target) {
	if t != nil {
		t.add("*", "connecting to "+target.Addr.String())
	}
}

// client takes in what is written, without what belongs to AUTH (RFC 4954 4).
func (t *transcript) client(out []byte) {
	if t == nil {
		return
	}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\r\n")
		words := strings.Fields(line)
		switch {
		case t.secret:
			t.said = append(t.said, line)
			line = hidden
		case len(words) > 2 && strings.EqualFold(words[0], "AUTH"):
			t.said = append(t.said, line)
			line = words[0] + " " + words[1] + " " + hidden
		}
		t.secret = false
		t.add("C", smtp.Printable([]byte(line), 1024))
	}
}

// server takes in a reply. A challenge is not shown: it may repeat what was said;
// what a refusal repeats is taken out of it.
func (t *transcript) server(a smtp.Answer, err error) {
	switch {
	case t == nil:
		return
	case err != nil:
		t.add("*", printable("no reply: "+err.Error()))
		return
	case a.Code == 334:
		t.secret = true
		t.add("S", "334 "+hidden)
		return
	}
	for _, line := range a.Lines() {
		t.add("S", withoutSecrets(line, t.said))
	}
}

func (t *transcript) note(what string) {
	if t != nil {
		t.add("*", what)
	}
}

func (t *transcript) secured(sock *tlsstate.Socket) {
	if t != nil {
		t.add("*", "TLS is on: "+sock.State().CipherLog())
	}
}

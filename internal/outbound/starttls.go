package outbound

import (
	"errors"
	"strings"
	"time"

	"mtad/internal/certs"
	"mtad/internal/smtp"
	"mtad/tlsstate"
)

// startTLS says STARTTLS and does the handshake (RFC 3207). Whatever goes wrong
// is noted, and TLSFacts.Choose says what that means; only a server that closes
// with 421, and the end of ctx, are faults of their own.
func (w *wire) startTLS(p *progress) *Fault {
	cfg, verified, err := w.set.TLS.Client(w.conn.Target)
	if err != nil {
		p.tls.Failed = printable(err.Error())
		countHandshake(tlsstate.State{}, string(certs.Protocol), 0)
		return nil
	}
	a, f := w.command(p.scope, "STARTTLS", nil)
	switch {
	case f != nil && (f.Busy || w.ctx.Err() != nil):
		return f
	case f != nil && w.conn.failed: // the line was lost, or is out of step
		p.tls.Failed = f.Text
		return nil
	case f != nil:
		p.tls.Code, p.tls.Reply = a.Code, a.LastLine()
		countHandshake(tlsstate.State{}, "refused", 0)
		return nil
	case a.Code != 220: // RFC 3207 4
		return w.outOfStep(p.scope, "STARTTLS", a.String())
	}
	behind := make([]byte, w.replies.Buffered()) // StartClient wants to know that there are some, not which
	w.replies.Reset()
	began := time.Now()
	err = w.conn.Socket.StartClient(cfg, deadline(w.patience), behind)
	countHandshake(w.conn.Socket.State(), string(certs.ReasonOf(err)), time.Since(began))
	if err != nil {
		w.conn.failed = true
		if w.ctx.Err() != nil {
			return stopped(&w.conn.Target, "STARTTLS")
		}
		p.tls.Failed = handshakeFailure(err)
		w.conn.transcript.note(p.tls.Failed)
		return nil
	}
	w.secured(p, verified)
	w.conn.Certificate = cfg.GetClientCertificate != nil
	return nil
}

// handshakeFailure tells why in words that fit behind "TLS: ".
func handshakeFailure(err error) string {
	if errors.Is(err, tlsstate.ErrClearBehind) {
		return "clear text came behind the reply to STARTTLS"
	}
	if certs.ReasonOf(err) == certs.TimedOut {
		return "the handshake took too long"
	}
	return "handshake failed: " + printable(strings.TrimPrefix(err.Error(), "TLS handshake: "))
}

// secured forgets what was said in clear (RFC 3207 4.2).
func (w *wire) secured(p *progress, verified bool) {
	p.tls.On, p.helloed, p.ancient, p.tls.Offered = true, false, false, false
	w.conn.Extensions, w.conn.Verified = smtp.Extensions{}, verified
	w.conn.transcript.secured(w.conn.Socket)
}

// without is the fault of a host that is left because of TLS, or of AUTH.
func (w *wire) without(p *progress) *Fault {
	choice, why := p.tls.Choose()
	if choice == GoOn {
		return w.withoutAuth(p)
	}
	f := &Fault{
		Scope: p.scope, Kind: "tls", Code: codeNoTLS, Reply: p.tls.Reply, inClear: choice == TryClear,
		Text: clip("H=" + w.conn.Target.String() + ": TLS: " + why),
	}
	if p.tls.Failed != "" {
		f.Code = codeTLS
	}
	return f
}

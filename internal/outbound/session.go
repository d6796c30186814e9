package outbound

import "mtad/internal/smtp"

// step is one exchange at the beginning of a session.
type step uint8

const (
	takeGreeting step = iota
	sayHello          // EHLO; LHLO where LMTP is spoken
	sayHELO
	sayStartTLS
	sayAuth
	giveUp
	ready
)

// progress is what is known of a session so far.
type progress struct {
	scope   Scope // of a fault
	greeted bool
	helloed bool // EHLO, LHLO or HELO was answered 2xx since the session began or TLS did
	ancient bool // EHLO was answered 5xx
	down    bool // TLS was shut down: a hand-over
	tls     TLSFacts
	auth    AuthFacts
}

// next says what comes next. It is all there is to the order of things.
func (p *progress) next() step {
	switch {
	case !p.greeted:
		return takeGreeting
	case !p.helloed && !p.ancient:
		return sayHello
	case !p.helloed:
		return sayHELO
	}
	switch choice, _ := p.tls.Choose(); choice {
	case StartTLS:
		return sayStartTLS
	case LeaveHost, TryClear:
		return giveUp
	}
	switch choice, _ := p.auth.Choose(); choice {
	case Authenticate:
		return sayAuth
	case AuthLeave:
		return giveUp
	}
	return ready
}

// begin takes a session to where MAIL may be said.
func (w *wire) begin(p *progress) *Fault {
	for {
		var f *Fault
		switch p.next() {
		case takeGreeting:
			f = w.greeting(p)
		case sayHello:
			f = w.hello(p)
		case sayHELO:
			f = w.helo(p)
		case sayStartTLS:
			f = w.startTLS(p)
		case sayAuth:
			f = w.authenticate(p)
		case giveUp:
			f = w.without(p)
		case ready:
			w.conn.Clear, w.conn.Anonymous = p.tls.inClear(), p.auth.Failed
			return nil
		}
		if f != nil {
			return f
		}
	}
}

func (w *wire) greeting(p *progress) *Fault {
	_, f := w.answer(p.scope, atGreeting, nil)
	p.greeted = f == nil
	return f
}

// hello says EHLO, or LHLO (RFC 2033 4.1), and learns what the server offers.
// What an earlier EHLO said is forgotten.
func (w *wire) hello(p *progress) *Fault {
	verb := "EHLO "
	if w.set.LMTP {
		verb = "LHLO "
	}
	var ext smtp.Extensions
	first := true // the first line is the server's name
	w.quick = p.tls.mayStart() || p.tls.On
	a, f := w.command(p.scope, verb+w.set.Helo, func(text []byte) {
		if !first {
			ext.Add(text)
		}
		first = false
	})
	switch {
	case f == nil:
		w.conn.Extensions, p.helloed = ext, true
		p.tls.Offered = ext.StartTLS
	case a.Permanent() && !w.set.LMTP && !p.tls.HandedOn: // RFC 5321 3.2
		p.ancient = true
		return nil
	}
	return f
}

func (w *wire) helo(p *progress) *Fault {
	_, f := w.command(p.scope, "HELO "+w.set.Helo, nil)
	if f == nil {
		w.conn.Extensions, p.helloed = smtp.Extensions{}, true
	}
	return f
}

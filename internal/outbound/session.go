package outbound

import "mtad/internal/smtp"

// step is one exchange at the beginning of a session.
type step uint8

const (
	takeGreeting step = iota
	sayHello          // EHLO; LHLO where LMTP is spoken
	sayHELO
	ready
)

// progress is what is known of a session so far.
type progress struct {
	greeted bool
	helloed bool // EHLO, LHLO or HELO was answered 2xx
	ancient bool // EHLO was answered 5xx
}

// next says what comes next. It is all there is to the order of things.
func (p progress) next() step {
	switch {
	case !p.greeted:
		return takeGreeting
	case !p.helloed && !p.ancient:
		return sayHello
	case !p.helloed:
		return sayHELO
	}
	return ready
}

// begin takes a session to where MAIL may be said.
func (w *wire) begin() *Fault {
	var p progress
	for {
		var f *Fault
		switch p.next() {
		case takeGreeting:
			f = w.greeting(&p)
		case sayHello:
			f = w.hello(&p)
		case sayHELO:
			f = w.helo(&p)
		case ready:
			return nil
		}
		if f != nil {
			return f
		}
	}
}

func (w *wire) greeting(p *progress) *Fault {
	_, f := w.answer(ScopeHost, atGreeting, nil)
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
	a, f := w.command(ScopeHost, verb+w.set.Helo, func(text []byte) {
		if !first {
			ext.Add(text)
		}
		first = false
	})
	switch {
	case f == nil:
		w.conn.Extensions, p.helloed = ext, true
	case a.Permanent() && !w.set.LMTP: // RFC 5321 3.2
		p.ancient = true
		return nil
	}
	return f
}

func (w *wire) helo(p *progress) *Fault {
	_, f := w.command(ScopeHost, "HELO "+w.set.Helo, nil)
	if f == nil {
		w.conn.Extensions, p.helloed = smtp.Extensions{}, true
	}
	return f
}

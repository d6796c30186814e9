package outbound

import (
	"context"

	"mtad/spool"
)

// Deliver sends a message on a connection that Dial made or that was handed on,
// in as many transactions as it takes: up to MaxRcpt recipients each, fewer where
// the server wants fewer. record is called with the fates of each transaction
// before the next begins, and has made them durable when it returns. Afterwards
// conn may carry another message if it is Usable. ctx ends it early.
func Deliver(ctx context.Context, conn *Conn, s *Settings, m *Message, record func([]Fate) error) Result {
	return deliver(ctx, conn, s, m.Envelope, m.Rcpts, m.Body, record)
}

func deliver(ctx context.Context, conn *Conn, s *Settings, env *spool.Envelope, rcpts []int, body content, record func([]Fate) error) Result {
	if f := unsendable(conn, env); f != nil {
		return Result{Fates: Fates(f, rcpts)}
	}
	fates, pending := sendable(env, rcpts)
	if len(pending) == 0 {
		return Result{Fates: fates}
	}
	w := take(ctx, conn, s)
	defer w.release()
	used := conn.HandedOn || conn.Messages > 0
	conn.Messages++
	for {
		t := w.transaction(env, body, pending, used)
		trouble := t.run()
		var open []int
		fates, open = t.settle(fates)
		pending = join(open, pending[len(t.rcpts):])
		switch end := t.end(trouble); {
		case end != nil && end.Scope == ScopeSession:
			return again(end, fates, record)
		case end != nil:
			return Result{Fates: append(fates, Fates(end, pending)...), Fault: trouble}
		case len(pending) == 0:
			return Result{Fates: fates}
		}
		if err := record(fates); err != nil {
			return again(unrecorded(err), nil, record)
		}
		fates, used = nil, true
	}
}

// transaction makes the next one, of the first of the pending recipients.
func (w *wire) transaction(env *spool.Envelope, body content, pending []int, used bool) *transaction {
	n := len(pending)
	if w.set.MaxRcpt > 0 {
		n = min(n, w.set.MaxRcpt)
	}
	clear(w.faults)
	w.faults = append(w.faults[:0], make([]*Fault, n)...)
	return &transaction{wire: w, env: env, body: body, rcpts: pending[:n], used: used, faults: w.faults}
}

// end returns the fault after which no further transaction of the message makes
// sense here. A message that was refused for good at its end may still be taken
// for others: those have not been heard.
func (t *transaction) end(trouble *Fault) *Fault {
	if trouble != nil || t.whole == nil || t.mailed && t.whole.Permanent {
		return trouble
	}
	return t.whole
}

// again gives back the recipients about whom nothing was decided; what was is
// recorded first.
func again(f *Fault, fates []Fate, record func([]Fate) error) Result {
	if len(fates) > 0 {
		if err := record(fates); err != nil {
			f = unrecorded(err)
		}
	}
	return Result{Fault: f, Again: true}
}

func unrecorded(err error) *Fault {
	return &Fault{Scope: ScopeSession, Kind: "spool", Text: clip("cannot record what became of recipients: " + err.Error())}
}

// unsendable returns why a message cannot go to this server whoever it is for.
func unsendable(conn *Conn, env *spool.Envelope) *Fault {
	ext := &conn.Extensions
	switch {
	case !isPath(env.Sender):
		return unsent(ScopeMessage, "sender address cannot be sent over SMTP: "+printable(env.Sender))
	case ext.SizeLimit > 0 && env.Size > ext.SizeLimit: // RFC 1870 6.1
		return tooLarge(&conn.Target, env.Size, ext.SizeLimit)
	}
	return nil
}

// sendable parts the recipients: those with an address that cannot be written
// into a command have failed.
func sendable(env *spool.Envelope, rcpts []int) (fates []Fate, pending []int) {
	for i, r := range rcpts {
		if isPath(env.Recipients[r].Address) {
			if pending != nil {
				pending = append(pending, r)
			}
			continue
		}
		if fates == nil {
			pending = append(make([]int, 0, len(rcpts)), rcpts[:i]...)
		}
		fates = append(fates, fate(r, unsent(ScopeRecipient, "address cannot be sent over SMTP: "+printable(env.Recipients[r].Address)), ""))
	}
	if fates == nil {
		return make([]Fate, 0, len(rcpts)), rcpts
	}
	return fates, pending
}

func join(a, b []int) []int {
	if len(a) == 0 {
		return b
	}
	return append(a, b...)
}

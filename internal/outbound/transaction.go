package outbound

import (
	"mtad/internal/smtp"
	"mtad/spool"
)

// groupBytes is about how many bytes of commands go out before their replies are
// read: what both ends' buffers hold for certain (RFC 2920 3.1).
const groupBytes = 16 << 10

// transaction is one MAIL with its RCPTs and its DATA. Its dialogue is
//
//	[RSET] MAIL RCPT... DATA      in one write where the server does PIPELINING
//	message and final dot
//
// and nothing is decided before the last reply of the first line is there: a
// reply too few or too many would give a recipient the answer to another.
type transaction struct {
	*wire
	env   *spool.Envelope
	body  content
	rcpts []int // in the order of their RCPTs
	used  bool  // the connection has carried something before: a new one would do as well

	mailed   bool     // MAIL was answered 2xx
	accepted int      // RCPTs answered 2xx
	goAhead  bool     // DATA was answered 354
	faults   []*Fault // of one recipient, by position in rcpts
	whole    *Fault   // of all recipients that have none of their own
	reply    string   // to the final dot
	answers  []string // LMTP: the same, by position
}

// later stands among faults for a recipient that the server wants in a
// transaction of its own.
var later = &Fault{Scope: ScopeSession}

// run carries the transaction out. Its fault is trouble of the connection, which
// then is good for nothing; a refusal is none.
func (t *transaction) run() *Fault {
	if f := t.envelope(); f != nil {
		clear(t.faults) // replies are missing: whose the others were is not certain
		t.whole = f
		return f
	}
	switch {
	case !t.goAhead:
		return nil
	case t.accepted == 0:
		t.cancel()
		return nil
	}
	return t.message()
}

// message sends the message, unless the server has said something in between:
// then it is not certain which reply was whose.
func (t *transaction) message() *Fault {
	if t.speaks() {
		clear(t.faults)
		t.whole = t.spoke(ScopeHost, atData)
	} else {
		t.whole = t.send(t.body)
	}
	if t.whole != nil {
		return t.whole
	}
	return t.final()
}

// Commands of a transaction, by number: these and RCPT for what lies between.
const (
	cmdRSET = iota
	cmdMAIL
	cmdRCPT // the first of len(rcpts)
)

func (t *transaction) cmdDATA() int { return cmdRCPT + len(t.rcpts) }

// envelope says all up to DATA and takes the replies, in groups or one by one.
func (t *transaction) envelope() *Fault {
	first := cmdMAIL
	if !t.conn.Clean {
		first = cmdRSET
	}
	if t.speaks() {
		return t.spoke(t.scope(), t.name(first))
	}
	for i := first; i <= t.cmdDATA(); i++ {
		t.append(i)
		if t.conn.Extensions.Pipelining && i < t.cmdDATA() && len(t.out) < groupBytes {
			continue
		}
		if f := t.exchange(first, i); f != nil {
			return f
		}
		if t.hopeless(i) {
			return nil
		}
		first = i + 1
	}
	return nil
}

// hopeless reports that nothing behind command i makes sense.
func (t *transaction) hopeless(i int) bool {
	return t.whole != nil || i == t.cmdDATA()-1 && t.accepted == 0
}

// exchange writes what was gathered, commands from..to, and takes their replies,
// one each.
func (t *transaction) exchange(from, to int) *Fault {
	if err := t.flush(); err != nil {
		return t.lost(t.scope(), t.name(from), err)
	}
	for i := from; i <= to; i++ {
		if i > from && t.replies.Buffered() == 0 { // a server that writes each reply by itself may wait for this
			t.conn.Socket.QuickAck()
		}
		a, err := t.wire.reply(t.set.CommandTimeout, nil)
		switch {
		case err != nil:
			return t.lost(t.scope(), t.name(i), err)
		case a.Code == 421:
			return t.busy(t.scope(), t.name(i), a)
		case a.Code/100 == 3 && i < t.cmdDATA(), a.Positive() && i == t.cmdDATA():
			return t.outOfStep(t.scope(), t.name(i), a.String())
		}
		if f := t.answered(i, a); f != nil {
			return f
		}
	}
	if t.replies.Buffered() > 0 {
		return t.spoke(t.scope(), t.name(to))
	}
	return nil
}

// answered takes the reply to command i.
func (t *transaction) answered(i int, a smtp.Answer) *Fault {
	switch i {
	case cmdRSET:
		if !a.Positive() {
			return t.turnedAway(i, a)
		}
		return nil
	case cmdMAIL:
		return t.mail(a)
	case t.cmdDATA():
		t.data(a)
		return nil
	}
	t.rcpt(i-cmdRCPT, a)
	return nil
}

// mail takes the reply to MAIL. On a connection that was used before, a refusal
// says nothing about the message (SPEC H3).
func (t *transaction) mail(a smtp.Answer) *Fault {
	switch {
	case a.Positive():
		t.mailed, t.conn.Clean = true, false
	case t.used:
		return t.turnedAway(cmdMAIL, a)
	default:
		t.whole = refusal(&t.conn.Target, ScopeMessage, t.name(cmdMAIL), a)
	}
	return nil
}

func (t *transaction) turnedAway(i int, a smtp.Answer) *Fault {
	t.conn.failed = true
	return refusal(&t.conn.Target, ScopeSession, t.name(i), a)
}

// rcpt takes the reply to the RCPT at position k. A server that has taken some
// and says 452, or 552, has enough for one transaction (RFC 5321 4.5.3.1.10).
func (t *transaction) rcpt(k int, a smtp.Answer) {
	switch {
	case !t.mailed:
	case a.Positive():
		t.accepted++
	case t.accepted > 0 && (a.Code == 452 || a.Code == 552):
		t.faults[k] = later
	default:
		t.faults[k] = refusal(&t.conn.Target, ScopeRecipient, t.name(cmdRCPT+k), a)
	}
}

// data takes the reply to DATA. Where nobody is left to send to, it does not
// matter what it says.
func (t *transaction) data(a smtp.Answer) {
	t.goAhead = a.Code/100 == 3
	if !t.goAhead && t.accepted > 0 {
		t.whole = refusal(&t.conn.Target, ScopeMessage, atData, a)
	}
}

// append gathers command i.
func (t *transaction) append(i int) {
	ext := &t.conn.Extensions
	switch i {
	case cmdRSET:
		t.out = append(t.out, "RSET\r\n"...)
	case cmdMAIL:
		t.out = appendMail(t.out, t.env, ext)
	case t.cmdDATA():
		t.out = append(t.out, "DATA\r\n"...)
	default:
		t.out = appendRcpt(t.out, t.recipient(i), ext)
	}
}

// name is command i for the log, without its parameters.
func (t *transaction) name(i int) string {
	switch i {
	case cmdRSET:
		return atRSET
	case cmdMAIL:
		return "MAIL FROM:<" + t.env.Sender + ">"
	case t.cmdDATA():
		return atData
	}
	return "RCPT TO:<" + t.recipient(i).Address + ">"
}

func (t *transaction) recipient(i int) *spool.Recipient {
	return &t.env.Recipients[t.rcpts[i-cmdRCPT]]
}

// scope is how far trouble reaches before the message itself is sent. Until a
// used connection has taken MAIL it is the connection's only.
func (t *transaction) scope() Scope {
	if t.used && !t.mailed {
		return ScopeSession
	}
	return ScopeHost
}

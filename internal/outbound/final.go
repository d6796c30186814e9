package outbound

// cancel ends a DATA that nobody is to get anything of: an empty message, whose
// reply means nothing (RFC 2920 3.1).
func (t *transaction) cancel() {
	t.conn.Clean = false
	t.out = append(t.out, dot...)
	if t.flush() != nil {
		t.conn.failed = true
		return
	}
	if a, err := t.wire.reply(t.set.FinalTimeout, nil); err != nil || a.Code == 421 {
		t.conn.failed = true
	}
}

// final takes the reply to the dot; in LMTP one for each recipient that was
// accepted (RFC 2033 4.2). From here on a broken connection leaves in doubt
// whether the message was taken.
func (t *transaction) final() *Fault {
	if t.set.LMTP {
		return t.finalEach()
	}
	t.reply, t.whole = t.verdict(ScopeMessage)
	if t.conn.failed {
		return t.whole
	}
	t.conn.Clean = t.whole == nil
	return nil
}

func (t *transaction) finalEach() *Fault {
	t.answers = make([]string, len(t.rcpts))
	for k := range t.rcpts {
		if t.faults[k] != nil {
			continue
		}
		reply, f := t.verdict(ScopeRecipient)
		if t.conn.failed {
			t.whole = f
			return f
		}
		t.answers[k], t.faults[k] = reply, f
	}
	t.conn.Clean = true
	return nil
}

// verdict takes one reply to the dot. Only a whole 2xx line is a delivery.
func (t *transaction) verdict(scope Scope) (reply string, f *Fault) {
	a, err := t.wire.reply(t.set.FinalTimeout, nil)
	switch {
	case err != nil:
		f = t.lost(ScopeMessage, atDot, err)
		f.InDoubt = true
	case a.Code == 421:
		f = t.busy(ScopeMessage, atDot, a)
	case a.Code/100 == 3:
		f = t.outOfStep(ScopeMessage, atDot, a.String())
		f.InDoubt = true
	case a.Positive():
		reply = a.LastLine()
	default:
		f = refusal(&t.conn.Target, scope, atDot, a)
	}
	return reply, f
}

// settle turns what was learnt into fates, and returns the recipients about whom
// nothing was.
func (t *transaction) settle(fates []Fate) (decided []Fate, open []int) {
	for k, rcpt := range t.rcpts {
		f, reply := t.faults[k], t.reply
		if t.answers != nil {
			reply = t.answers[k]
		}
		if f == nil && reply == "" {
			f = t.whole
		}
		if f == nil && reply == "" {
			panic("BUG: a recipient with neither reply nor fault")
		}
		if f != nil && f.Scope == ScopeSession {
			open = append(open, rcpt)
			continue
		}
		fates = append(fates, fate(rcpt, f, reply))
	}
	return fates, open
}

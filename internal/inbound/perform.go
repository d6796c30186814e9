package inbound

import (
	"mtad/internal/mainlog"
	"mtad/internal/smtp"
)

// perform finds a command's row, decides whether it may come now, and has it done.
func (s *session) perform(line []byte) (*verb, smtp.Reply) {
	word, arg := smtp.SplitCommand(line)
	v := findVerb(word)
	s.last = v.name
	if reply, refused := s.outOfPlace(v, line, arg); refused {
		return v, reply
	}
	return v, v.handle(s, arg)
}

// outOfPlace refuses what the row's traits and needs do not allow now.
func (s *session) outOfPlace(v *verb, line, arg []byte) (smtp.Reply, bool) {
	switch {
	case v.traits&foreign != 0:
		rejectedProtocol.Inc()
		s.srv.deps.Log.Dropped(s.who(), wrongProtocol.Text, string(line[:min(len(line), 64)]))
		return wrongProtocol, true
	case s.suspect && v == &otherVerb:
		return s.outOfStep("message sent behind a refused DATA", s.showable(v, line)), true
	case s.insecure && v.traits&always == 0:
		r := securityFailure
		r.Hangup = v.traits&payload != 0
		return r, true
	case s.mustBeLast(v) && s.in.Buffered() > 0:
		return s.outOfStep("next input sent too soon: pipelining was not advertised or does not reach beyond "+v.name, s.showable(v, line)), true
	case v.traits&bare != 0 && len(arg) > 0:
		return noArguments, true
	}
	return s.missing(v.needs)
}

// showable is what the operator may see of a line: one that is no command may be
// an answer to AUTH.
func (s *session) showable(v *verb, line []byte) []byte {
	if v == &otherVerb && s.tally.auths > 0 {
		return nil
	}
	return line
}

// mustBeLast: nothing may stand behind the command before it was answered. The
// chunk stands behind BDAT, and behind QUIT nothing matters.
func (s *session) mustBeLast(v *verb) bool {
	return v.traits&endsGroup != 0 || !s.hello.pipelining && v.traits&(payload|always|injectable) == 0
}

// outOfStep ends a session whose client does not wait for answers: its next
// lines may be commands, or the text of somebody's message (RFC 2920 3.1).
func (s *session) outOfStep(where string, line []byte) smtp.Reply {
	rejectedSync.Inc()
	s.srv.deps.Log.SyncError(s.who(), where, string(line[:min(len(line), 128)]))
	return syncError
}

// missing answers a command that comes before its time.
func (s *session) missing(n need) (smtp.Reply, bool) {
	switch {
	case n&needHello != 0 && s.hello.name == "":
		return helloFirst, true
	case n&needNoMail != 0 && s.txn.env != nil:
		return nestedMail, true
	case n&needNoChunks != 0 && s.txn.chunks != nil:
		return chunksBegun, true
	case n&needMail != 0 && s.txn.env == nil:
		return mailFirst, true
	case n&needRcpt != 0 && len(s.txn.env.Recipients) == 0:
		return rcptFirst, true
	}
	return smtp.Reply{}, false
}

// tally is what a session has cost so far.
type tally struct {
	faults   int // faulty or unknown commands
	junk     int // commands that bring mail no further, since the last message
	refusals int // recipients refused by policy
	chunks   int // small BDAT chunks, since the last message
	auths    int // AUTH commands
	guesses  int // those that failed
	messages int // accepted
}

// Limits that no option names.
const (
	maxJunk        = 100 // Postfix's smtpd_junk_command_limit
	maxRefusals    = 100
	maxSmallChunks = 1000
	smallChunk     = 512
)

// limited returns the reply, or the one that ends a session in which there were
// too many of its kind.
func (s *session) limited(v *verb, r smtp.Reply) smtp.Reply {
	if r.Hangup {
		return r
	}
	if faulty(r) {
		if s.tally.faults++; s.tally.faults > s.cfg.SMTPMaxErrors {
			rejectedErrors.Inc()
			return s.dropped(tooManyErrors)
		}
	}
	if v.traits&junk != 0 {
		if s.tally.junk++; s.tally.junk > maxJunk {
			rejectedJunk.Inc()
			return s.dropped(tooMuchJunk)
		}
	}
	if s.tally.refusals > maxRefusals {
		return s.dropped(tooManyRefusals)
	}
	return r
}

// dropped logs the end of the session by r, and returns it with our name.
func (s *session) dropped(r smtp.Reply) smtp.Reply {
	s.srv.deps.Log.Dropped(s.who(), r.Text, s.last)
	return s.named(r)
}

// reject logs a refusal by policy and returns it.
func (s *session) reject(stage mainlog.Stage, recipient string, r smtp.Reply) smtp.Reply {
	s.srv.deps.Log.Rejected(mainlog.Rejection{
		Client: s.who(), Stage: stage, Sender: s.sender(), Recipient: recipient, Text: r.Text,
	})
	return r
}

package inbound

import (
	"bytes"
	"strings"

	"mtad/internal/lists"
	"mtad/internal/mainlog"
	"mtad/internal/policy"
	"mtad/internal/smtp"
	"mtad/spool"
)

// transaction is what MAIL began. The zero value is none.
type transaction struct {
	env    *spool.Envelope // nil: no MAIL yet
	rcpts  int             // recipients accepted, those named twice included
	seen   map[string]bool // addresses, where there are many
	chunks *chunks         // of BDAT; nil: none yet
}

// forgetTransaction ends a transaction of which nothing remains.
func (s *session) forgetTransaction() {
	if s.txn.chunks != nil {
		s.txn.chunks.msg.discard()
	}
	s.txn = transaction{}
}

// sender is the sender of the transaction, "" without one.
func (s *session) sender() string {
	if s.txn.env == nil {
		return ""
	}
	return s.txn.env.Sender
}

// mailArgs is what MAIL says.
type mailArgs struct {
	from     smtp.Path
	size     int64 // SIZE=; 0: not given
	eightBit bool
	ret      spool.Ret
	envID    string
}

func mail(s *session, arg []byte) smtp.Reply {
	m, err := s.parseMail(arg)
	if err != nil {
		return replyTo(err)
	}
	if r, refused := s.refuseMail(&m); refused {
		return r
	}
	s.txn.env = &spool.Envelope{
		Sender: m.from.Address, EightBit: m.eightBit, Ret: m.ret, EnvID: m.envID,
	}
	return mailOK
}

func (s *session) parseMail(arg []byte) (m mailArgs, err error) {
	arg, ok := smtp.CutWord(arg, "FROM:")
	if !ok {
		return m, &wantsFrom
	}
	path, rest, err := smtp.ParsePath(arg)
	if err != nil {
		return m, err
	}
	if !path.IsNull() && path.Domain() == "" {
		return m, &unqualified
	}
	m.from = path
	err = readParams(rest, mailParams, s, &m)
	return m, err
}

// refuseMail decides on what MAIL says.
func (s *session) refuseMail(m *mailArgs) (smtp.Reply, bool) {
	limit := s.cfg.SMTPAcceptMaxPerConnection
	store := s.srv.deps.Spool
	if verdict := policy.Mail(s.mailFacts(m)); !verdict.Accept {
		return s.rejectMail(m, s.mailRefusal(verdict.Reason, m)), true
	}
	switch {
	case limit > 0 && s.tally.messages >= limit:
		rejectedMessages.Inc()
		return s.named(tooManyMessages), true
	case m.size > s.cfg.MessageSizeLimit:
		rejectedSize.Inc()
		return s.rejectMail(m, messageTooBig), true
	case store.Poisoned():
		rejectedPoisoned.Inc()
		return s.rejectMail(m, localError), true
	case store.Full():
		rejectedSpace.Inc()
		return s.rejectMail(m, spaceShortage), true
	}
	return smtp.Reply{}, false
}

// mailFacts asks only what can decide: who is in TLS need not be asked to be.
func (s *session) mailFacts(m *mailArgs) policy.MailFacts {
	f := policy.MailFacts{
		TLS: s.sock.State().On, MustTLS: s.mustStartTLS(),
		Authorized: s.identity.known(), Submission: s.submission(),
		Null: m.from.IsNull(), Qualified: isQualified(m.from.Domain()), Domain: lists.Yes,
	}
	if !f.Authorized {
		f.MustAuth = policy.Demands(s.ask(s.cfg.AuthHosts))
	}
	if f.Submission && s.door.SenderDomains != nil {
		f.Domain = s.door.SenderDomains.Match(m.from.Domain()).Answer
	}
	return f
}

// submission reports a door that programs hand new mail in by (RFC 6409).
func (s *session) submission() bool { return s.door.Protocol == "submission" }

// isQualified: a domain as the world knows it has a dot, or is an address.
func isQualified(domain string) bool {
	return strings.Contains(strings.TrimSuffix(domain, "."), ".") || strings.HasPrefix(domain, "[")
}

// mailRefusal counts a refusal, and returns its reply.
func (s *session) mailRefusal(why policy.Reason, m *mailArgs) smtp.Reply {
	switch why {
	case policy.ClearDenied:
		rejectedClear.Inc()
		return tlsRequired
	case policy.SubmissionDenied:
		rejectedSubmission.Inc()
		return submissionAuth
	case policy.AnonymousDenied:
		rejectedAnonymous.Inc()
		return authRequired
	}
	rejectedSender.Inc()
	return senderRefused.With("sender <" + m.from.Address + "> not allowed: " + string(why))
}

func (s *session) rejectMail(m *mailArgs, r smtp.Reply) smtp.Reply {
	s.srv.deps.Log.Rejected(mainlog.Rejection{
		Client: s.who(), Stage: mainlog.StageMail, Sender: m.from.Address, Text: r.Text,
	})
	return r
}

// param is a row of the parameters of MAIL or RCPT; T is where their values go.
type param[T any] struct {
	name    string
	offered func(*session) bool // nil: always
	apply   func(args *T, value []byte) error
}

// knowsAuth: AUTH was offered, or has been had since.
func (s *session) knowsAuth() bool { return s.hello.auth || s.hello.extended && s.identity.known() }

func withDSN(s *session) bool { return s.hello.dsn }

// mailParams: SIZE and BODY are offered to everybody, and harmless behind HELO.
var mailParams = []param[mailArgs]{
	{name: "SIZE", apply: func(m *mailArgs, value []byte) (err error) { // RFC 1870 6
		m.size, err = smtp.ParseSize(value)
		return err
	}},
	{name: "BODY", apply: func(m *mailArgs, value []byte) error { // RFC 6152 2
		m.eightBit = bytes.EqualFold(value, []byte("8BITMIME"))
		if !m.eightBit && !bytes.EqualFold(value, []byte("7BIT")) {
			return &badBody
		}
		return nil
	}},
	{name: "RET", offered: withDSN, apply: func(m *mailArgs, value []byte) error { // RFC 3461 4.3
		switch {
		case bytes.EqualFold(value, []byte("FULL")):
			m.ret = spool.RetFull
		case bytes.EqualFold(value, []byte("HDRS")):
			m.ret = spool.RetHdrs
		default:
			return smtp.ErrSyntax
		}
		return nil
	}},
	{name: "ENVID", offered: withDSN, apply: func(m *mailArgs, value []byte) error { // RFC 3461 4.4
		m.envID = string(value)
		return smtp.CheckXtext(value, 100)
	}},
	{name: "AUTH", offered: (*session).knowsAuth, apply: func(_ *mailArgs, value []byte) error { // RFC 4954 5
		if string(value) == "<>" { // which is what anything else is taken for: nobody is trusted to say who submitted a message
			return nil
		}
		return smtp.CheckXtext(value, 500)
	}},
}

// readParams reads parameters by their table. One that is not offered does not
// exist; none may come twice (RFC 5321 4.1.1.11).
func readParams[T any](rest []byte, table []param[T], s *session, args *T) error {
	given := 0
	params := smtp.Params(rest)
	for {
		key, value, err := params.Next()
		if key == nil || err != nil {
			return err
		}
		i := findParam(key, table, s)
		if i < 0 {
			return smtp.ErrParameter
		}
		if given&(1<<i) != 0 {
			return smtp.ErrDuplicate
		}
		given |= 1 << i
		if err := table[i].apply(args, value); err != nil {
			return err
		}
	}
}

func findParam[T any](key []byte, table []param[T], s *session) int {
	for i := range table {
		p := &table[i]
		if len(key) == len(p.name) && bytes.EqualFold(key, []byte(p.name)) && (p.offered == nil || p.offered(s)) {
			return i
		}
	}
	return -1
}

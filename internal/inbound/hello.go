package inbound

import (
	"strconv"
	"strings"

	"mtad/internal/lists"
	"mtad/internal/policy"
	"mtad/internal/smtp"
)

// hello is what the client said of itself, and what it was offered for it.
type hello struct {
	name       string // "": nothing yet
	extended   bool   // EHLO
	pipelining bool
	chunking   bool
	enhanced   bool
	auth       bool
	dsn        bool // RET, ENVID, NOTIFY, ORCPT are understood
}

// extension is a row of the reply to EHLO.
type extension struct {
	keyword string
	offered func(*session) bool   // nil: to everybody
	params  func(*session) string // nil: none
	enable  func(h *hello)        // what being offered it changes; nil: nothing
}

// extensions is what EHLO offers (RFC 5321 4.1.1.1).
var extensions = []extension{
	{keyword: "SIZE", params: func(s *session) string { return strconv.FormatInt(s.cfg.MessageSizeLimit, 10) }},
	{keyword: "8BITMIME"},
	{
		keyword: "PIPELINING",
		offered: func(s *session) bool { return s.inList(s.cfg.PipeliningAdvertiseHosts) },
		enable:  func(h *hello) { h.pipelining = true },
	},
	{
		keyword: "CHUNKING",
		offered: func(s *session) bool { return s.inList(s.cfg.ChunkingAdvertiseHosts) },
		enable:  func(h *hello) { h.chunking = true },
	},
	{
		keyword: "ENHANCEDSTATUSCODES",
		offered: func(s *session) bool { return s.inList(s.cfg.EnhancedStatusAdvertiseHosts) },
		enable:  func(h *hello) { h.enhanced = true },
	},
	{keyword: "DSN", enable: func(h *hello) { h.dsn = true }}, // RFC 3461 4
	{keyword: "STARTTLS", offered: (*session).offersTLS},
	{
		keyword: "AUTH",
		offered: (*session).offersAuth,
		params:  (*session).mechanismList,
		enable:  func(h *hello) { h.auth = true },
	},
	{keyword: "HELP"},
}

// inList asks a list that grants: what cannot be had now is a no.
func (s *session) inList(l *lists.HostList) bool { return policy.Grants(s.ask(l)) }

// admitted asks host_reject.
func (s *session) admitted() bool {
	return policy.Connect(s.ask(s.cfg.HostReject)).Accept
}

// ehlo begins the session anew (RFC 5321 4.1.4).
func ehlo(s *session, arg []byte) smtp.Reply {
	name, err := smtp.ParseHelo(arg)
	if err != nil {
		return replyTo(err)
	}
	s.forgetTransaction()
	s.hello = hello{name: name, extended: true}
	var text strings.Builder
	text.Grow(256) // all of it, mostly
	text.WriteString(s.greeting())
	for i := range extensions {
		s.offer(&extensions[i], &text)
	}
	return helloOK.With(text.String())
}

// offer adds an extension to the reply, and to what the session understands.
func (s *session) offer(x *extension, text *strings.Builder) {
	if x.offered != nil && !x.offered(s) {
		return
	}
	text.WriteByte('\n')
	text.WriteString(x.keyword)
	if x.params != nil {
		text.WriteByte(' ')
		text.WriteString(x.params(s))
	}
	if x.enable != nil {
		x.enable(&s.hello)
	}
}

func helo(s *session, arg []byte) smtp.Reply {
	name, err := smtp.ParseHelo(arg)
	if err != nil {
		return replyTo(err)
	}
	s.forgetTransaction()
	s.hello = hello{name: name}
	return helloOK.With(s.greeting())
}

func (s *session) greeting() string {
	return s.cfg.PrimaryHostname + " Hello " + s.hello.name + " [" + s.client.Addr().String() + "]"
}

// protocol is what Received: and the log call it (RFC 3848).
func (s *session) protocol() string {
	inTLS, known := s.sock.State().On, s.identity.known()
	switch {
	case !s.hello.extended:
		return "smtp"
	case inTLS && known:
		return "esmtpsa"
	case inTLS:
		return "esmtps"
	case known:
		return "esmtpa"
	}
	return "esmtp"
}

// replyTo is the reply that a parser's error is.
func replyTo(err error) smtp.Reply {
	if r, ok := err.(*smtp.Reply); ok {
		return *r
	}
	panic("BUG: a parser's error is no reply: " + err.Error())
}

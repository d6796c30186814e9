package inbound

import (
	"strings"

	"mtad/internal/smtp"
)

// verb is a row of the table of commands.
type verb struct {
	name   string
	handle func(s *session, arg []byte) smtp.Reply
	needs  need
	traits trait

	index uint8 // of its row, for counters
}

// need is what has to have happened before a command; checked in this order.
type need uint8

const (
	needHello need = 1 << iota
	needNoMail
	needMail
	needRcpt
	needNoChunks // no BDAT of this transaction
)

// trait says how a command behaves.
type trait uint16

const (
	endsGroup  trait = 1 << iota // nothing may be pipelined behind it (RFC 2920 3.1)
	junk                         // brings mail no further: counted against the junk limit
	always                       // also after a security failure
	payload                      // raw bytes follow: refused without reading them, the connection is lost
	hidden                       // not in HELP
	bare                         // takes no argument
	foreign                      // no word of SMTP: another protocol is speaking
	injectable                   // judges itself what stands behind it
)

// verbs is the table. EHLO's words are those of extensions (hello.go).
var verbs = []verb{
	{name: "EHLO", handle: ehlo, traits: endsGroup | junk},
	{name: "HELO", handle: helo, traits: endsGroup | junk},
	{name: "STARTTLS", handle: starttls, traits: injectable | bare},
	{name: "AUTH", handle: authenticate, traits: endsGroup | junk},
	{name: "MAIL", handle: mail, needs: needHello | needNoMail},
	{name: "RCPT", handle: rcpt, needs: needMail | needNoChunks},
	{name: "DATA", handle: data, needs: needNoChunks | needMail | needRcpt, traits: endsGroup | bare},
	{name: "BDAT", handle: bdat, traits: payload},
	{name: "RSET", handle: rset, traits: junk | bare},
	{name: "NOOP", handle: noop, traits: junk},
	{name: "VRFY", handle: vrfy, traits: junk},
	{name: "EXPN", handle: refuseWith(expnRefused), traits: junk},
	{name: "HELP", handle: help, traits: junk},
	{name: "QUIT", handle: quit, traits: always},

	// Words of RFC 821 and of its implementations that nobody should have any
	// more: 502 says that they were understood and will not be done.
	{name: "ETRN", handle: refuseWith(notImplemented), traits: hidden},
	{name: "TURN", handle: refuseWith(notImplemented), traits: hidden},
	{name: "SEND", handle: refuseWith(notImplemented), traits: hidden},
	{name: "SOML", handle: refuseWith(notImplemented), traits: hidden},
	{name: "SAML", handle: refuseWith(notImplemented), traits: hidden},
	{name: "DEBUG", handle: refuseWith(notImplemented), traits: hidden},
	{name: "WIZ", handle: refuseWith(notImplemented), traits: hidden},

	{name: "GET", traits: foreign | hidden},
	{name: "POST", traits: foreign | hidden},
	{name: "PUT", traits: foreign | hidden},
	{name: "HEAD", traits: foreign | hidden},
	{name: "OPTIONS", traits: foreign | hidden},
	{name: "CONNECT", traits: foreign | hidden},
	{name: "HOST:", traits: foreign | hidden},
}

// otherVerb stands for everything that is in no row.
var otherVerb = verb{name: "other", handle: refuseWith(unknownCommand), traits: hidden}

// byName finds a row; its keys are in capitals.
var byName map[string]*verb

func init() {
	byName = make(map[string]*verb, len(verbs))
	for i := range verbs {
		verbs[i].index = uint8(i)
		byName[verbs[i].name] = &verbs[i]
	}
	otherVerb.index = uint8(len(verbs))
	helpLines = helpText()
}

// findVerb returns the row of a word in any case.
func findVerb(word []byte) *verb {
	var upper [8]byte
	if len(word) > len(upper) {
		return &otherVerb
	}
	for i, c := range word {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	if v := byName[string(upper[:len(word)])]; v != nil {
		return v
	}
	return &otherVerb
}

// helpLines is what HELP says.
var helpLines string

// helpText names the rows that are not hidden.
func helpText() string {
	var b strings.Builder
	b.WriteString("Commands supported:\n")
	for _, v := range verbs {
		if v.traits&hidden == 0 {
			b.WriteString(" " + v.name)
		}
	}
	return b.String()
}

func refuseWith(r smtp.Reply) func(*session, []byte) smtp.Reply {
	return func(*session, []byte) smtp.Reply { return r }
}

func rset(s *session, _ []byte) smtp.Reply {
	s.forgetTransaction()
	return resetOK
}

func noop(*session, []byte) smtp.Reply { return okReply }

// vrfy tells nothing of who exists (RFC 5321 7.3).
func vrfy(_ *session, arg []byte) smtp.Reply {
	if len(arg) == 0 {
		return wantsArgument
	}
	return cannotVrfy
}

func help(*session, []byte) smtp.Reply {
	return smtp.Reply{Code: 214, Enhanced: "2.0.0", Text: helpLines}
}

func quit(s *session, _ []byte) smtp.Reply {
	return goodbye.With(s.cfg.PrimaryHostname + " closing connection")
}

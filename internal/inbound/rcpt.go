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

// rcptArgs is what RCPT says.
type rcptArgs struct {
	to         smtp.Path
	postmaster bool // <postmaster>, without a domain
	notify     spool.Notify
	orcpt      string
}

func rcpt(s *session, arg []byte) smtp.Reply {
	r, err := s.parseRcpt(arg)
	if err != nil {
		return replyTo(err)
	}
	if reply, refused := s.refuseRcpt(&r); refused {
		return reply
	}
	s.txn.rcpts++
	if !s.alreadyNamed(r.to.Address) {
		s.txn.env.Recipients = append(s.txn.env.Recipients,
			spool.Recipient{Address: r.to.Address, Notify: r.notify, Orcpt: r.orcpt})
	}
	return rcptOK
}

func (s *session) parseRcpt(arg []byte) (r rcptArgs, err error) {
	arg, ok := smtp.CutWord(arg, "TO:")
	if !ok {
		return r, &wantsTo
	}
	path, rest, err := smtp.ParsePath(arg)
	if err != nil {
		return r, err
	}
	if path.IsNull() {
		return r, &nullRecipient
	}
	if path.Domain() == "" {
		if !strings.EqualFold(path.Local(), "postmaster") { // RFC 5321 4.1.1.3
			return r, &unqualified
		}
		r.postmaster = true
		path = path.Qualified(s.cfg.PrimaryHostname)
	}
	r.to = path
	err = readParams(rest, rcptParams, s, &r)
	return r, err
}

// refuseRcpt decides on a recipient. Each is judged alone.
func (s *session) refuseRcpt(r *rcptArgs) (smtp.Reply, bool) {
	verdict := policy.Relay(s.relayFacts(r))
	switch {
	case verdict.Reason == policy.RestrictedName:
		rejectedLocalPart.Inc()
		s.tally.refusals++
		return s.reject(mainlog.StageRcpt, r.to.Address, restrictedLocal), true
	case !verdict.Accept:
		rejectedRelay.Inc()
		s.tally.refusals++
		return s.reject(mainlog.StageRcpt, r.to.Address, relayDenied.With("relaying to <"+r.to.Address+"> prohibited")), true
	case s.txn.rcpts >= s.cfg.RecipientsMax:
		rejectedRecipients.Inc()
		return tooManyRcpt, true
	}
	return smtp.Reply{}, false
}

// relayAnswer is what the relay lists say of the client, asked once.
type relayAnswer struct {
	asked bool
	host  lists.Answer // host_accept_relay
	auth  lists.Answer // host_auth_accept_relay; of nobody it is not asked
	tls   lists.Answer // tls_host_accept_relay; in clear it is not asked
}

func (s *session) relayFacts(r *rcptArgs) policy.RelayFacts {
	if !s.relay.asked {
		s.relay = relayAnswer{asked: true, host: s.ask(s.cfg.HostAcceptRelay)}
		if s.sock.State().On {
			s.relay.tls = s.ask(s.cfg.TLSHostAcceptRelay)
		}
		if s.identity.known() {
			s.relay.auth = s.ask(s.cfg.HostAuthAcceptRelay)
		}
	}
	f := policy.RelayFacts{
		Local: r.to.Local(), Postmaster: r.postmaster,
		Host: s.relay.host, Authorized: s.identity.known(), AuthHost: s.relay.auth, TLS: s.sock.State().On, TLSHost: s.relay.tls,
	}
	if f.Host != lists.Yes {
		f.Domain = s.cfg.RelayDomains.Match(r.to.Domain()).Answer
	}
	return f
}

// manyRecipients is where a map is cheaper than looking at each.
const manyRecipients = 16

// alreadyNamed reports an address that is a recipient of the transaction
// already: it gets the message once.
func (s *session) alreadyNamed(address string) bool {
	rcpts := s.txn.env.Recipients
	if len(rcpts) < manyRecipients {
		for i := range rcpts {
			if rcpts[i].Address == address {
				return true
			}
		}
		return false
	}
	if s.txn.seen == nil {
		s.txn.seen = make(map[string]bool, 4*manyRecipients)
		for i := range rcpts {
			s.txn.seen[rcpts[i].Address] = true
		}
	}
	known := s.txn.seen[address]
	s.txn.seen[address] = true
	return known
}

// rcptParams: RFC 3461 4.1, 4.2.
var rcptParams = []param[rcptArgs]{
	{name: "NOTIFY", offered: withDSN, apply: func(r *rcptArgs, value []byte) (err error) {
		r.notify, err = parseNotify(value)
		return err
	}},
	{name: "ORCPT", offered: withDSN, apply: func(r *rcptArgs, value []byte) error {
		kind, addr, ok := bytes.Cut(value, []byte{';'})
		if !ok || len(kind) == 0 || len(value) > 500 || bytes.ContainsAny(kind, "+()<>@,:\\\"[]") {
			return smtp.ErrXtext
		}
		r.orcpt = string(value)
		return smtp.CheckXtext(addr, 500)
	}},
}

// parseNotify reads NEVER, or a list of the other three (RFC 3461 4.1).
func parseNotify(value []byte) (n spool.Notify, err error) {
	if bytes.EqualFold(value, []byte("NEVER")) {
		return spool.NotifyNever, nil
	}
	for word := range bytes.SplitSeq(value, []byte{','}) {
		switch strings.ToUpper(string(word)) {
		case "SUCCESS":
			n |= spool.NotifySuccess
		case "FAILURE":
			n |= spool.NotifyFailure
		case "DELAY":
			n |= spool.NotifyDelay
		default:
			return 0, smtp.ErrSyntax
		}
	}
	return n, nil
}

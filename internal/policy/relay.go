// Package policy decides what a client is answered: facts in, verdict out. It
// asks nobody and changes nothing; who has the facts (lists, TLS, AUTH) gives
// them to it.
package policy

import (
	"strings"

	"mtad/internal/lists"
)

// Verdict is a decision and the reason for it, in words for an operator.
type Verdict struct {
	Accept bool
	Reason Reason
}

// Reason says which rule decided.
type Reason string

// The reasons of Relay and Connect.
const (
	RelayDomain    Reason = "recipient domain is in relay_domains"
	RelayHost      Reason = "host is in host_accept_relay"
	RelayAuth      Reason = "authenticated, and host is in host_auth_accept_relay"
	RelayTLS       Reason = "in TLS, and host is in tls_host_accept_relay"
	Postmaster     Reason = "postmaster of this host"
	RelayDenied    Reason = "neither recipient domain nor host may relay"
	RestrictedName Reason = "restricted characters in local part"
	HostListed     Reason = "host is in host_reject"
	HostUnlisted   Reason = "host is not in host_reject"
)

// Grants is what a list that grants something says: only yes is one.
func Grants(a lists.Answer) bool { return a == lists.Yes }

// Demands is what a list that demands something, or that offers TLS, says: what
// cannot be known now is a yes.
func Demands(a lists.Answer) bool { return a != lists.No }

// The reasons of Mail.
const (
	MailAllowed      Reason = "nothing is missing"
	ClearDenied      Reason = "host is in tls_hosts, and not in TLS"
	SubmissionDenied Reason = "submission needs AUTH"
	AnonymousDenied  Reason = "host is in auth_hosts, and not authenticated"
	SenderPartial    Reason = "its domain is not fully qualified"
	SenderForeign    Reason = "its domain is not in sender_domains"
)

// MailFacts is what Mail decides on.
type MailFacts struct {
	TLS        bool         // is the session in TLS?
	MustTLS    bool         // does tls_hosts demand it?
	Authorized bool         // has the client authenticated?
	MustAuth   bool         // does auth_hosts demand it?
	Submission bool         // did it come in by a door for submission?
	Null       bool         // is the sender <>?
	Qualified  bool         // has the sender's domain a dot, or is it an address?
	Domain     lists.Answer // is it in the door's sender_domains, where there is such a list?
}

// Mail decides whether a client may begin a transaction at all.
func Mail(f MailFacts) Verdict {
	switch {
	case f.MustTLS && !f.TLS:
		return Verdict{false, ClearDenied}
	case f.Submission && !f.Authorized: // RFC 6409 4.3
		return Verdict{false, SubmissionDenied}
	case f.MustAuth && !f.Authorized:
		return Verdict{false, AnonymousDenied}
	case !f.Submission || f.Null:
		return Verdict{true, MailAllowed}
	case !f.Qualified: // RFC 6409 4.2
		return Verdict{false, SenderPartial}
	case f.Domain != lists.Yes:
		return Verdict{false, SenderForeign}
	}
	return Verdict{true, MailAllowed}
}

// RelayFacts is what Relay decides on. An answer that could not be had counts as
// no: these lists grant.
type RelayFacts struct {
	Local      string       // local part of the recipient, with its quotes
	Postmaster bool         // the recipient is <postmaster> without a domain (RFC 5321 4.5.1)
	Domain     lists.Answer // is its domain in relay_domains?
	Host       lists.Answer // is the host in host_accept_relay?
	Authorized bool         // has the client authenticated?
	AuthHost   lists.Answer // is the host in host_auth_accept_relay?
	TLS        bool         // is the session in TLS?
	TLSHost    lists.Answer // is the host in tls_host_accept_relay?
}

// Relay decides whether mail for a recipient is taken from a client: everybody's
// for our relay domains, anybody else's only from those who may send anywhere.
func Relay(f RelayFacts) Verdict {
	switch {
	case f.Postmaster:
		return Verdict{true, Postmaster}
	case f.Host == lists.Yes:
		return Verdict{true, RelayHost}
	case f.Authorized && f.AuthHost == lists.Yes:
		return Verdict{true, RelayAuth}
	case f.TLS && f.TLSHost == lists.Yes:
		return Verdict{true, RelayTLS}
	case f.Domain != lists.Yes:
		return Verdict{false, RelayDenied}
	case hidesRoute(f.Local):
		return Verdict{false, RestrictedName}
	}
	return Verdict{true, RelayDomain}
}

// hidesRoute reports a local part that a host behind us may take for an address
// of its own, or for a file or a pipe: user%domain, domain!user, "user@domain",
// |pipe, /file. From strangers these are attempts to relay through that host.
func hidesRoute(local string) bool {
	name := strings.TrimPrefix(local, `"`)
	return strings.ContainsAny(name, "@%!") || strings.Contains(name, "/../") ||
		name != "" && strings.IndexByte("./|:", name[0]) >= 0
}

// Connect decides whether a host is talked to at all. host_reject demands: an
// answer that could not be had counts as yes.
func Connect(hostReject lists.Answer) Verdict {
	if Demands(hostReject) {
		return Verdict{false, HostListed}
	}
	return Verdict{true, HostUnlisted}
}

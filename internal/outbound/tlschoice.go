package outbound

import "strconv"

// TLSFacts is all that the choice between TLS, clear text and another host
// depends on: what the lists say, what the server offered, what happened so far.
type TLSFacts struct {
	// Of the configuration.
	Avoid    string // the item of hosts_avoid_tls that the host is; "" where it is none
	Require  string // the same of hosts_require_tls
	TryClear bool   // tls_tempfail_tryclear
	Disabled bool   // there is no engine: LMTP to a program, tests

	// Of the session.
	HandedOn bool   // it was in TLS until it was handed on
	Offered  bool   // STARTTLS stood in the last reply to EHLO
	On       bool   // TLS is on
	Code     int    // of a reply to STARTTLS that was no 220
	Reply    string // that reply
	Failed   string // why TLS could not be started, behind the 220 or before STARTTLS was said
	Before   string // TLS failed so on another connection just now, and this one is to be in clear
}

// TLSChoice is what comes next.
type TLSChoice uint8

const (
	GoOn      TLSChoice = iota // as the session is now
	StartTLS                   // say STARTTLS
	LeaveHost                  // the next host, or later
	TryClear                   // the same host, on a new connection, in clear
)

// Choose says what comes next, and why in words. It is the whole of SPEC 5; the
// letters at the lines are its rows.
func (t *TLSFacts) Choose() (TLSChoice, string) {
	switch {
	case t.On:
		return GoOn, "TLS is on"
	case t.Failed != "": // C3, C6, C7, C8, C10
		return t.afterFailure(t.Failed)
	case t.Code >= 500: // C4
		return t.withoutTLS("STARTTLS was refused: " + t.Reply)
	case t.Code > 0: // C3
		return t.afterFailure(t.Reply)
	case t.Before != "": // C12
		return t.withoutTLS("tls_tempfail_tryclear is set, and with TLS it was " + t.Before)
	case t.Disabled:
		return t.withoutTLS("this transport has no TLS")
	case t.Avoid != "": // C2
		return t.withoutTLS("the host is in hosts_avoid_tls (" + strconv.Quote(t.Avoid) + ")")
	case !t.Offered:
		return t.withoutTLS("STARTTLS is not offered")
	}
	return StartTLS, "STARTTLS is offered" // C1
}

// withoutTLS: there is no TLS to be had. A session that was in TLS is never
// carried on in clear because it was handed on (SPEC H3).
func (t *TLSFacts) withoutTLS(why string) (TLSChoice, string) {
	switch {
	case t.HandedOn:
		return LeaveHost, "the session was in TLS before it was handed on, and now " + why
	case t.Require != "": // C5
		return LeaveHost, why + "; the host is in hosts_require_tls (" + strconv.Quote(t.Require) + ")"
	}
	return GoOn, why
}

// afterFailure: TLS was to be had and failed.
func (t *TLSFacts) afterFailure(why string) (TLSChoice, string) {
	if t.TryClear && t.Require == "" && !t.HandedOn { // C12
		return TryClear, why
	}
	return LeaveHost, why
}

// mayStart reports whether TLS will be started if the server offers it.
func (t *TLSFacts) mayStart() bool {
	return !t.On && !t.Disabled && t.Avoid == "" && t.Before == ""
}

// inClear says why a session goes on in clear though TLS was tried or refused;
// "" where nothing is to be said.
func (t *TLSFacts) inClear() string {
	if t.On || t.Code == 0 && t.Before == "" {
		return ""
	}
	_, why := t.Choose()
	return why
}

// Facts is what is known before a session: what the configuration says.
func (t *TLS) Facts() TLSFacts { return factsOf(t, "") }

// factsOf is what is known before a session; before is what became of TLS on
// another connection just now.
func factsOf(s *TLS, before string) TLSFacts {
	return TLSFacts{Avoid: s.Avoid, Require: s.Require, TryClear: s.TryClear, Disabled: s.Client == nil, Before: before}
}

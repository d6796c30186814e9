package policy

import (
	"testing"

	"mtad/internal/lists"
)

var answers = []lists.Answer{lists.No, lists.Yes, lists.Unknown}

// S11 in all combinations of the three alternatives, with the relay domains
// beside them: each ground is enough alone, whatever the others say; without
// one there is no relaying; and the reason names a ground that is there.
func TestRelayAlternatives(t *testing.T) {
	t.Parallel()
	combinations := 0
	for _, host := range answers {
		for _, authHost := range answers {
			for _, tlsHost := range answers {
				for _, domain := range answers {
					for bits := range 4 {
						combinations++
						f := RelayFacts{
							Local: "u", Domain: domain, Host: host, AuthHost: authHost, TLSHost: tlsHost,
							Authorized: bits&1 != 0, TLS: bits&2 != 0,
						}
						grounds := map[Reason]bool{
							RelayHost:   host == lists.Yes,
							RelayAuth:   authHost == lists.Yes && bits&1 != 0,
							RelayTLS:    tlsHost == lists.Yes && bits&2 != 0,
							RelayDomain: domain == lists.Yes,
						}
						got := Relay(f)
						there := false
						for _, g := range grounds {
							there = there || g
						}
						if got.Accept != there || got.Accept && !grounds[got.Reason] || !got.Accept && got.Reason != RelayDenied {
							t.Errorf("%+v: %+v", f, got)
						}
					}
				}
			}
		}
	}
	if combinations != 324 {
		t.Errorf("%d combinations", combinations)
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	submitted := MailFacts{Submission: true, Authorized: true, Qualified: true, Domain: lists.Yes}
	with := func(change func(*MailFacts)) MailFacts {
		f := submitted
		change(&f)
		return f
	}
	for _, c := range []struct {
		name   string
		facts  MailFacts
		reason Reason
	}{
		{"a stranger", MailFacts{}, MailAllowed},
		{"S10", MailFacts{MustTLS: true}, ClearDenied},
		{"S10, in TLS", MailFacts{MustTLS: true, TLS: true}, MailAllowed},
		{"S13", MailFacts{MustAuth: true}, AnonymousDenied},
		{"S13, authenticated", MailFacts{MustAuth: true, Authorized: true}, MailAllowed},
		{"S10 and S13, in TLS", MailFacts{MustTLS: true, TLS: true, MustAuth: true}, AnonymousDenied},
		{"S10 and S13, authenticated in clear", MailFacts{MustTLS: true, MustAuth: true, Authorized: true}, ClearDenied},
		{"submission", submitted, MailAllowed},
		{"submission, in clear where TLS must be", with(func(f *MailFacts) { f.MustTLS = true }), ClearDenied},
		{"submission, by nobody", with(func(f *MailFacts) { f.Authorized = false }), SubmissionDenied},
		{"submission, by nobody from auth_hosts", with(func(f *MailFacts) { f.Authorized, f.MustAuth = false, true }), SubmissionDenied},
		{"submission, user@localhost", with(func(f *MailFacts) { f.Qualified = false }), SenderPartial},
		{"submission, foreign domain", with(func(f *MailFacts) { f.Domain = lists.No }), SenderForeign},
		{"submission, domain not to be had", with(func(f *MailFacts) { f.Domain = lists.Unknown }), SenderForeign},
		{"submission, null sender", with(func(f *MailFacts) { f.Null, f.Qualified, f.Domain = true, false, lists.No }), MailAllowed},
		{"not submission, user@localhost", MailFacts{Authorized: true}, MailAllowed},
	} {
		if got := Mail(c.facts); got != (Verdict{c.reason == MailAllowed, c.reason}) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

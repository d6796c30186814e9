package explain

import (
	"fmt"
	"strings"

	"mtad/internal/auth"
	"mtad/internal/outbound"
)

// authentication is AUTH: whether it is tried, with what, and what becomes of mail
// without it. Authenticators are named; what is in them is not told.
func authentication(s *outbound.Settings, target outbound.Target, c channels) []Finding {
	facts := s.Auth.Facts()
	choice, why := facts.Choose()
	if choice != outbound.Authenticate {
		return []Finding{{About: "AUTH", Text: "is not tried: " + why, Option: "hosts_try_auth"}}
	}
	f := Finding{About: "AUTH", Option: "hosts_try_auth", Item: s.Auth.Try}
	if s.Auth.Require != "" {
		f.Option, f.Item = "hosts_require_auth", s.Auth.Require
	}
	credentials, err := s.Auth.Credentials(target)
	if err != nil {
		f.Text = "CANNOT BE DONE, each time it is tried: " + clean(err.Error())
		return []Finding{f, without(s)}
	}
	all := mechanisms(s.Auth.Client, credentials, c)
	f.Text = "is tried: " + clean(why)
	return append([]Finding{f}, append(all, without(s))...)
}

// channels are the sessions that AUTH can come to stand in.
type channels struct {
	tls         bool // may be on
	clear       bool // TLS may be off
	certificate bool // we have one to show
}

// mechanisms says what is chosen from, in TLS and in clear.
func mechanisms(client *auth.Client, credentials []auth.Credential, c channels) (all []Finding) {
	if c.tls {
		in := client.Possible(auth.Channel{TLS: true, Certificate: c.certificate}, credentials)
		all = append(all, Finding{About: "AUTH by", Text: "in TLS: " + choices(in)})
	}
	if c.clear {
		all = append(all, Finding{About: "AUTH by", Text: "in clear: " + choices(client.Possible(auth.Channel{}, credentials))})
	}
	return all
}

// choices names mechanisms with their authenticators, strongest first.
func choices(all []auth.Possible) string {
	var used, not []string
	for _, p := range all {
		if p.Not == "" {
			used = append(used, fmt.Sprintf("%s (%s)", p.Mechanism, clean(p.Name)))
		} else {
			not = append(not, fmt.Sprintf("%s (%s) %s", p.Mechanism, clean(p.Name), p.Not))
		}
	}
	text := "nothing: no [[authenticator]] has client options for this host"
	switch {
	case len(used) > 1:
		text = "the first that the server offers of " + strings.Join(used, ", ")
	case len(used) == 1:
		text = used[0]
	case len(not) > 0:
		text = "nothing"
	}
	if len(not) > 0 {
		text += "; " + strings.Join(not, "; ")
	}
	return text
}

// without plays a failure of AUTH through the function that decides.
func without(s *outbound.Settings) Finding {
	facts := s.Auth.Facts()
	facts.Failed = "fails"
	f := Finding{About: "no AUTH", Text: "where the server has none of these, or refuses", Option: "hosts_require_auth", Item: s.Auth.Require}
	if choice, _ := facts.Choose(); choice == outbound.AuthLeave {
		f.Text += fmt.Sprintf(": no mail; the next host, or later (hosts_require_auth has %q)", clean(s.Auth.Require))
	} else {
		f.Text += ": mail goes UNAUTHENTICATED (the host is not in hosts_require_auth)"
	}
	return f
}

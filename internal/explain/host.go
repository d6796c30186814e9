package explain

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mtad/internal/certs"
	"mtad/internal/config"
	"mtad/internal/expand"
	"mtad/internal/outbound"
	"mtad/internal/route"
)

// general is what the transport does with every host.
func general(t *config.Transport) []Finding {
	limit := fmt.Sprintf("at most %s to one address", count(t.MaxConnections, "connection"))
	if t.MaxMessageRate > 0 {
		limit += fmt.Sprintf(", %g messages a second", t.MaxMessageRate)
	}
	batch := fmt.Sprintf("up to %s on one connection, which waits %v for another one", count(t.BatchMax, "message"), t.ConnectionLinger)
	if t.BatchMax == 1 {
		batch = "one message on one connection"
	}
	return []Finding{
		{About: "connections", Text: limit + " (max_connections)", Option: "max_connections", Item: strconv.Itoa(t.MaxConnections)},
		{About: "batches", Text: batch + " (batch_max)", Option: "batch_max", Item: strconv.Itoa(t.BatchMax)},
	}
}

// retry says when mail is tried again that could not be delivered.
func (e *Explainer) retry(domain string) []Finding {
	var all []Finding
	for _, r := range e.Retry.Explain(domain) {
		kinds := "after any error"
		if len(r.Errors) > 0 {
			kinds = fmt.Sprintf("after %v", r.Errors)
		} else if len(all) > 0 {
			kinds = "after any other error"
		}
		which := fmt.Sprintf("the [[retry]] whose domains have %q", r.Item)
		if r.Number == 0 {
			which = "the rule built in: no [[retry]] is for it"
		}
		all = append(all, Finding{About: "retry", Text: kinds + ": " + r.Rule + " (" + clean(which) + ")", Option: "retry.rule", Item: r.Rule})
	}
	return all
}

// host works out what is done with one host.
func (e *Explainer) host(ctx context.Context, t *outbound.Transport, h route.Host, known []Known) Host {
	target := outbound.Target{Name: h.Name, Addr: h.Addr, IP: h.Addr.Addr().String()}
	out := Host{Name: h.Name, Address: h.Addr.String()}
	k := find(known, &out, t.Config.Name)
	settings, fault := t.Settings(target)
	if fault != nil {
		out.Findings = []Finding{{About: "fault", Text: clean(fault.Text) + ": no mail goes to this host"}}
		if e.Probe {
			out.Probe = &Probe{Fault: clean(fault.Text)}
		}
		return out
	}
	all, tried := protection(t, settings, target)
	out.Findings = append(greeting(t.Config, settings), e.site(h)...)
	out.Findings = append(out.Findings, all...)
	own, _, _ := t.Options(target) // an error stands there already
	out.Findings = append(out.Findings, authentication(settings, target, channels{
		tls: tried, clear: settings.TLS.Require == "", certificate: own.Certificate != ""})...)
	out.Findings = append(out.Findings, handover(t.Config, tried, k.Remembered != ""))
	out.Findings = append(out.Findings, k.findings()...)
	if e.Probe {
		out.Probe = probe(ctx, target, settings)
	}
	return out
}

// site is what the host shares with others.
func (e *Explainer) site(h route.Host) []Finding {
	s, item := e.Config.SiteOf(h.Name, h.Addr.Addr())
	if s == nil {
		return nil
	}
	var limits []string
	if s.MaxConnections > 0 {
		limits = append(limits, count(s.MaxConnections, "connection"))
	}
	if s.MaxMessageRate > 0 {
		limits = append(limits, fmt.Sprintf("%g messages a second", s.MaxMessageRate))
	}
	text := fmt.Sprintf("%s ([[site]] whose match has %q)", s.Name, clean(item))
	if len(limits) > 0 {
		text += ": at most " + strings.Join(limits, " and ") + " to all its hosts together"
	}
	return []Finding{{About: "site", Text: text, Option: "site.match", Item: item}}
}

func greeting(t *config.Transport, s *outbound.Settings) []Finding {
	from := Finding{About: "from", Text: "the system chooses the address (interface is not set)", Option: "interface"}
	if s.Interface != "" {
		from.Text, from.Item = clean(s.Interface)+" (interface)", t.Interface.Source()
	} else if t.Interface != nil {
		from.Text, from.Item = "the system chooses the address (interface comes to nothing for this host)", t.Interface.Source()
	}
	verb := "EHLO "
	if s.LMTP {
		verb = "LHLO "
	}
	return []Finding{from, {About: "greeting", Text: clean(verb+s.Helo) + " (helo_data)", Option: "helo_data", Item: source(t.HeloData)}}
}

// protection is TLS: whether it is tried, and what is asked of it.
func protection(t *outbound.Transport, s *outbound.Settings, target outbound.Target) (all []Finding, tried bool) {
	if all, tried = attempt(&s.TLS); !tried {
		return all, false
	}
	o, named, err := t.Options(target)
	if err == nil {
		_, _, err = s.TLS.Client(target)
	}
	if err != nil {
		return append(all, Finding{About: "TLS", Text: "CANNOT BE STARTED, each time it is tried: " + clean(err.Error())}), true
	}
	all = append(all, verification(t.Config, &o, named, target.Name, s.TLS.Require != ""))
	return append(all, shown(t.Config, &o)...), true
}

// attempt plays the outcomes of STARTTLS through the function that decides.
func attempt(s *outbound.TLS) (all []Finding, tried bool) {
	offered := s.Facts()
	offered.Offered = true
	choice, why := offered.Choose()
	if choice != outbound.StartTLS {
		return []Finding{{About: "TLS", Text: "is not tried: " + clean(why) + then(choice), Option: "hosts_avoid_tls", Item: s.Avoid}}, false
	}
	without := s.Facts()
	choice, _ = without.Choose()
	none := Finding{About: "no TLS", Text: "where STARTTLS is not offered, or refused with 5xx" + then(choice)}
	if s.Require != "" {
		none.Text += fmt.Sprintf(" (hosts_require_tls has %q)", clean(s.Require))
		none.Option, none.Item = "hosts_require_tls", s.Require
	} else {
		none.Text += " (the host is not in hosts_require_tls)"
		none.Option = "hosts_require_tls"
	}
	fails := s.Facts()
	fails.Offered, fails.Failed = true, "fails"
	choice, _ = fails.Choose()
	failed := Finding{About: "TLS fails", Text: "4xx to STARTTLS, a failed handshake" + then(choice), Option: "tls_tempfail_tryclear", Item: strconv.FormatBool(s.TryClear)}
	switch {
	case choice == outbound.TryClear:
		failed.Text += " (tls_tempfail_tryclear)"
	case s.TryClear:
		failed.Text += " (tls_tempfail_tryclear does not hold for hosts in hosts_require_tls)"
	}
	return []Finding{{About: "TLS", Text: "is started where STARTTLS is offered (the host is not in hosts_avoid_tls)", Option: "hosts_avoid_tls"}, none, failed}, true
}

func then(c outbound.TLSChoice) string {
	switch c {
	case outbound.GoOn:
		return ": mail goes IN CLEAR"
	case outbound.TryClear:
		return ": a new connection, IN CLEAR"
	case outbound.LeaveHost:
		return ": no mail; the next host, or later"
	}
	return ""
}

func verification(t *config.Transport, o *certs.Client, named, host string, required bool) Finding {
	f := Finding{About: "certificate", Option: "tls_verify_certificates", Item: source(t.TLSVerifyCertificates)}
	switch {
	case o.VerifyCertificates == "" && t.TLSVerifyCertificates == nil:
		f.Text = "the server's is not verified (tls_verify_certificates is not set)"
		return f
	case o.VerifyCertificates == "":
		f.Text = "the server's is not verified (tls_verify_certificates comes to nothing for this host)"
		return f
	}
	f.Text = "the server's must be in " + clean(o.VerifyCertificates) + ", or lead to one that is (tls_verify_certificates)"
	if named != "" {
		f.Text += fmt.Sprintf(", and be for %s (tls_verify_cert_hostnames has %q)", clean(host), clean(named))
	} else {
		f.Text += ", for whatever name (not in tls_verify_cert_hostnames)"
	}
	if !required {
		f.Text += "; a server WITHOUT TLS is not verified at all: hosts_require_tls does not have it"
	}
	return f
}

// shown is what is asked of the session beside, and what we show ourselves.
func shown(t *config.Transport, o *certs.Client) []Finding {
	var all []Finding
	if o.Ciphers != "" {
		all = append(all, Finding{About: "ciphers", Text: "one of " + clean(o.Ciphers) + " (tls_verify_ciphers)", Option: "tls_verify_ciphers", Item: source(t.TLSVerifyCiphers)})
	}
	if o.Certificate != "" {
		all = append(all, Finding{About: "our own", Text: clean(o.Certificate) + " is shown to a server that asks for a certificate (tls_certificate)", Option: "tls_certificate", Item: source(t.TLSCertificate)})
	}
	return all
}

// handover says how a connection goes from message to message.
func handover(t *config.Transport, inTLS, remembered bool) Finding {
	f := Finding{About: "hand-over", Option: "tls_handoff", Item: t.TLSHandoff}
	if t.BatchMax == 1 {
		return Finding{About: "hand-over", Text: "none: QUIT after each message (batch_max)", Option: "batch_max", Item: "1"}
	}
	why := " (tls_handoff)"
	if !inTLS {
		return Finding{About: "hand-over", Text: "the connection carries the next message as it is, in clear"}
	}
	if remembered && t.TLSHandoff != "keep" {
		f.Option, f.Item, why = "tls_handoff_fallback", t.TLSHandoffFallback, " (this host does not go on after a shutdown: tls_handoff_fallback)"
	}
	f.Text = map[outbound.Passage]string{
		outbound.ShutDown:  "TLS is shut down, and started again for the next message",
		outbound.AsItIs:    "the TLS session is kept for the next message",
		outbound.Reconnect: "a new connection for the next message",
	}[outbound.PassageOf(inTLS, t.TLSHandoff, t.TLSHandoffFallback, remembered)] + why
	return f
}

// find returns what is known of a host; the zero value where nothing is.
func find(all []Known, h *Host, transport string) *Known {
	for i := range all {
		k := &all[i]
		if k.Name == h.Name && k.Address == h.Address && (k.Transport == "" || k.Transport == transport) {
			return k
		}
	}
	return &Known{}
}

func (k *Known) findings() []Finding {
	if k.Name == "" {
		return nil
	}
	var all []Finding
	if k.Window > 0 {
		all = append(all, Finding{About: "now", Text: fmt.Sprintf("%s; %d at most at present", count(k.Connections, "connection"), k.Window)})
	}
	if k.RetryAt != "" || k.Error != "" {
		text := cmp.Or(clean(k.Error), "it failed")
		if k.RetryAt != "" {
			text = "nothing is sent before " + moment(k.RetryAt) + ": " + text
		}
		all = append(all, Finding{About: "trouble", Text: text})
	}
	if k.Remembered != "" {
		all = append(all, Finding{About: "remembered", Text: clean(k.Remembered) + `; "mtad queue forget-host ` + clean(k.Address) + `" ends that`, Option: "tls_handoff_memory"})
	}
	return all
}

// moment writes a time for people.
func moment(rfc3339 string) string {
	t, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		return clean(rfc3339)
	}
	return t.Local().Format(time.DateTime)
}

// source is an option as written, "" where it is unset.
func source(s *expand.String) string {
	if s == nil {
		return ""
	}
	return s.Source()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

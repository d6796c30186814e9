package explain

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"mtad/internal/outbound"
	"mtad/tlsstate"
)

// Probe is what a host said and showed to a session without mail.
type Probe struct {
	Transcript      []outbound.Line `json:"transcript,omitempty"`
	Cipher          string          `json:"cipher,omitempty"` // "TLSv1.3:TLS_AES_128_GCM_SHA256:128"; "": in clear
	Verified        bool            `json:"verified"`
	WhyNot          string          `json:"why_not,omitempty"` // it was not verified
	InClear         string          `json:"in_clear,omitempty"`
	Authenticator   string          `json:"authenticator,omitempty"`   // that did AUTH
	Unauthenticated string          `json:"unauthenticated,omitempty"` // why, though AUTH is wanted
	Certificate     *Certificate    `json:"certificate,omitempty"`
	Fault           string          `json:"fault,omitempty"` // why no message could have been sent
}

// Certificate is what a server shows.
type Certificate struct {
	Subject     string    `json:"subject"` // "/C=UK/O=Example/CN=mx", printable
	Names       []string  `json:"names"`   // host names and addresses that it is for
	Issuer      string    `json:"issuer"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"sha256"`
	Above       []string  `json:"above,omitempty"` // subjects of those shown behind it
}

// maxNames is how many names, and certificates, are shown.
const maxNames = 20

func probe(ctx context.Context, target outbound.Target, s *outbound.Settings) *Probe {
	seen := outbound.Probe(ctx, target, s)
	p := &Probe{Transcript: seen.Transcript, Cipher: seen.TLS.CipherLog(), Verified: seen.Verified, InClear: clean(seen.Clear),
		Authenticator: seen.Authenticator, Unauthenticated: clean(seen.Anonymous)}
	if seen.Fault != nil {
		p.Fault = clean(seen.Fault.Text)
	}
	if len(seen.Certificates) == 0 {
		return p
	}
	p.Certificate = certificate(seen.Certificates)
	switch {
	case seen.Refused != nil:
		p.WhyNot = clean(seen.Refused.Error())
	case !seen.Verified:
		p.WhyNot = "tls_verify_certificates names nothing for this host"
	}
	return p
}

func certificate(chain []*x509.Certificate) *Certificate {
	leaf := chain[0]
	c := &Certificate{
		Subject: tlsstate.DN(leaf.Subject), Issuer: tlsstate.DN(leaf.Issuer), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		Fingerprint: fmt.Sprintf("%x", sha256.Sum256(leaf.Raw)),
	}
	for _, n := range leaf.DNSNames {
		c.Names = append(c.Names, clean(n))
	}
	for _, ip := range leaf.IPAddresses {
		c.Names = append(c.Names, ip.String())
	}
	c.Names = shorten(c.Names)
	for _, above := range chain[1:] {
		c.Above = append(c.Above, tlsstate.DN(above.Subject))
	}
	c.Above = shorten(c.Above)
	return c
}

func shorten(all []string) []string {
	if len(all) <= maxNames {
		return all
	}
	return append(all[:maxNames:maxNames], fmt.Sprintf("and %d more", len(all)-maxNames))
}

// lines is the probe for people.
func (p *Probe) lines(now time.Time) []string {
	var all []string
	for _, l := range p.Transcript {
		all = append(all, l.From+" "+l.Text)
	}
	if c := p.Certificate; c != nil {
		all = append(all, "certificate "+c.Subject, "  for       "+strings.Join(c.Names, ", "), "  issuer    "+c.Issuer,
			"  valid     "+c.validity(now), "  sha256    "+c.Fingerprint)
		for _, a := range c.Above {
			all = append(all, "  behind it "+a)
		}
		all = append(all, "  verified  "+p.verdict())
	}
	return append(all, p.outcome())
}

// outcome says how mail would go.
func (p *Probe) outcome() string {
	text := "mail would go IN CLEAR"
	switch {
	case p.Fault != "":
		return "NO MAIL COULD BE SENT: " + p.Fault
	case p.Cipher != "":
		text = "mail would go in TLS: " + p.Cipher
	case p.InClear != "":
		text += ": " + p.InClear
	}
	switch {
	case p.Authenticator != "":
		text += "; authenticated by " + p.Authenticator
	case p.Unauthenticated != "":
		text += "; UNAUTHENTICATED: " + p.Unauthenticated
	}
	return text
}

func (p *Probe) verdict() string {
	if p.WhyNot == "" && p.Verified {
		return "yes"
	}
	return "NO: " + p.WhyNot
}

func (c *Certificate) validity(now time.Time) string {
	text := c.NotBefore.UTC().Format(time.DateOnly) + " to " + c.NotAfter.UTC().Format(time.DateTime) + " UTC"
	switch left := c.NotAfter.Sub(now); {
	case left < 0:
		return text + ": EXPIRED"
	case now.Before(c.NotBefore):
		return text + ": NOT YET"
	default:
		return fmt.Sprintf("%s: %s left", text, count(int(left.Hours()/24), "day"))
	}
}

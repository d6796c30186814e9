package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Purpose is what a peer's certificate must be made for.
type Purpose int

const (
	OfClient Purpose = iota // it is a client's: its extended key usage, if it has one, allows clientAuth
	OfServer                // serverAuth
)

// Refusal is why a peer is not accepted: a value of a small set for metrics, and
// a sentence for the log. It goes through a handshake as its error.
type Refusal struct {
	Reason Reason
	Text   string
}

func (r *Refusal) Error() string { return r.Text }

func refusal(why Reason, format string, args ...any) error {
	return &Refusal{why, fmt.Sprintf(format, args...)}
}

// Verify judges the certificates that a peer presented, its own first: it must
// be a member of the collection, or chain to a CA certificate that is, be valid
// now and made for the purpose. Where name is not empty, it must also be for that
// host name or IP address (RFC 6125, subject alternative names alone), unless it
// is itself a member. The error is a *Refusal.
func (t *Trust) Verify(peer []*x509.Certificate, as Purpose, name string, now time.Time) error {
	if len(peer) == 0 {
		return refusal(NoCertificate, "the peer presented no certificate")
	}
	leaf := peer[0]
	if err := inTime(leaf, now, "the certificate"); err != nil {
		return err
	}
	if !allows(leaf, as) {
		return refusal(WrongUsage, "the certificate is not made for a %s (extended key usage)", as)
	}
	if t.Has(leaf) {
		return nil
	}
	if err := t.chain(peer, as, now); err != nil {
		return err
	}
	if name == "" {
		return nil
	}
	return checkName(leaf, name)
}

func (p Purpose) String() string {
	if p == OfServer {
		return "server"
	}
	return "client"
}

func (p Purpose) usage() x509.ExtKeyUsage {
	if p == OfServer {
		return x509.ExtKeyUsageServerAuth
	}
	return x509.ExtKeyUsageClientAuth
}

func inTime(c *x509.Certificate, now time.Time, what string) error {
	switch {
	case now.After(c.NotAfter):
		return refusal(Expired, "%s expired on %s", what, c.NotAfter.UTC().Format(time.DateTime))
	case now.Before(c.NotBefore):
		return refusal(NotYetValid, "%s is valid from %s on only", what, c.NotBefore.UTC().Format(time.DateTime))
	}
	return nil
}

// allows follows RFC 5280 4.2.1.12: no extended key usage is any.
func allows(c *x509.Certificate, as Purpose) bool {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return true
	}
	for _, u := range c.ExtKeyUsage {
		if u == x509.ExtKeyUsageAny || u == as.usage() {
			return true
		}
	}
	return false
}

func (t *Trust) chain(peer []*x509.Certificate, as Purpose, now time.Time) error {
	between := x509.NewCertPool()
	for _, c := range peer[1:] {
		between.AddCert(c)
	}
	_, err := peer[0].Verify(x509.VerifyOptions{
		Roots:         t.roots,
		Intermediates: between,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{as.usage()},
	})
	if err == nil {
		return nil
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) {
		switch invalid.Reason {
		case x509.Expired:
			if err := inTime(invalid.Cert, now, "a certificate above it"); err != nil {
				return err
			}
		case x509.IncompatibleUsage:
			return refusal(WrongUsage, "the chain of the certificate is not made for a %s (extended key usage)", as)
		}
	}
	return refusal(Untrusted, "the certificate is not trusted: %s", strings.TrimPrefix(err.Error(), "x509: "))
}

// checkName has Go's rules (no common name, a wildcard for one whole leftmost
// label), and Exim's that a wildcard stands before two labels at least.
func checkName(leaf *x509.Certificate, name string) error {
	name = strings.TrimSuffix(name, ".")
	err := leaf.VerifyHostname(name)
	if err == nil && net.ParseIP(name) == nil && strings.Count(name, ".") < 2 && !names(leaf, name) {
		err = errors.New("a wildcard may not stand for all names of a top-level domain")
	}
	if err != nil {
		return refusal(WrongName, "the certificate is not for %q: %s", name, strings.TrimPrefix(err.Error(), "x509: "))
	}
	return nil
}

func names(leaf *x509.Certificate, name string) bool {
	for _, n := range leaf.DNSNames {
		if strings.EqualFold(strings.TrimSuffix(n, "."), name) {
			return true
		}
	}
	return false
}

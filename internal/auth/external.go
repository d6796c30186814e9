package auth

import (
	"context"
	"crypto/x509"
)

// PeerName is the name in a client's certificate: its common name, or else the
// first mail address or host name it has.
func PeerName(cert *x509.Certificate) string {
	switch {
	case cert.Subject.CommonName != "":
		return cert.Subject.CommonName
	case len(cert.EmailAddresses) > 0:
		return cert.EmailAddresses[0]
	case len(cert.DNSNames) > 0:
		return cert.DNSNames[0]
	}
	return ""
}

// beginExternal is EXTERNAL (RFC 4422 A): who the client is was proved by its
// certificate. It may name itself, and nobody else.
func beginExternal(d *Dialogue, ctx context.Context, first string, has bool) (Step, responder) {
	take := func(ctx context.Context, authzid string) (Step, responder) {
		return d.external(ctx, authzid), nil
	}
	if !has {
		return Step{Outcome: Challenge}, take
	}
	return take(ctx, first)
}

func (d *Dialogue) external(ctx context.Context, authzid string) Step {
	name := d.session.PeerName
	if name == "" { // not offered either
		return rejected("there is no verified client certificate")
	}
	if authzid != "" && authzid != name {
		return d.failed(name, "wants to act as another user")
	}
	vars := []string{name}
	return d.judge(name, vars, func() (bool, error) {
		switch {
		case d.auth.Users != nil:
			return d.auth.Users.Has(name)
		case d.auth.Condition != nil:
			return d.auth.condition(ctx, d, vars)
		}
		return true, nil // the certificate is proof enough
	})
}

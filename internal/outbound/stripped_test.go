package outbound

import (
	"strings"
	"testing"

	"mtad/internal/auth"
	"mtad/internal/certs"
)

// ST-20: a server, or somebody in between, that takes TLS away does not get the
// secret, whatever it offers in clear, unless client_allow_clear says so.
func TestST20NoSecretInClear(t *testing.T) {
	const offers = "AUTH PLAIN LOGIN"
	inClear := func(p *peer) { p.hello(offers) }
	for _, c := range []struct {
		name     string
		tryClear bool
		scripts  []func(*peer)
		why      string
	}{
		{"no TLS offered", false, []func(*peer){inClear}, "client_allow_clear"},
		{"STARTTLS refused", false, []func(*peer){func(p *peer) {
			p.hello("STARTTLS", offers)
			p.want("STARTTLS")
			p.say("502 what is that?")
		}}, "client_allow_clear"},
		{"TLS fails, again in clear", true, []func(*peer){failedHandshake, inClear}, "client_allow_clear"},
		{"offered before TLS only", false, []func(*peer){func(p *peer) {
			p.hello("STARTTLS", offers)
			p.startTLS()
			p.ehlo("8BITMIME")
		}}, "offers no authentication"},
	} {
		for _, how := range []string{"require", "try"} {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				inBoth(t, func(t *testing.T, version uint16) {
					scripts := append([]func(*peer){}, c.scripts...)
					last := scripts[len(scripts)-1]
					scripts[len(scripts)-1] = func(p *peer) {
						last(p)
						if how == "try" {
							p.message()
						}
						p.quit()
					}
					s := withAuth(tlsSettings(t, nil), how, loginCredential, plainCredential)
					s.TLS.TryClear = c.tryClear
					conn, f := dialed(t, stage(t, serverTLS(version, world().mx), scripts...), s)
					told := ""
					switch {
					case how == "require":
						if f == nil || f.Scope != ScopeHost || f.Kind != "auth" || f.Permanent {
							t.Fatalf("%+v", f)
						}
						told = f.Text
					case f != nil:
						t.Fatal(f)
					default:
						told = conn.Anonymous
						one(t, conn)
						conn.Quit(t.Context())
					}
					if !strings.Contains(told, c.why) {
						t.Errorf("told as %q", told)
					}
				})
			})
		}
	}
}

// ST-20: nor does a certificate that is not accepted.
func TestST20NoSecretToAStranger(t *testing.T) {
	inBoth(t, func(t *testing.T, version uint16) {
		s := withAuth(tlsSettings(t, func(o *certs.Client) { trustCA(true)(t, o) }), "try", auth.Credential{
			Name: "plain", Driver: "plaintext", PublicName: "PLAIN", User: "user", Secret: secret, AllowClear: true})
		_, f := dialed(t, stage(t, serverTLS(version, world().other), refusedHandshake), s)
		if f == nil || f.Kind != "tls" {
			t.Errorf("%+v", f)
		}
	})
}

// C9: options that are forced to fail count as unset: the certificate is not
// verified, nothing is asked of the cipher, and ours is not shown.
func TestC9ForcedToFail(t *testing.T) {
	inBoth(t, func(t *testing.T, version uint16) {
		target := stage(t, serverTLS(version, world().other), func(p *peer) {
			p.say("220 mx")
			for range 2 {
				p.want("EHLO relay.test")
				p.say("250-mx", "250 STARTTLS")
				if !p.sock.State().On {
					p.startTLS()
				}
			}
			p.quit()
		})
		const forced = `"${if eq{$host}{nobody}{nowhere.pem}fail}"`
		s, f := transportWith(t, t.TempDir(), "tls_certificate = "+forced, "tls_privatekey = "+forced, "tls_verify_certificates = "+forced,
			"tls_verify_ciphers = "+forced, "helo_data = "+forced, "interface = "+forced).Settings(target)
		if f != nil {
			t.Fatal(f)
		}
		conn, f := Dial(t.Context(), target, s)
		if f != nil {
			t.Fatal(f)
		}
		if !conn.Socket.State().On || conn.Verified {
			t.Errorf("%+v, verified %t", conn.Socket.State(), conn.Verified)
		}
		conn.Quit(t.Context())
	})
}

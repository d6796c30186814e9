package outbound

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"mtad/internal/auth"
	"mtad/internal/certs"
)

const (
	secret = "canary-7h3-53cr37"
	// RFC 4616 2: authzid NUL authcid NUL passwd.
	plainUser = "\x00user\x00" + secret
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

var (
	plainCredential = auth.Credential{Name: "plain", Driver: "plaintext", PublicName: "PLAIN", User: "user", Secret: secret}
	loginCredential = auth.Credential{Name: "login", Driver: "plaintext", PublicName: "LOGIN", User: "user", Secret: secret}
	cramCredential  = auth.Credential{Name: "cram", Driver: "cram_md5", User: "user", Secret: secret}
)

// withAuth asks for AUTH: "try" or "require".
func withAuth(s *Settings, how string, credentials ...auth.Credential) *Settings {
	s.Auth = Auth{
		Client:      &auth.Client{Costs: auth.NewCosts(1, 10, 0)},
		Credentials: func(Target) ([]auth.Credential, error) { return credentials, nil },
	}
	if how == "try" {
		s.Auth.Try = "*"
	} else {
		s.Auth.Require = "*.y.example"
	}
	return s
}

func authSettings(t *testing.T, how string, credentials ...auth.Credential) *Settings {
	return withAuth(tlsSettings(t, func(o *certs.Client) { trustCA(true)(t, o) }), how, credentials...)
}

// secureAuth is a session in TLS up to the second EHLO, which offers mechanisms.
func (p *peer) secureAuth(mechanisms string) {
	p.hello("STARTTLS", "AUTH EXTERNAL PLAIN") // what is said in clear is forgotten
	p.startTLS()
	p.ehlo("AUTH " + mechanisms)
}

func (p *peer) plainOK() {
	p.want("AUTH PLAIN " + b64(plainUser))
	p.say("235 welcome")
}

// dialed is Dial; the connection does not outlive the test, in which its server
// would wait for it.
func dialed(t *testing.T, target Target, s *Settings) (*Conn, *Fault) {
	conn, f := Dial(t.Context(), target, s)
	if conn != nil {
		t.Cleanup(conn.Abort)
	}
	return conn, f
}

// Each mechanism, to success: the strongest that both sides have.
func TestAuthMechanisms(t *testing.T) {
	challenge := "<1896.697170952@mx.y.example>"
	mac := hmac.New(md5.New, []byte(secret))
	mac.Write([]byte(challenge))
	for _, c := range []struct {
		name, offers string
		credentials  []auth.Credential
		server       func(*peer)
		by           string
	}{
		{"PLAIN", "PLAIN LOGIN", []auth.Credential{loginCredential, plainCredential}, (*peer).plainOK, "plain"},
		{"LOGIN", "LOGIN", []auth.Credential{loginCredential, plainCredential}, func(p *peer) {
			p.want("AUTH LOGIN")
			p.say("334 " + b64("Username:"))
			p.want(b64("user"))
			p.say("334 " + b64("Password:"))
			p.want(b64(secret))
			p.say("235 welcome")
		}, "login"},
		{"CRAM-MD5 before PLAIN", "PLAIN CRAM-MD5", []auth.Credential{plainCredential, cramCredential}, func(p *peer) {
			p.want("AUTH CRAM-MD5")
			p.say("334 " + b64(challenge))
			p.want(b64("user " + hex.EncodeToString(mac.Sum(nil))))
			p.say("235 welcome")
		}, "cram"},
		{"504, then the next", "CRAM-MD5 PLAIN", []auth.Credential{plainCredential, cramCredential}, func(p *peer) {
			p.want("AUTH CRAM-MD5")
			p.say("504 not that one")
			p.plainOK()
		}, "plain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, version uint16) {
				conn, f := dialed(t, stage(t, serverTLS(version, world().mx), func(p *peer) {
					p.secureAuth(c.offers)
					c.server(p)
					p.message()
					p.quit()
				}), authSettings(t, "require", c.credentials...))
				if f != nil {
					t.Fatal(f)
				}
				if conn.Authenticator != c.by || conn.Anonymous != "" {
					t.Errorf("authenticated by %q, anonymous %q; want %q", conn.Authenticator, conn.Anonymous, c.by)
				}
				one(t, conn)
				conn.Quit(t.Context())
			})
		})
	}
}

// What a server can do in place of 235: with hosts_require_auth the host is left,
// with hosts_try_auth the mail goes without, on a new connection. No reply gives
// a secret to the log (THREATS AU-11).
func TestAuthFails(t *testing.T) {
	for _, c := range []struct {
		name, offers string
		credential   auth.Credential
		server       func(*peer)
		why          string
	}{
		{"refused", "PLAIN", plainCredential, func(p *peer) {
			p.want("AUTH PLAIN " + b64(plainUser))
			p.say("535 5.7.8 no")
		}, "AUTH PLAIN: 535 5.7.8 no"},
		{"not now", "PLAIN", plainCredential, func(p *peer) {
			p.want("AUTH PLAIN " + b64(plainUser))
			p.say("454 not now")
		}, "AUTH PLAIN: 454 not now"},
		{"not offered", "GSSAPI", plainCredential, func(*peer) {}, `among those offered: ["GSSAPI"]`},
		{"said back", "PLAIN", plainCredential, func(p *peer) {
			p.want("AUTH PLAIN " + b64(plainUser))
			p.say("535 cannot read AUTH PLAIN " + b64(plainUser) + " of user with " + secret)
		}, "AUTH PLAIN: 535 cannot read AUTH PLAIN (hidden) of (hidden) with (hidden)"},
		{"one question too many", "LOGIN", loginCredential, func(p *peer) {
			p.want("AUTH LOGIN")
			for _, want := range []string{"user", secret} {
				p.say("334 VXNlcm5hbWU6")
				p.want(b64(want))
			}
			p.say("334 VXNlcm5hbWU6")
			p.want("*")
			p.say("501 cancelled")
		}, "AUTH LOGIN: the server asks for more"},
		{"a challenge in no base64", "CRAM-MD5", cramCredential, func(p *peer) {
			p.want("AUTH CRAM-MD5")
			p.say("334 <not*base64>")
			p.want("*")
			p.say("501 cancelled")
		}, "AUTH CRAM-MD5: the server's challenge is not base64"},
	} {
		for _, how := range []string{"require", "try"} {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				inBoth(t, func(t *testing.T, version uint16) {
					conn, f := dialed(t, stage(t, serverTLS(version, world().mx), func(p *peer) {
						p.secureAuth(c.offers)
						c.server(p)
						if how == "try" {
							p.message()
						}
						p.quit()
					}), authSettings(t, how, c.credential))
					told := ""
					if how == "require" {
						if f == nil || f.Scope != ScopeHost || f.Kind != "auth" || f.Code != -42 || f.Permanent {
							t.Fatalf("%+v", f)
						}
						told = f.Text
					} else {
						if f != nil {
							t.Fatal(f)
						}
						told = conn.Anonymous
						one(t, conn)
						conn.Quit(t.Context())
					}
					if !strings.Contains(told, c.why) || strings.Contains(told, secret) || strings.Contains(told, b64(plainUser)) {
						t.Errorf("told as %q, want %q", told, c.why)
					}
				})
			})
		}
	}
}

// A server that claims success and has not proved that it knows the secret is
// not the one that was meant: it gets no mail, with hosts_try_auth neither.
func TestAuthUnproved(t *testing.T) {
	scram := auth.Credential{Name: "scram", Driver: "scram", User: "user", Secret: secret}
	for _, how := range []string{"require", "try"} {
		t.Run(how, func(t *testing.T) {
			inBoth(t, func(t *testing.T, version uint16) {
				_, f := dialed(t, stage(t, serverTLS(version, world().mx), func(p *peer) {
					p.secureAuth("SCRAM-SHA-256")
					_, err := p.in.ReadString('\n')
					must(err, "want AUTH")
					p.say("235 welcome")
					p.quit()
				}), authSettings(t, how, scram))
				if f == nil || f.Scope != ScopeHost || f.Kind != "auth" || !strings.Contains(f.Text, "not proved") {
					t.Errorf("%+v", f)
				}
			})
		})
	}
}

// Behind a 535 no weaker mechanism is tried: whoever refused would have it shown.
func TestAuthRefusedIsFinal(t *testing.T) {
	inBoth(t, func(t *testing.T, version uint16) {
		_, f := dialed(t, stage(t, serverTLS(version, world().mx), func(p *peer) {
			p.secureAuth("PLAIN CRAM-MD5")
			p.want("AUTH CRAM-MD5")
			p.say("535 no")
			p.quit()
		}), authSettings(t, "require", plainCredential, cramCredential))
		if f == nil || f.Kind != "auth" || !strings.Contains(f.Text, "AUTH CRAM-MD5: 535 no") {
			t.Errorf("%+v", f)
		}
	})
}

// A line that is lost, or closed with 421, leaves the host, for the next one or a later attempt, either way.
func TestAuthLost(t *testing.T) {
	for name, c := range map[string]struct {
		server func(*peer)
		kind   string
		busy   bool
	}{
		"closed": {func(p *peer) { p.want("AUTH PLAIN " + b64(plainUser)) }, "lost_connection", false},
		"421":    {func(p *peer) { p.want("AUTH PLAIN " + b64(plainUser)); p.say("421 enough") }, "connect", true},
	} {
		t.Run(name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, version uint16) {
				_, f := dialed(t, stage(t, serverTLS(version, world().mx), func(p *peer) {
					p.secureAuth("PLAIN")
					c.server(p)
				}), authSettings(t, "try", plainCredential))
				if f == nil || f.Scope != ScopeHost || f.Kind != c.kind || f.Busy != c.busy || strings.Contains(f.Text, b64(plainUser)) {
					t.Errorf("%+v", f)
				}
			})
		})
	}
}

// EXTERNAL stands on our certificate: without one there is nothing to say.
func TestAuthExternal(t *testing.T) {
	external := auth.Credential{Name: "external", Driver: "external"}
	inBoth(t, func(t *testing.T, version uint16) {
		cfg := serverTLS(version, world().mx)
		cfg.ClientAuth = tls.RequireAnyClientCert
		with := withAuth(tlsSettings(t, func(o *certs.Client) { o.Certificate = world().client.file(t, true) }), "require", external)
		conn, f := dialed(t, stage(t, cfg, func(p *peer) {
			p.secureAuth("EXTERNAL")
			p.want("AUTH EXTERNAL =")
			p.say("235 welcome")
			p.quit()
		}), with)
		if f != nil || conn.Authenticator != "external" {
			t.Fatal(f)
		}
		conn.Quit(t.Context())
		_, f = dialed(t, stage(t, serverTLS(version, world().mx), func(p *peer) {
			p.secureAuth("EXTERNAL")
			p.quit()
		}), withAuth(tlsSettings(t, nil), "require", external))
		if f == nil || f.Kind != "auth" {
			t.Errorf("%+v", f)
		}
	})
}

// A plain secret is not said in clear, unless client_allow_clear.
func TestAuthInClear(t *testing.T) {
	t.Parallel()
	clear := func(p *peer) { p.hello("AUTH PLAIN") }
	s := withAuth(settings(nil), "require", plainCredential)
	_, f := dialed(t, stage(t, nil, func(p *peer) { clear(p); p.quit() }), s)
	if f == nil || f.Kind != "auth" || !strings.Contains(f.Text, "client_allow_clear") {
		t.Errorf("%+v", f)
	}
	allowed := plainCredential
	allowed.AllowClear = true
	conn, f := dialed(t, stage(t, nil, func(p *peer) {
		clear(p)
		p.plainOK()
		p.message()
		p.message() // H8: straight to MAIL
		p.quit()
	}), withAuth(settings(nil), "require", allowed))
	if f != nil {
		t.Fatal(f)
	}
	one(t, conn)
	one(t, conn)
	conn.Quit(t.Context())
}

// H2, H3: AUTH anew after each shutdown; where that fails the connection is given
// up, which decides and teaches nothing, and never does the message go without.
func TestH2H3Auth(t *testing.T) {
	for _, c := range []struct {
		name   string
		how    string
		server func(*peer)
		ok     bool
	}{
		{"anew", "require", func(p *peer) { p.ehlo("AUTH PLAIN"); p.plainOK(); p.message(); p.quit() }, true},
		{"anew", "try", func(p *peer) { p.ehlo("AUTH PLAIN"); p.plainOK(); p.message(); p.quit() }, true},
		{"refused", "try", func(p *peer) {
			p.ehlo("AUTH PLAIN")
			p.want("AUTH PLAIN " + b64(plainUser))
			p.say("535 no more")
			p.want("QUIT")
		}, false},
		{"not offered again", "try", func(p *peer) { p.ehlo("SIZE"); p.want("QUIT") }, false},
		{"not offered again", "require", func(p *peer) { p.ehlo("SIZE"); p.want("QUIT") }, false},
		{"offered in clear only", "try", func(p *peer) { p.ehlo(); p.want("QUIT") }, false},
	} {
		t.Run(c.name+"/"+c.how, func(t *testing.T) {
			inBoth(t, func(t *testing.T, version uint16) {
				conn, f := dialed(t, stage(t, serverTLS(version, world().mx), func(p *peer) {
					p.secureAuth("PLAIN")
					p.plainOK()
					p.message()
					p.down(false)
					p.ehlo("STARTTLS", "AUTH PLAIN")
					p.startTLS()
					c.server(p)
				}), authSettings(t, c.how, plainCredential))
				if f != nil {
					t.Fatal(f)
				}
				one(t, conn)
				f = TakeOver(t.Context(), conn, conn.Settings)
				switch {
				case c.ok && f != nil:
					t.Fatal(f)
				case c.ok:
					if conn.Authenticator != "plain" {
						t.Errorf("authenticated by %q", conn.Authenticator)
					}
					one(t, conn)
					conn.Quit(t.Context())
				case f == nil || f.Scope != ScopeSession || f.NoCarryOn || f.Kind != "auth":
					t.Errorf("%+v", f)
				case conn.Authenticator != "":
					t.Errorf("still counted as authenticated by %q", conn.Authenticator)
				}
			})
		})
	}
}

func TestWithoutSecrets(t *testing.T) {
	t.Parallel()
	said := []string{"AUTH LOGIN", b64("me"), b64(secret), "*"}
	got := withoutSecrets(fmt.Sprintf("535 me %s %s AUTH LOGIN *", secret, b64(secret)), said)
	if want := "535 me (hidden) (hidden) AUTH LOGIN *"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

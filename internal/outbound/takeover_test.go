package outbound

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"mtad/internal/certs"
)

// again is what a server does that carries on after the shutdown: a session from
// the top, and a message.
func (p *peer) again() {
	p.ehlo("STARTTLS")
	p.startTLS()
	p.ehlo()
	p.message()
}

// one sends a message on a connection; it must be delivered.
func one(t *testing.T, c *Conn) {
	t.Helper()
	if res := sendOne(t, c); res.Fault != nil || len(res.Fates) != 1 || res.Fates[0].Kind != Delivered {
		t.Fatalf("not delivered: %+v, %v", res, res.Fault)
	}
}

func sendOne(t *testing.T, c *Conn) Result {
	env, rcpts := envelope(1)
	return deliver(t.Context(), c, c.Settings, env, rcpts, memory("Subject: hi\r\n\r\n..dot\r\nhi\r\n"), noRecord)
}

func inBoth(t *testing.T, f func(t *testing.T, version uint16)) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, version)
		})
	}
}

// H1, H2: one connection, many messages, a TLS session for each, resumed from the
// second on, whether the server answers close_notify or not; nobody waits.
func TestH1H2Shutdown(t *testing.T) {
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprintf("silent=%t", silent), func(t *testing.T) {
			inBoth(t, func(t *testing.T, version uint16) {
				conn, f := Dial(t.Context(), stage(t, serverTLS(version, world().mx), func(p *peer) {
					p.secure()
					p.message()
					for range 3 {
						p.down(silent)
						p.again()
					}
					p.quit()
				}), tlsSettings(t, func(o *certs.Client) { trustCA(true)(t, o) }))
				if f != nil {
					t.Fatal(f)
				}
				began := time.Now()
				one(t, conn)
				for range 3 {
					fresh := *conn.Settings
					conn.Clean = false // whatever was left: the session begins anew, and needs no RSET
					if f := TakeOver(t.Context(), conn, &fresh); f != nil {
						t.Fatal(f)
					}
					if conn.Settings != &fresh {
						t.Error("H2 it has the settings of the message before")
					}
					if st := conn.Socket.State(); !st.On || !st.Resumed || !conn.Verified || !conn.HandedOn || !conn.Clean {
						t.Errorf("H2 after the hand-over: %+v, %+v", st, conn)
					}
					one(t, conn)
				}
				if d := time.Since(began); d > 4*time.Second {
					t.Errorf("H1 somebody waited: %v", d)
				}
				if conn.Messages != 4 {
					t.Errorf("%d messages", conn.Messages)
				}
				conn.Quit(t.Context())
			})
		})
	}
}

// H3, H4, H5: what a server can do in place of carrying on. None of it decides
// anything about the message; some of it teaches.
func TestH3H4H5(t *testing.T) {
	for _, c := range []struct {
		name    string
		server  func(*peer)
		teaches bool
		fault   string // how its text begins
	}{
		// A close with our EHLO unread is a FIN or a reset, as it happens.
		{"H4 FIN", func(p *peer) { p.closeNotify() }, true, ""},
		{"H4 FIN behind close_notify", func(p *peer) { p.down(false) }, true, ""},
		{"H4 RST", func(p *peer) { p.closeNotify(); p.want(); p.reset() }, true, ""},
		{"H4 silence", func(p *peer) { p.down(false); p.want(ehlo); io.Copy(io.Discard, p.tcp) }, true, "SMTP timeout"},
		{"H4 rubbish", func(p *peer) { p.down(false); p.want(ehlo); p.say("hello?") }, true, "Malformed SMTP reply"},
		{"H4 rubbish in TLS", func(p *peer) { p.closeNotify(); p.tcp.Write([]byte{23, 3, 3, 0, 2, 1, 1}) }, true, ""},
		{"H4 a 354", func(p *peer) { p.down(false); p.want(ehlo); p.say("354 go on") }, true, "SMTP synchronization"},
		{"H5 5xx to EHLO", func(p *peer) { p.down(false); p.want(ehlo); p.say("503 not again"); p.want("QUIT") }, true, "SMTP error"},
		{"H5 4xx to EHLO", func(p *peer) { p.down(false); p.want(ehlo); p.say("451 not now"); p.want("QUIT") }, false, "SMTP error"},
		{"H5 421 to EHLO", func(p *peer) { p.down(false); p.want(ehlo); p.say("421 enough") }, false, "SMTP error"},
		{"H5 not offered again", func(p *peer) { p.down(false); p.ehlo("SIZE"); p.want("QUIT") }, true, "H=mx.y.example [127.0.0.1]: TLS: the session was in TLS"},
		{"H5 STARTTLS refused", func(p *peer) {
			p.down(false)
			p.ehlo("STARTTLS")
			p.want("STARTTLS")
			p.say("503 not again")
			p.want("QUIT")
		}, true, "H=mx.y.example [127.0.0.1]: TLS: the session was in TLS"},
		{"H5 STARTTLS put off", func(p *peer) {
			p.down(false)
			p.ehlo("STARTTLS")
			p.want("STARTTLS")
			p.say("454 not now")
			p.want("QUIT")
		}, false, "H=mx.y.example [127.0.0.1]: TLS: 454 not now"},
		{"H5 421 to STARTTLS", func(p *peer) {
			p.down(false)
			p.ehlo("STARTTLS")
			p.want("STARTTLS")
			p.say("421 enough")
		}, false, "SMTP error"},
		{"H3 the second handshake fails", func(p *peer) { p.down(false); p.ehlo("STARTTLS"); p.want("STARTTLS"); p.say("220 go"); p.sock.Close() }, false, "H=mx.y.example [127.0.0.1]: TLS: handshake failed"},
		{"H3 EHLO refused in TLS", func(p *peer) {
			p.down(false)
			p.ehlo("STARTTLS")
			p.startTLS()
			p.want(ehlo)
			p.say("503 no")
			p.want("QUIT")
		}, false, "SMTP error"},
		{"H3 it speaks unasked behind EHLO", func(p *peer) {
			p.down(false)
			p.ehlo("STARTTLS")
			p.startTLS()
			p.want(ehlo)
			p.say("250 mx", "250 and more")
		}, false, "SMTP synchronization"},
		{"H3 closed while it lingered", func(p *peer) { p.sock.Shutdown(); p.tcp.CloseWrite(); io.Copy(io.Discard, p.tcp) }, false, "SMTP synchronization"},
		{"H3 FIN while it lingered", func(p *peer) { p.tcp.CloseWrite(); io.Copy(io.Discard, p.tcp) }, false, "SMTP synchronization"},
		{"H3 421 while it lingered", func(p *peer) { p.say("421 idle for too long"); p.tcp.CloseWrite(); io.Copy(io.Discard, p.tcp) }, false, "SMTP synchronization"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, version uint16) {
				s := tlsSettings(t, nil)
				s.TLS.TryClear = true // never because of a hand-over
				if strings.Contains(c.name, "silence") {
					s.HandoffTimeout = 100 * time.Millisecond
				}
				conn, f := Dial(t.Context(), stage(t, serverTLS(version, world().mx), func(p *peer) {
					p.secure()
					p.message()
					c.server(p)
				}), s)
				if f != nil {
					t.Fatal(f)
				}
				one(t, conn)
				if strings.Contains(c.name, "lingered") {
					for conn.Socket.Quiet() {
						time.Sleep(time.Millisecond)
					}
				}
				began := time.Now()
				f = TakeOver(t.Context(), conn, s)
				switch {
				case time.Since(began) > 5*time.Second:
					t.Error("H2: it waited for longer than handoff_timeout")
				case f == nil:
					t.Fatal("the server did not carry on, and that was no fault")
				case f.Scope != ScopeSession:
					t.Errorf("H3: scope %s", scopes[f.Scope])
				case f.NoCarryOn != c.teaches:
					t.Errorf("H5: teaches %t, want %t: %s", f.NoCarryOn, c.teaches, f.Text)
				case !strings.HasPrefix(f.Text, c.fault):
					t.Errorf("got %s", f.Text)
				case conn.Usable():
					t.Error("usable")
				}
			})
		})
	}
}

// H5: what is in the way on our own side teaches nothing of the host.
func TestH5OwnChoiceTeachesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		facts   TLSFacts
		teaches bool
	}{
		"not offered":                      {TLSFacts{HandedOn: true}, true},
		"not offered, and not wanted":      {TLSFacts{HandedOn: true, Avoid: "*"}, false},
		"refused":                          {TLSFacts{HandedOn: true, Offered: true, Code: 502}, true},
		"TLS came up, and AUTH was denied": {TLSFacts{HandedOn: true, On: true}, false},
	} {
		p := progress{greeted: true, down: true, helloed: true, tls: c.facts}
		if got := p.teaches(&Fault{Kind: "tls"}); got != c.teaches {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// H3: checks are done anew: a certificate that no longer verifies.
func TestH3CertificateNoLongerVerifies(t *testing.T) {
	inBoth(t, func(t *testing.T, version uint16) {
		s := tlsSettings(t, func(o *certs.Client) { trustCA(true)(t, o) })
		conn, f := Dial(t.Context(), stage(t, serverTLS(version, world().mx), func(p *peer) {
			p.secure()
			p.message()
			p.down(false)
			p.cfg = serverTLS(version, world().other)
			p.ehlo("STARTTLS")
			p.want("STARTTLS")
			p.say("220 go")
			p.sock.StartServer(p.cfg, time.Now().Add(10*time.Second), nil)
		}), s)
		if f != nil {
			t.Fatal(f)
		}
		one(t, conn)
		f = TakeOver(t.Context(), conn, s)
		if f == nil || f.Scope != ScopeSession || f.NoCarryOn || f.Kind != "tls" {
			t.Errorf("%v", f)
		}
	})
}

// H3: behind the shutdown, a refusal of MAIL decides nothing.
func TestH3MailRefusedAfterShutdown(t *testing.T) {
	for _, reply := range []string{"451 later", "550 no", "421 enough", "close"} {
		t.Run(reply, func(t *testing.T) {
			inBoth(t, func(t *testing.T, version uint16) {
				s := tlsSettings(t, nil)
				conn, f := Dial(t.Context(), stage(t, serverTLS(version, world().mx), func(p *peer) {
					p.secure()
					p.message()
					p.down(false)
					p.ehlo("STARTTLS")
					p.startTLS()
					p.ehlo()
					p.want("MAIL FROM:<a@x.example>")
					if reply != "close" {
						p.say(reply)
					}
				}), s)
				if f != nil {
					t.Fatal(f)
				}
				defer conn.Abort()
				one(t, conn)
				if f := TakeOver(t.Context(), conn, s); f != nil {
					t.Fatal(f)
				}
				if res := sendOne(t, conn); !res.Again || len(res.Fates) > 0 || res.Fault.Scope != ScopeSession {
					t.Errorf("%+v: %v", res, res.Fault)
				}
			})
		})
	}
}

// H6, H8: a session that is kept goes straight to MAIL, with RSET before it where
// the last transaction did not end cleanly.
func TestH6Kept(t *testing.T) {
	inBoth(t, func(t *testing.T, version uint16) {
		conn, f := Dial(t.Context(), stage(t, serverTLS(version, world().mx), func(p *peer) {
			p.secure()
			p.message()
			p.message()
			p.want("RSET")
			p.say("250 ok")
			p.message()
			p.quit()
		}), tlsSettings(t, nil))
		if f != nil {
			t.Fatal(f)
		}
		one(t, conn)
		conn.HandedOn = true
		one(t, conn)
		conn.Clean = false
		one(t, conn)
		conn.Quit(t.Context())
	})
}

// No cut: TLS ends in order behind QUIT.
func TestQuitEndsTLSInOrder(t *testing.T) {
	inBoth(t, func(t *testing.T, version uint16) {
		conn, f := Dial(t.Context(), stage(t, serverTLS(version, world().mx), func(p *peer) {
			p.secure()
			p.want("QUIT")
			p.say("221 bye")
			p.closeNotify()
		}), tlsSettings(t, nil))
		if f != nil {
			t.Fatal(f)
		}
		conn.Quit(t.Context())
	})
}

// A session is resumed with the host it was made with, and no other.
func TestResumptionIsOfOneHostOnly(t *testing.T) {
	t.Parallel()
	s := tlsSettings(t, nil)
	script := func(p *peer) { p.secure(); p.message(); p.quit() }
	cfg := serverTLS(tls.VersionTLS13, world().mx)
	target := stage(t, cfg, script, script)
	resumed := func(target Target) bool {
		conn, f := Dial(t.Context(), target, s)
		if f != nil {
			t.Fatal(f)
		}
		one(t, conn)
		defer conn.Quit(t.Context())
		return conn.Socket.State().Resumed
	}
	if resumed(target) {
		t.Error("the first is resumed")
	}
	if !resumed(target) {
		t.Error("the second, on a new connection, is not")
	}
	if resumed(stage(t, cfg, script)) {
		t.Error("a session was taken to another port")
	}
}

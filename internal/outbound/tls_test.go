package outbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"mtad/internal/certs"
)

// row is one of SPEC 5: what the server does, and how the session then stands.
type row struct {
	name    string
	set     func(*Settings)
	options func(t *testing.T, o *certs.Client)
	server  func(*tls.Config) // changes its configuration
	scripts []func(*peer)
	want    string // "clear", "tls", "tls verified", or the fault
}

var tlsRows = []row{
	{name: "C1 tried with no option set", scripts: []func(*peer){func(p *peer) { p.secure(); p.quit() }}, want: "tls"},
	{name: "C1 ST-19 reply in pieces and in lines", scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		io.WriteString(p.sock, "2")
		io.WriteString(p.sock, "20-go\r\n22")
		io.WriteString(p.sock, "0 ahead\r\n")
		p.shake()
		p.ehlo()
		p.quit()
	}}, want: "tls"},
	{name: "C1 ST-19 reply of 64 lines", scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		io.WriteString(p.sock, strings.Repeat("220-go\r\n", 63)+"220 ahead\r\n")
		p.shake()
		p.ehlo()
		p.quit()
	}}, want: "tls"},
	{name: "C3 ST-19 reply of 65 lines", scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		io.WriteString(p.sock, strings.Repeat("220-go\r\n", 64)+"220 ahead\r\n")
		if line, _ := p.in.ReadString('\n'); line != "" {
			panic(fmt.Errorf("the client went on: %q", line))
		}
	}}, want: `host "tls" (-37): H=mx.y.example [127.0.0.1]: TLS: Malformed SMTP reply from mx.y.example [127.0.0.1] in response to STARTTLS: 220-go\n`},
	{name: "C3 ST-19 reply of mixed codes", scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		p.say("454-not", "220 go ahead")
		if line, _ := p.in.ReadString('\n'); line != "" {
			panic(fmt.Errorf("the client went on: %q", line))
		}
	}}, want: `host "tls" (-37): H=mx.y.example [127.0.0.1]: TLS: Malformed SMTP reply`},
	{name: "C2 in hosts_avoid_tls", set: func(s *Settings) { s.TLS.Avoid = "*" },
		scripts: []func(*peer){func(p *peer) { p.hello("STARTTLS"); p.quit() }}, want: "clear"},
	{name: "not offered", scripts: []func(*peer){func(p *peer) { p.hello(); p.quit() }}, want: "clear"},
	{name: "C3 ST-16 4xx to STARTTLS", scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		p.say("454 4.7.0 not now")
		p.want("QUIT") // the line is still in step
	}}, want: `host "tls" (-38): H=mx.y.example [127.0.0.1]: TLS: 454 4.7.0 not now`},
	{name: "C3 ST-17 the handshake fails", scripts: []func(*peer){failedHandshake}, want: `host "tls" (-37): H=mx.y.example [127.0.0.1]: TLS: handshake failed: remote error: tls: handshake failure`},
	{name: "C3 closed behind the 220", scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		p.say("220 go ahead")
	}}, want: `host "tls" (-37): H=mx.y.example [127.0.0.1]: TLS: handshake failed: `},
	{name: "C3 closed at STARTTLS", scripts: []func(*peer){func(p *peer) { p.hello("STARTTLS"); p.want("STARTTLS") }},
		want: `host "tls" (-37): H=mx.y.example [127.0.0.1]: TLS: Remote host mx.y.example [127.0.0.1] closed connection in response to STARTTLS`},
	{name: "C3 the handshake takes too long", set: func(s *Settings) { s.CommandTimeout = 100 * time.Millisecond },
		scripts: []func(*peer){func(p *peer) {
			p.hello("STARTTLS")
			p.want("STARTTLS")
			p.say("220 go ahead")
			io.Copy(io.Discard, p.tcp)
		}}, want: `host "tls" (-37): H=mx.y.example [127.0.0.1]: TLS: the handshake took too long`},
	{name: "421 to STARTTLS", scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		p.say("421 too busy")
	}}, want: `host "connect" (0) busy: SMTP error from remote mailer after STARTTLS: host mx.y.example [127.0.0.1]: 421 too busy`},
	{name: "C3 a reply that is no answer to STARTTLS", scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		p.say("250 ok")
		if line, _ := p.in.ReadString('\n'); line != "" {
			panic(fmt.Errorf("the client went on: %q", line))
		}
	}}, want: `host "protocol" (-19): SMTP synchronization error from host mx.y.example [127.0.0.1] after STARTTLS: 250 ok`},
	{name: "C4 ST-15 5xx to STARTTLS", scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		p.say("500 what?")
		p.quit()
	}}, want: `clear, STARTTLS was refused: 500 what?`},
	{name: "C5 ST-14 5xx to STARTTLS", set: func(s *Settings) { s.TLS.Require = "*.example" }, scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		p.say("500 what?")
		p.want("QUIT")
	}}, want: `host "tls" (-38): H=mx.y.example [127.0.0.1]: TLS: STARTTLS was refused: 500 what?; the host is in hosts_require_tls ("*.example")`},
	{name: "C5 ST-13 not offered", set: func(s *Settings) { s.TLS.Require = "*" },
		scripts: []func(*peer){func(p *peer) { p.hello("SIZE"); p.want("QUIT") }},
		want:    `host "tls" (-38): H=mx.y.example [127.0.0.1]: TLS: STARTTLS is not offered; the host is in hosts_require_tls ("*")`},
	{name: "C5 in hosts_avoid_tls too", set: func(s *Settings) { s.TLS.Require, s.TLS.Avoid = "*", "mx.y.example" },
		scripts: []func(*peer){func(p *peer) { p.hello("STARTTLS"); p.want("QUIT") }},
		want:    `host "tls" (-38): H=mx.y.example [127.0.0.1]: TLS: the host is in hosts_avoid_tls ("mx.y.example"); the host is in hosts_require_tls ("*")`},
	{name: "C5 a server that knows only HELO", set: func(s *Settings) { s.TLS.Require = "*" }, scripts: []func(*peer){func(p *peer) {
		p.say("220 mx")
		p.want(ehlo)
		p.say("500 what?")
		p.want("HELO relay.example.net")
		p.say("250 mx")
		p.want("QUIT")
	}}, want: `host "tls" (-38): H=mx.y.example [127.0.0.1]: TLS: STARTTLS is not offered; the host is in hosts_require_tls ("*")`},
	{name: "C6 our certificate", options: func(t *testing.T, o *certs.Client) { o.Certificate = world().client.file(t, true) },
		server: func(c *tls.Config) {
			c.ClientAuth = tls.RequireAnyClientCert
		}, scripts: []func(*peer){func(p *peer) {
			p.secure()
			if got := p.sock.State().PeerDN; got != "/CN=relay" {
				panic(fmt.Errorf("the client is %q", got))
			}
			p.quit()
		}}, want: "tls"},
	{name: "C6 no such file", options: func(t *testing.T, o *certs.Client) { o.Certificate = "nowhere.pem" },
		scripts: []func(*peer){func(p *peer) { p.hello("STARTTLS"); p.want("QUIT") }},
		want:    `host "tls" (-37): H=mx.y.example [127.0.0.1]: TLS: tls_certificate: `},
	{name: "C7 verified", options: trustCA(true), scripts: []func(*peer){func(p *peer) { p.secure(); p.quit() }}, want: "tls verified"},
	{name: "C7 CE-01 unknown authority", options: func(t *testing.T, o *certs.Client) { o.VerifyCertificates = world().stranger.file(t, false) },
		scripts: []func(*peer){refusedHandshake}, want: `host "tls" (-37): H=mx.y.example [127.0.0.1]: TLS: handshake failed: the certificate is not trusted`},
	{name: "C7 CE-02 another name", options: trustCA(true), server: func(c *tls.Config) { c.Certificates = []tls.Certificate{world().other.tls()} },
		scripts: []func(*peer){refusedHandshake}, want: `host "tls" (-37): H=mx.y.example [127.0.0.1]: TLS: handshake failed: the certificate is not for "mx.y.example"`},
	{name: "C7 another name, not in tls_verify_cert_hostnames", options: trustCA(false), server: func(c *tls.Config) { c.Certificates = []tls.Certificate{world().other.tls()} },
		scripts: []func(*peer){func(p *peer) { p.secure(); p.quit() }}, want: "tls verified"},
	{name: "C7 itself in the collection", options: func(t *testing.T, o *certs.Client) {
		o.VerifyCertificates, o.VerifyName = world().other.file(t, false), true
	}, server: func(c *tls.Config) { c.Certificates = []tls.Certificate{world().other.tls()} },
		scripts: []func(*peer){func(p *peer) { p.secure(); p.quit() }}, want: "tls verified"},
	{name: "C10 ST-12 clear text behind the 220", scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		p.say("220 go ahead", "250 ok")
	}}, want: `host "tls" (-37): H=mx.y.example [127.0.0.1]: TLS: clear text came behind the reply to STARTTLS`},
	{name: "C12 again in clear", set: func(s *Settings) { s.TLS.TryClear = true }, scripts: []func(*peer){failedHandshake, func(p *peer) { p.hello("STARTTLS"); p.quit() }},
		want: `clear, tls_tempfail_tryclear is set, and with TLS it was H=mx.y.example [127.0.0.1]: TLS: handshake failed: remote error`},
	{name: "C12 after a 4xx", set: func(s *Settings) { s.TLS.TryClear = true }, scripts: []func(*peer){func(p *peer) {
		p.hello("STARTTLS")
		p.want("STARTTLS")
		p.say("454 no")
		p.want("QUIT")
	}, func(p *peer) { p.hello("STARTTLS"); p.quit() }}, want: `clear, tls_tempfail_tryclear is set, and with TLS it was H=mx.y.example [127.0.0.1]: TLS: 454 no`},
	{name: "C12 ST-18 not twice", set: func(s *Settings) { s.TLS.TryClear = true }, scripts: []func(*peer){failedHandshake, func(p *peer) { p.say("554 no") }},
		want: `host "connect" (0) permanent: SMTP error from remote mailer after initial connection: host mx.y.example [127.0.0.1]: 554 no`},
	{name: "C12 in hosts_require_tls", set: func(s *Settings) { s.TLS.TryClear, s.TLS.Require = true, "*" }, scripts: []func(*peer){failedHandshake},
		want: `host "tls" (-37): H=mx.y.example [127.0.0.1]: TLS: handshake failed: remote error`},
}

// failedHandshake offers TLS and then has no cipher.
func failedHandshake(p *peer) {
	p.hello("STARTTLS")
	p.want("STARTTLS")
	p.say("220 go ahead")
	p.tcp.Read(make([]byte, 4096))
	p.tcp.Write([]byte{21, 3, 3, 0, 2, 2, 40}) // alert: handshake_failure
	io.Copy(io.Discard, p.tcp)
}

// refusedHandshake is one that the client does not like.
func refusedHandshake(p *peer) {
	p.hello("STARTTLS")
	p.want("STARTTLS")
	p.say("220 go ahead")
	if p.sock.StartServer(p.cfg, time.Now().Add(10*time.Second), nil) == nil {
		if line, err := p.in.ReadString('\n'); err == nil {
			panic(fmt.Errorf("the client went on: %q", line))
		}
	}
}

func trustCA(name bool) func(*testing.T, *certs.Client) {
	return func(t *testing.T, o *certs.Client) {
		o.VerifyCertificates, o.VerifyName = world().ca.file(t, false), name
	}
}

func TestTLSRows(t *testing.T) {
	t.Parallel()
	for _, r := range tlsRows {
		for name, version := range versions {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				r.check(t, version)
			})
		}
	}
}

func (r *row) check(t *testing.T, version uint16) {
	s := tlsSettings(t, func(o *certs.Client) {
		if r.options != nil {
			r.options(t, o)
		}
	})
	if r.set != nil {
		r.set(s)
	}
	cfg := serverTLS(version, world().mx)
	if r.server != nil {
		r.server(cfg)
	}
	conn, f := Dial(t.Context(), stage(t, cfg, r.scripts...), s)
	got := tellSession(conn, f)
	if !strings.HasPrefix(got, r.want) || r.want == "tls" && got != r.want || r.want == "clear" && got != r.want {
		t.Errorf("got  %s\nwant %s", got, r.want)
	}
	if f != nil {
		return
	}
	if v := conn.Socket.State().Version; conn.Socket.State().On && v != map[uint16]string{tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}[version] {
		t.Errorf("version %s", v)
	}
	conn.Quit(t.Context())
}

func tellSession(c *Conn, f *Fault) string {
	switch {
	case f != nil:
		return tellFault(f)
	case c.Socket.State().On && c.Verified:
		return "tls verified"
	case c.Socket.State().On:
		return "tls"
	case c.Clear != "":
		return "clear, " + c.Clear
	}
	return "clear"
}

func TestC8Ciphers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version uint16
		list    string
		ok      bool
	}{
		"1.2 in the list":     {tls.VersionTLS12, "ECDHE-ECDSA-AES256-GCM-SHA384", true},
		"1.2 not in the list": {tls.VersionTLS12, "ECDHE-RSA-AES256-GCM-SHA384", false},
		"1.3 in the list":     {tls.VersionTLS13, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256", true},
		"1.3, list of 1.2":    {tls.VersionTLS13, "ECDHE-ECDSA-AES256-GCM-SHA384", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tlsSettings(t, func(o *certs.Client) { o.Ciphers = c.list })
			script := refusedHandshake
			if c.ok {
				script = func(p *peer) { p.secure(); p.quit() }
			}
			conn, f := Dial(t.Context(), stage(t, serverTLS(c.version, world().mx), script), s)
			if c.ok != (f == nil) || f != nil && f.Kind != "tls" {
				t.Fatal(f)
			}
			if conn != nil {
				conn.Quit(t.Context())
			}
		})
	}
}

// C11, ST-21: what EHLO said in clear is forgotten.
func TestC11ForgetsWhatWasSaidInClear(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, f := Dial(t.Context(), stage(t, serverTLS(version, world().mx), func(p *peer) {
				p.hello("SIZE 5", "AUTH PLAIN", "PIPELINING", "STARTTLS")
				p.startTLS()
				p.ehlo("8BITMIME", "STARTTLS")
				p.quit()
			}), tlsSettings(t, nil))
			if f != nil {
				t.Fatal(f)
			}
			defer conn.Quit(t.Context())
			if e := conn.Extensions; e.Size || e.Pipelining || len(e.Auth) > 0 || !e.EightBitMIME {
				t.Errorf("%+v", e)
			}
		})
	}
}

// The end of ctx in a handshake, or before it, blames nobody.
func TestHandshakeCutShort(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		reply, tryClear := n&1 > 0, n&2 > 0
		t.Run(fmt.Sprintf("220=%t tryclear=%t", reply, tryClear), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := tlsSettings(t, nil)
			s.TLS.TryClear = tryClear
			_, f := Dial(ctx, stage(t, nil, func(p *peer) {
				p.hello("STARTTLS")
				p.want("STARTTLS")
				if reply {
					p.say("220 go ahead")
				}
				cancel()
				io.Copy(io.Discard, p.tcp)
			}), s)
			if f == nil || f.Kind != "shutdown" {
				t.Error(f)
			}
		})
	}
}

// TestChoose has the whole of SPEC 5 as a table: every combination has one
// answer, and what must never happen does not.
func TestChoose(t *testing.T) {
	t.Parallel()
	for n := range 1 << 11 {
		bit := func(i int) bool { return n>>i&1 == 1 }
		word := func(i int, s string) string { return map[bool]string{true: s}[bit(i)] }
		f := TLSFacts{Avoid: word(0, "*"), Require: word(1, "*"), TryClear: bit(2), HandedOn: bit(3), Offered: bit(4), On: bit(5),
			Failed: word(6, "x"), Before: word(7, "y"), Disabled: bit(10)}
		if bit(8) {
			f.Code, f.Reply = map[bool]int{true: 454, false: 500}[bit(9)], "z"
		}
		choice, why := f.Choose()
		switch {
		case why == "":
			t.Errorf("%+v: no reason", f)
		case choice == GoOn && !f.On && f.Require != "":
			t.Errorf("C5 %+v: in clear", f)
		case choice == GoOn && !f.On && f.HandedOn:
			t.Errorf("H3 %+v: in clear", f)
		case choice == GoOn && !f.On && (f.Failed != "" || f.Code == 454):
			t.Errorf("C3 %+v: in clear", f)
		case choice == TryClear && (!f.TryClear || f.Require != "" || f.HandedOn):
			t.Errorf("C12 %+v: again in clear", f)
		case choice == StartTLS && (f.Avoid != "" || f.Disabled || !f.Offered || f.On || f.Failed != "" || f.Code > 0):
			t.Errorf("C2 %+v: STARTTLS", f)
		}
	}
}

package inbound

import (
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtad/tlsstate"
)

// Rows S3, S6, S7 and S8 where a version of TLS can make a difference: in a
// session that was in TLS before, and in the middle of a handshake.

// S3 behind a TLS session: what cannot be had is not answered in clear either.
func TestS03UnavailableAfterTLS(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, dir := tlsRig(t, `tls_certificate = "%s/${if eq{$interface_port}{0}{no-such}{own}}.pem"`+"\n"+
			`tls_verify_hosts = "127.0.0.2"`+"\n"+`tls_verify_certificates = "%s/no-such-${sender_host_address}.pem"`)
		issue(t, "own", nil).write(t, filepath.Join(dir, "own.pem"), "CK")
		addr := r.port("starttls")
		k := greeted(t, addr)
		k.secure(version)
		if err := k.sock.Shutdown(); err != nil {
			t.Fatal(err)
		}
		k.secure(version)
		k.talk("EHLO c.test", "250-", fromA, "250 ")

		bad := greetedFrom(t, addr, "127.0.0.2")
		bad.talk("STARTTLS", "454 TLS currently unavailable\r\n", "STARTTLS", "554 Security failure\r\n", fromA, "554 Security failure\r\n")
		r.logged("TLS failed: TLS cannot be offered: tls_verify_certificates: there is no file")
		if err := callFrom(t, r.port("implicit"), "127.0.0.2").handshake(version); err == nil {
			t.Error("a handshake without the collection that verifies it")
		}
		r.logged("TLS failed: TLS cannot be had: tls_verify_certificates: there is no file")
	})
}

// S6 inside TLS and between two TLS sessions (ST-01, ST-02, ST-08).
func TestS06InjectionAfterTLS(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "")
		k := greeted(t, r.port("starttls"))
		k.secure(version)
		k.talk("STARTTLS foo", "501 ", "EHLO c.test", "250-", "STARTTLS foo", "501 ", "NOOP", "250 ")
		if err := k.sock.Shutdown(); err != nil {
			t.Fatal(err)
		}
		k.talk("STARTTLS foo", "501 ")
		k.send("STARTTLS\r\nMAIL FROM:<evil@ext.test>\r\n")
		k.want(k.reply(), "554 Security failure\r\n")
		k.ended()
		r.logged("sync error: clear text behind STARTTLS", "evil@ext.test")
	})
}

// S7: whoever fails is told by an alert of TLS, and logged with the time it took.
func TestS07Alert(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, dir := tlsRig(t, "tls_verify_hosts = \"*\"\ntls_verify_certificates = \"%s/ca${if eq{1}{1}{}}.pem\"")
		issue(t, "CA", nil, authority).write(t, filepath.Join(dir, "ca.pem"), "C")
		k := greeted(t, r.port("starttls"))
		k.want(k.say("STARTTLS"), "220 ")
		err := k.handshake(version)
		if err == nil { // TLS 1.3: the client is done before the server has looked
			_, err = k.sock.Read(make([]byte, 1))
		}
		var alert *net.OpError
		if !errors.As(err, &alert) || alert.Op != "remote error" {
			t.Errorf("no alert but %v", err)
		}
		k.ended()
	})
}

// S7: no cipher, or no group, in common.
func TestS07NothingInCommon(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, `tls_groups = "P-384"`)
		addr := r.port("starttls")
		greeted(t, addr).refused(version, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} })
		r.logged("TLS failed: no_common_cipher")
		greeted(t, addr).secure(version, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384} })
	})
}

// S7, ST-11: a client that falls silent in the middle of its handshake.
func TestS07HangsHalfway(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "smtp_receive_timeout = \"1s\"")
		k := greeted(t, r.port("starttls"))
		k.want(k.say("STARTTLS"), "220 ")
		logged, over := make(chan struct{}), make(chan error)
		go func() {
			over <- k.handshake(version, func(c *tls.Config) {
				c.VerifyConnection = func(tls.ConnectionState) error { <-logged; return errors.New("too late") }
			})
		}()
		r.logged("TLS failed: timeout")
		close(logged)
		if <-over == nil {
			t.Error("the handshake succeeded")
		}
	})
}

// S7, ST-10: rubbish in the place of the second flight.
func TestS07RubbishHalfway(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "")
		conn, err := net.Dial("tcp", r.port("starttls"))
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		k := &caller{t: t, sock: tlsstate.New(conn)}
		defer k.sock.Close()
		k.want(k.reply(), "220 ")
		k.talk("EHLO c.test", "250-", "STARTTLS", "220 ")
		k.handshake(version, func(c *tls.Config) {
			c.VerifyConnection = func(tls.ConnectionState) error {
				conn.Write([]byte("EHLO c.test\r\nMAIL FROM:<evil@ext.test>\r\n")) // past TLS
				return nil
			}
		})
		r.logged("TLS failed: clear_text")
		if r.store.commits != 0 || strings.Contains(strings.Join(r.log.take(), "\n"), "evil") {
			t.Error("clear text was taken")
		}
	})
}

// S8: what a list lets through, of both versions.
func TestS08Versions(t *testing.T) {
	t.Parallel()
	const v12, v13 = tls.VersionTLS12, tls.VersionTLS13
	for _, c := range []struct {
		list     string
		from, to uint16 // that the client can
		want     string // "": refused
	}{
		{"TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384", v12, v13, "TLSv1.3:TLS_AES_128_GCM_SHA256:128"},
		{"TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384", v12, v12, "TLSv1.2:ECDHE-ECDSA-AES256-GCM-SHA384:256"},
		{"TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384", v12, v13, "TLSv1.2:ECDHE-ECDSA-AES256-GCM-SHA384:256"},
		{"TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384", v13, v13, ""},
		{"TLS_CHACHA20_POLY1305_SHA256", v12, v13, ""},
		{"ECDHE-ECDSA-AES256-GCM-SHA384", v12, v13, "TLSv1.2:ECDHE-ECDSA-AES256-GCM-SHA384:256"},
		{"ECDHE-ECDSA-AES256-GCM-SHA384", v13, v13, ""},
		{"ECDHE-RSA-AES256-GCM-SHA384", v12, v13, ""}, // our key is ECDSA
		{"DHE-RSA-AES256-SHA:IDEA-CBC-SHA:ECDHE-ECDSA-AES128-SHA", v12, v13, "TLSv1.2:ECDHE-ECDSA-AES128-SHA:128"},
	} {
		r, _ := tlsRig(t, "tls_verify_hosts = \"127.0.0.1\"\ntls_verify_ciphers = \""+c.list+"\"")
		versions := func(cfg *tls.Config) {
			cfg.MinVersion, cfg.MaxVersion = c.from, c.to
			cfg.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		}
		k := greeted(t, r.port("starttls"))
		if c.want == "" {
			k.refused(c.to, versions)
			r.logged("TLS failed: no_common_")
			continue
		}
		k.secure(c.to, versions)
		if got := k.sock.State().CipherLog(); got != c.want {
			t.Errorf("%s, %x to %x: got %s, want %s", c.list, c.from, c.to, got, c.want)
		}
	}
}

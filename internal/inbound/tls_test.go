package inbound

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The rows S1 to S18 of the server's contract, each over TCP in both versions.

const (
	aMessage = "Subject: x\r\n\r\nhello\r\n.\r\n"
	toOurs   = "RCPT TO:<u@ours.test>"
	toOthers = "RCPT TO:<u@ext.test>"
	fromA    = "MAIL FROM:<a@ext.test>"
)

func TestS01Offered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options, mode string
		offered       bool
	}{
		{"tls_advertise_hosts = \"127.0.0.1\"", "starttls", true},
		{"tls_advertise_hosts = \"10.0.0.0/8\"", "starttls", false},
		{"tls_advertise_hosts = []\ntls_hosts = \"127.0.0.1\"", "starttls", true},
		{"tls_advertise_hosts = []", "starttls", false},
		{"tls_advertise_hosts = \"*\"", "none", false},
	} {
		r, _ := tlsRig(t, c.options)
		k := call(t, r.port(c.mode))
		k.want(k.reply(), "220 ")
		if got := strings.Contains(k.say("EHLO c.test"), "250-STARTTLS\r\n"); got != c.offered {
			t.Errorf("%s, tls = %s: offered is %v", c.options, c.mode, got)
		}
		if !c.offered {
			k.talk("STARTTLS", "503 STARTTLS command used when not advertised\r\n", "NOOP", "250 ") // S5
		}
	}
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "tls_hosts = \"*\"")
		k := greeted(t, r.port("starttls"))
		k.secure(version)
		if got := k.say("EHLO c.test"); strings.Contains(got, "STARTTLS") {
			t.Errorf("offered in TLS: %q", got)
		}
	})
}

// ST-04, ST-06: what was said in clear is forgotten.
func TestS02BeginsAfresh(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "")
		k := greeted(t, r.port("starttls"))
		k.talk(fromA, "250 ", toOurs, "250 ")
		k.secure(version)
		k.talk("DATA", "503 ", toOurs, "503 ", fromA, "503 EHLO or HELO first",
			"EHLO d.test", "250-mx.ours.test Hello d.test", "DATA", "503 ", toOurs, "503 ", fromA, "250 ", toOurs, "250 ", "DATA", "354 ")
		k.send(aMessage)
		k.want(k.reply(), "250 OK id=")
		r.logged("received F=<a@ext.test>", "helo=d.test", "P=esmtps", "X="+tls.VersionName(version)[:3]+"v")
		cipher := k.sock.State().CipherLog()
		k.talk("QUIT", "221 ")
		_, texts := r.stored()
		if want := "by mx.ours.test with esmtps (" + cipher + ")\r\n\t(mtad 1.0)"; len(texts) != 1 || cipher == "" || !strings.Contains(texts[0], want) {
			t.Errorf("no %q in %q", want, texts)
		}
		k.ended()
	})
}

// ST-09, CE-14: TLS that cannot be had.
func TestS03Unavailable(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]string{
		"missing":      `tls_certificate = "%s/${sender_host_address}.pem"`,
		"forced":       `tls_certificate = "${if eq{1}{2}{x}fail}"`,
		"faulty":       `tls_certificate = "${lookup{x}lsearch{%s/no-such-file}{$value}fail}"`,
		"mismatch":     `tls_certificate = "%s/own${if eq{1}{1}{}}.pem"` + "\n" + `tls_privatekey = "%s/other${if eq{1}{1}{}}.pem"`,
		"unset":        `# tls_certificate is unset`,
		"no authority": `tls_verify_hosts = "*"` + "\n" + `tls_verify_certificates = "%s/no-such-${sender_host_address}.pem"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := tlsRig(t, option)
			own := issue(t, "a", nil)
			own.write(t, filepath.Join(dir, "own.pem"), "CK")
			issue(t, "b", nil).write(t, filepath.Join(dir, "other.pem"), "K")
			addr := r.port("starttls")
			k := greeted(t, addr)
			k.talk(fromA, "250 ", "STARTTLS", "454 TLS currently unavailable\r\n")
			for _, line := range []string{"EHLO c.test", "NOOP", toOurs, "DATA", "STARTTLS", "NONSENSE", "RSET"} {
				k.talk(line, "554 Security failure\r\n")
			}
			k.talk("QUIT", "221 ")
			k.ended()
			r.logged("TLS failed: TLS cannot be offered: ")
			greeted(t, addr).talk(fromA, "250 ") // others are served
			call(t, r.port("implicit")).ended()  // not a word in clear
		})
	}
}

// ST-07.
func TestS04AlreadyInTLS(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "")
		k := greeted(t, r.port("starttls"))
		k.secure(version)
		k.talk("STARTTLS", "554 Already in TLS\r\n", "EHLO c.test", "250-", "STARTTLS", "554 Already in TLS\r\n", fromA, "250 ")
		if !k.sock.State().On {
			t.Error("TLS is off")
		}
	})
}

// ST-01, ST-02, ST-03, ST-08.
func TestS06Injection(t *testing.T) {
	t.Parallel()
	r, _ := tlsRig(t, "")
	addr := r.port("starttls")
	greeted(t, addr).talk("STARTTLS foo", "501 ", "NOOP", "250 ")
	for _, behind := range []string{
		"EHLO inj.test\r\n", "NOOP\r\n", "x",
		"MAIL FROM:<a@b.example>\r\nRCPT TO:<u@ours.test>\r\nDATA\r\n",
	} {
		k := greeted(t, addr)
		k.send("STARTTLS\r\n" + behind)
		k.want(k.reply(), "554 Security failure\r\n")
		k.ended()
		r.logged("sync error: clear text behind STARTTLS", fmt.Sprintf("%q", behind))
	}
	early := call(t, addr) // before EHLO too
	early.want(early.reply(), "220 ")
	early.send("STARTTLS\r\nNOOP\r\n")
	early.want(early.reply(), "554 Security failure\r\n")
	bothVersions(t, func(t *testing.T, version uint16) {
		k := greeted(t, addr)
		k.want(k.say("STARTTLS"), "220 ")
		k.send("EHLO inj.test\r\n") // ST-03, ST-10: a segment of its own, before the ClientHello
		if k.handshake(version) == nil {
			k.want(k.reply(), "")
		}
		k.ended()
		r.logged("TLS failed: clear_text")
	})
	if r.store.commits != 0 {
		t.Error("a message was taken")
	}
}

// CE-07, CE-15, CE-16, CE-22: handshakes that fail, and what is said of it.
func TestS07HandshakeFails(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, dir := tlsRig(t, `
tls_verify_hosts = "*"
tls_verify_certificates = "%s/ca${if eq{1}{1}{}}.pem"`)
		ca := issue(t, "CA", nil, authority)
		ca.write(t, filepath.Join(dir, "ca.pem"), "C")
		addr := r.port("starttls")
		greeted(t, addr).refused(version)
		r.logged("TLS failed: no_certificate")
		greeted(t, addr).refused(version, withCertificate(issue(t, "c", nil)))
		r.logged("TLS failed: untrusted")
		greeted(t, addr).refused(version, withCertificate(issue(t, "c", ca, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })))
		r.logged("TLS failed: expired")
		greeted(t, addr).refused(version, withCertificate(issue(t, "c", ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })))
		r.logged("TLS failed: wrong_usage")
		greeted(t, addr).refused(version, withCertificate(issue(t, "c", ca)), func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} })
		r.logged("TLS failed: no_common_alpn")
		good := greeted(t, addr)
		good.secure(version, withCertificate(issue(t, "c", ca)), func(c *tls.Config) { c.NextProtos = []string{"smtp"} })
		good.talk("EHLO c.test", "250-")
	})
	r, _ := tlsRig(t, "")
	old := greeted(t, r.port("starttls"))
	old.refused(tls.VersionTLS11)
	old.ended()
	r.logged("TLS failed: no_common_version")
}

// ST-11: a client that hangs in its handshake.
func TestS07HandshakeHangs(t *testing.T) {
	t.Parallel()
	r, _ := tlsRig(t, "smtp_receive_timeout = \"1s\"")
	k := greeted(t, r.port("starttls"))
	k.want(k.say("STARTTLS"), "220 ")
	k.ended()
	r.logged("TLS failed: timeout")
}

func TestS08Ciphers(t *testing.T) {
	t.Parallel()
	const aes128, aes256 = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
	only := func(suite uint16) func(*tls.Config) { return func(c *tls.Config) { c.CipherSuites = []uint16{suite} } }
	const verify = "tls_verify_hosts = \"127.0.0.1\"\ntls_verify_ciphers = "

	r, _ := tlsRig(t, verify+`"ECDHE-ECDSA-AES256-GCM-SHA384"`)
	addr := r.port("starttls")
	greeted(t, addr).refused(tls.VersionTLS13) // a list of 1.2 keeps 1.3 out
	greeted(t, addr).refused(tls.VersionTLS12, only(aes128))
	greeted(t, addr).secure(tls.VersionTLS12, only(aes256))

	r, _ = tlsRig(t, verify+`"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"`)
	addr = r.port("starttls")
	greeted(t, addr).refused(tls.VersionTLS12)
	greeted(t, addr).secure(tls.VersionTLS13)

	r, _ = tlsRig(t, "tls_verify_hosts = \"10.0.0.0/8\"\ntls_verify_ciphers = \"ECDHE-ECDSA-AES256-GCM-SHA384\"")
	greeted(t, r.port("starttls")).secure(tls.VersionTLS12, only(aes128)) // who is not in the list uses what it likes
}

// A file, and a folder of <hash>.0; a CA, and the certificate itself. HD-03.
func TestS09Verified(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, dir := tlsRig(t, `
tls_verify_hosts = "*"
tls_verify_certificates = "%s/ca${if eq{1}{1}{}}.pem"
received_header_text = "Received: of $tls_peerdn by $primary_hostname\n  ($tls_cipher) sni=$tls_sni id $message_id"`)
		ca, self := issue(t, "CA", nil, authority), issue(t, "itself", nil)
		text, _ := os.ReadFile(self.write(t, filepath.Join(dir, "self.pem"), "C"))
		both, _ := os.ReadFile(ca.write(t, filepath.Join(dir, "ca.pem"), "C"))
		if err := os.WriteFile(filepath.Join(dir, "ca.pem"), append(both, text...), 0o600); err != nil {
			t.Fatal(err)
		}
		addr := r.port("starttls")
		for _, c := range []struct {
			cert *issued
			dn   string
		}{
			{issue(t, "client", ca), "/C=UK/O=Test/CN=client"},
			{self, "/C=UK/O=Test/CN=itself"},
			{issue(t, "a\"\r\nX: y/CN=b", ca), `/C=UK/O=Test/CN=a"\x0D\x0AX: y\x2FCN=b`},
		} {
			k := greeted(t, addr)
			k.secure(version, withCertificate(c.cert), func(c *tls.Config) { c.ServerName = "sni.test" })
			k.talk("EHLO c.test", "250-", fromA, "250 ", toOurs, "250 ", "DATA", "354 ")
			k.send(aMessage)
			k.want(k.reply(), "250 ")
			r.logged("received ", fmt.Sprintf("DN=%q verified=true", c.dn))
			_, texts := r.stored()
			want := "Received: of " + c.dn + " by mx.ours.test\r\n  (" + k.sock.State().CipherLog() + ") sni=sni.test id "
			if got := texts[len(texts)-1]; !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

// CE-10.
func TestS10TLSRequired(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "tls_advertise_hosts = []\ntls_hosts = \"127.0.0.1\"")
		k := greeted(t, r.port("starttls"))
		k.talk(fromA, "503 Use of TLS required\r\n", "RSET", "250 ", "NOOP", "250 ", toOurs, "503 ")
		k.secure(version)
		k.talk("EHLO c.test", "250-", fromA, "250 ")
	})
}

// CE-06: what relays in TLS does not in clear, and not for others.
func TestS11Relay(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "tls_host_accept_relay = \"127.0.0.1\"")
		k := greeted(t, r.port("starttls"))
		k.talk(fromA, "250 ", toOthers, "550 relaying to <u@ext.test> prohibited")
		k.secure(version)
		k.talk("EHLO c.test", "250-", fromA, "250 ", toOthers, "250 ")
		other, _ := tlsRig(t, "tls_host_accept_relay = \"10.0.0.0/8\"")
		k = greeted(t, other.port("starttls"))
		k.secure(version)
		k.talk("EHLO c.test", "250-", fromA, "250 ", toOthers, "550 ", toOurs, "250 ")
	})
}

// Three TLS sessions on one connection, with clear text between, and messages in
// each; what came of TLS is gone with it.
func TestS14CloseNotify(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "tls_host_accept_relay = \"*\"")
		k := greeted(t, r.port("starttls"))
		for range 3 {
			k.secure(version)
			k.talk("EHLO tls.test", "250-", fromA, "250 ", toOthers, "250 ", "DATA", "354 ")
			k.send(aMessage)
			k.want(k.reply(), "250 ")
			k.talk(fromA, "250 ", toOthers, "250 ")
			if err := k.sock.Shutdown(); err != nil {
				t.Fatal(err)
			}
			k.talk(toOthers, "503 ", "DATA", "503 ", fromA, "503 EHLO or HELO first")
			got := k.say("EHLO c.test")
			k.want(got, "250-mx.ours.test Hello c.test")
			if !strings.Contains(got, "250-STARTTLS\r\n") {
				t.Errorf("not offered again: %q", got)
			}
			k.talk(fromA, "250 ", toOthers, "550 ", "RSET", "250 ")
		}
		k.secure(version)
		k.sock.Shutdown()
		k.secure(version) // straight away, without EHLO
		k.talk("EHLO c.test", "250-", "QUIT", "221 ")
		if _, texts := r.stored(); len(texts) != 3 {
			t.Errorf("%d messages", len(texts))
		}
	})
}

// BD-01 and its kin: TLS ends in the middle of something. Nothing is parsed in
// clear, and there is no message.
func TestS14InTheMiddle(t *testing.T) {
	t.Parallel()
	envelope := "MAIL FROM:<a@ext.test>\r\nRCPT TO:<u@ours.test>\r\n"
	for name, text := range map[string]string{
		"DATA":           envelope + "DATA\r\nSubject: x\r\n\r\nhalf",
		"DATA line":      envelope + "DATA\r\nSubject: x\r\n\r\nhalf\r\n",
		"BDAT":           envelope + "BDAT 100 LAST\r\n" + strings.Repeat("x", 50),
		"refused BDAT":   "BDAT 100\r\n" + strings.Repeat("x", 50),
		"between chunks": envelope + "BDAT 10\r\n" + strings.Repeat("x", 10),
		"half a command": "NO",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothVersions(t, func(t *testing.T, version uint16) {
				r, _ := tlsRig(t, "")
				k := greeted(t, r.port("starttls"))
				k.secure(version)
				k.talk("EHLO c.test", "250-")
				if line, rest, ok := strings.Cut(text, "DATA\r\n"); ok {
					k.send(line + "DATA\r\n")
					k.reply()
					k.reply()
					k.want(k.reply(), "354")
					k.send(rest)
				} else {
					k.send(text)
				}
				if err := k.sock.Shutdown(); err != nil {
					t.Fatal(err)
				}
				// Clear text may find the connection closed already.
				k.sock.Write([]byte("\r\n.\r\nNOOP\r\nMAIL FROM:<evil@ext.test>\r\n"))
				for {
					line, err := k.line()
					if err != nil {
						if os.IsTimeout(err) {
							t.Error("still open")
						}
						break
					}
					if !strings.HasPrefix(line, "250 OK\r") && !strings.HasPrefix(line, "250 Accepted") && !strings.HasPrefix(line, "250 10 octets") {
						t.Errorf("answered %q", line)
					}
				}
				r.logged("lost at ")
				if r.store.commits != 0 {
					t.Error("a message was taken")
				}
			})
		})
	}
}

// A connection cut without close_notify.
func TestS15Cut(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "")
		k := greeted(t, r.port("starttls"))
		k.secure(version)
		k.talk("EHLO c.test", "250-", fromA, "250 ", toOurs, "250 ", "DATA", "354 ")
		k.send("Subject: x\r\n\r\nall but the dot\r\n")
		k.sock.Close()
		r.logged("lost at DATA")
		if r.store.commits != 0 {
			t.Error("a message was taken")
		}
	})
}

// presented is the name in the certificate that a port shows.
func presented(t *testing.T, addr string, version uint16) *x509.Certificate {
	t.Helper()
	k := greeted(t, addr)
	k.secure(version)
	defer k.say("QUIT")
	return k.sock.PeerCertificates()[0]
}

// Chapter 38.1's own examples: both parts in one file or in two, and the
// client's address choosing the certificate. S17: a new one is used at once.
func TestS16S17Certificates(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, dir := tlsRig(t, `tls_certificate = "%s/${if eq{$sender_host_address}{127.0.0.1}{here}{there}}.pem"`)
		file := filepath.Join(dir, "here.pem")
		issue(t, "first", nil).write(t, file, "CK")
		addr := r.port("starttls")
		if got := presented(t, addr, version).Subject.CommonName; got != "first" {
			t.Errorf("got %q", got)
		}
		issue(t, "second", nil).write(t, file, "CK")
		for end := time.Now().Add(5 * time.Second); presented(t, addr, version).Subject.CommonName != "second"; {
			if time.Now().After(end) {
				t.Fatal("the new certificate is not used")
			}
			time.Sleep(50 * time.Millisecond)
		}
		r, dir = tlsRig(t, `
tls_certificate = "%s/cert${if eq{1}{1}{}}.pem"
tls_privatekey  = "%s/key${if eq{1}{1}{}}.pem"`)
		parts := issue(t, "parts", nil)
		parts.write(t, filepath.Join(dir, "cert.pem"), "C")
		parts.write(t, filepath.Join(dir, "key.pem"), "K")
		if got := presented(t, r.port("starttls"), version).Subject.CommonName; got != "parts" {
			t.Errorf("got %q", got)
		}
	})
}

func TestS16aSelfSigned(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, `tls_certificate = "self-signed"`)
		addr := r.port("starttls")
		first := presented(t, addr, version)
		if err := first.VerifyHostname("mx.ours.test"); err != nil {
			t.Error(err)
		}
		if again := presented(t, addr, version); !again.Equal(first) {
			t.Error("another one for each client")
		}
	})
}

// A port that is in TLS from the first byte.
func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "tls_advertise_hosts = []")
		addr := r.port("implicit")
		k := call(t, addr)
		if err := k.handshake(version); err != nil {
			t.Fatal(err)
		}
		k.want(k.reply(), "220 ")
		if got := k.say("EHLO c.test"); strings.Contains(got, "STARTTLS") {
			t.Errorf("offered: %q", got)
		}
		k.talk("STARTTLS", "554 Already in TLS", fromA, "250 ", toOurs, "250 ", "DATA", "354 ")
		k.send(aMessage)
		k.want(k.reply(), "250 ")
		r.logged("received ", "P=esmtps")
		k.sock.Shutdown()
		k.sock.Write([]byte("EHLO c.test\r\n")) // never in clear
		k.ended()
	})
}

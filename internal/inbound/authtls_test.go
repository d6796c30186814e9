package inbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"mtad/internal/auth"
)

// prove authenticates with the strongest of offered, and returns the last reply.
func (c *caller) prove(offered []string, of auth.Channel, who auth.Credential) string {
	c.t.Helper()
	all, err := new(auth.Client).Choose(offered, of, []auth.Credential{who})
	if err != nil {
		c.t.Fatal(err)
	}
	x := all[0]
	reply := c.say("AUTH " + x.Start())
	for strings.HasPrefix(reply, "334 ") {
		answer, err := x.Next(context.Background(), strings.TrimSpace(reply[4:]))
		if err != nil {
			answer = "*"
		}
		reply = c.say(answer)
	}
	if strings.HasPrefix(reply, "235") {
		if err := x.Finish(); err != nil {
			c.t.Errorf("%s: %v", x.Mechanism, err)
		}
	}
	return reply
}

// channel is a client's connection as SCRAM binds to it.
func (c *caller) channel() auth.Channel {
	st := c.sock.State()
	if !st.On {
		return auth.Channel{}
	}
	return auth.Channel{TLS: true, Certificate: true, Bindings: auth.Bindings(c.sock, c.sock.PeerCertificates()[0])}
}

// AU-09: SCRAM-SHA-256-PLUS is offered in TLS, and taken only where both sides
// see the same TLS session.
func TestAU09ChannelBinding(t *testing.T) {
	t.Parallel()
	r, _ := tlsRig(t, authOptions(t, ""))
	addr := r.port("starttls")
	bob := auth.Credential{Driver: "scram", User: "bob", Secret: canary}
	bothVersions(t, func(t *testing.T, version uint16) {
		c := greeted(t, addr)
		c.secure(version)
		ehlo := c.say("EHLO c.test")
		if !strings.Contains(ehlo, " SCRAM-SHA-256 ") && !strings.Contains(ehlo, " SCRAM-SHA-256\r\n") || !strings.Contains(ehlo, "SCRAM-SHA-256-PLUS") {
			t.Fatalf("offered %q", ehlo)
		}
		other := c.channel()
		for i := range other.Bindings { // as through somebody in between
			other.Bindings[i].Data = make([]byte, len(other.Bindings[i].Data))
		}
		plus := []string{"SCRAM-SHA-256-PLUS"}
		c.want(c.prove(plus, other, bob), "535")
		c.want(c.prove([]string{"SCRAM-SHA-256"}, c.channel(), bob), "535") // -PLUS was taken out of what was offered
		c.want(c.prove(plus, c.channel(), bob), "235")
		c.talk(fromA, "250", toOthers, "250")
	})
}

// EXTERNAL: the verified certificate says who it is, and only then.
func TestExternal(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, dir := tlsRig(t, `
tls_verify_hosts = "127.0.0.1"
tls_verify_certificates = "%s/ca${if eq{1}{1}{}}.pem"
host_auth_accept_relay = "*"
[[authenticator]]
name = "cert"
driver = "external"
server_condition = "${if eq{$auth1}{client}}"
server_set_id = "cert-$auth1"
`)
		ca := issue(t, "CA", nil, authority)
		ca.write(t, filepath.Join(dir, "ca.pem"), "C")
		addr := r.port("starttls")
		for name, want := range map[string]string{"client": "235", "another": "535"} {
			c := greeted(t, addr)
			c.talk("AUTH EXTERNAL =", "503")
			c.secure(version, withCertificate(issue(t, name, ca)))
			if ehlo := c.say("EHLO c.test"); !strings.Contains(ehlo, "AUTH EXTERNAL\r\n") {
				t.Errorf("offered %q", ehlo)
			}
			c.talk("AUTH EXTERNAL "+b64("root"), "535", "AUTH EXTERNAL =", want)
			if want == "235" {
				c.talk(fromA, "250", toOthers, "250", "DATA", "354", "\r\n.", "250")
				r.logged("received", "A=cert:cert-client")
				if err := c.sock.Shutdown(); err != nil { // the certificate was TLS's: so was the name
					t.Fatal(err)
				}
				c.talk("EHLO c.test", "250", fromA, "250", toOthers, "550")
			}
		}
		c := greeted(t, addr)
		c.refused(version, withCertificate(issue(t, "client", nil)))
	})
}

// S14: a TLS session that ends in the middle of AUTH takes the connection along.
func TestS14InTheMiddleOfAuth(t *testing.T) {
	t.Parallel()
	r, _ := tlsRig(t, authOptions(t, ""))
	addr := r.port("starttls")
	bothVersions(t, func(t *testing.T, version uint16) {
		for _, begun := range []string{"", b64("\x00bob")} {
			c := greeted(t, addr)
			c.secure(version)
			c.talk("EHLO c.test", "250", "AUTH PLAIN", "334")
			c.send(begun)
			if err := c.sock.Shutdown(); err != nil {
				t.Fatal(err)
			}
			c.sock.Write([]byte(b64("\x00bob\x00"+canary) + "\r\nNOOP\r\n")) // may find it closed
			c.ended()
			r.logged("lost at AUTH")
		}
	})
}

// ST-05 and S14: an identity ends with what was there when it was proved: TLS
// that starts, or ends. It can be proved again, as often as wanted.
func TestST05IdentityEndsWithTLS(t *testing.T) {
	t.Parallel()
	r, _ := tlsRig(t, authOptions(t, "auth_hosts = \"192.0.2.0/24\""))
	addr := r.port("starttls")
	bothVersions(t, func(t *testing.T, version uint16) {
		c := greeted(t, addr)
		c.talk(plainBob, "235", fromA, "250", toOthers, "250")
		for range 2 {
			c.secure(version)
			c.talk(fromA, "503", "EHLO c.test", "250", fromA, "250", toOthers, "550 relaying", "RSET", "250",
				plainBob, "235", fromA, "250", toOthers, "250")
			if err := c.sock.Shutdown(); err != nil {
				t.Fatal(err)
			}
			c.talk(fromA, "503", "EHLO c.test", "250", fromA, "250", toOthers, "550 relaying", "RSET", "250",
				plainBob, "235", fromA, "250", toOthers, "250")
		}
	})
}

// What guesses have cost is not forgotten with TLS.
func TestFailuresOutliveTLS(t *testing.T) {
	t.Parallel()
	r, _ := tlsRig(t, authOptions(t, ""))
	wrong := "AUTH PLAIN " + b64("\x00bob\x00wrong")
	c := greeted(t, r.port("starttls"))
	c.talk(wrong, "535", wrong, "535")
	c.secure(tls.VersionTLS13)
	c.talk("EHLO c.test", "250", wrong, "535", wrong, "421")
}

// Mechanisms are told from each other in the metrics, and names of strangers'
// choosing are not in them.
func TestAuthIsCounted(t *testing.T) {
	r := authRig(t, "")
	results := []string{
		`mechanism="PLAIN",result="done"`, `mechanism="PLAIN",result="rejected"`, `mechanism="LOGIN",result="cancelled"`,
		`mechanism="CRAM-MD5",result="malformed"`, `mechanism="other",result="unknown"`,
	}
	before := make([]uint64, len(results))
	for i, l := range results {
		before[i] = counted(fmt.Sprintf(`mtad_auth_total{side="server",%s}`, l))
	}
	w, _ := r.begin("203.0.113.1")
	w.expect(t, "AUTH login", "334", "*", "501", "AUTH CRAM-MD5 AAAA", "501", "AUTH X-STRANGE-NAME", "504",
		"auth plain "+b64("\x00bob\x00x"), "535", plainBob, "235")
	w.end()
	for i, l := range results {
		if n := counted(fmt.Sprintf(`mtad_auth_total{side="server",%s}`, l)); n != before[i]+1 {
			t.Errorf("%s counted %d times", l, n-before[i])
		}
	}
}

func counted(name string) uint64 { return metrics.GetOrCreateCounter(name).Get() }

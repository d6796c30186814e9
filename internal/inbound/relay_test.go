package inbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtad/internal/config"
	"mtad/internal/lists"
)

// The open-relay list of THREATS: a stranger at 192.0.2.1, mx.ours.test at
// 192.0.2.25. Each is refused at RCPT or MAIL, and DATA behind it too.
var openRelay = []struct{ id, helo, from, to string }{
	{"OR-01", "c", "<spamtest@ext.test>", "<relaytest@ext.test>"},
	{"OR-02", "c", "<spamtest>", "<relaytest@ext.test>"},
	{"OR-03", "c", "<>", "<relaytest@ext.test>"},
	{"OR-04", "c", "<spamtest@mx.ours.test>", "<relaytest@ext.test>"},
	{"OR-05", "c", "<spamtest@[192.0.2.25]>", "<relaytest@ext.test>"},
	{"OR-06", "c", "<spamtest@[192.0.2.25]>", "<relaytest%ext.test@[192.0.2.25]>"},
	{"OR-07", "c", "<spamtest@[192.0.2.25]>", "<relaytest%ext.test@mx.ours.test>"},
	{"OR-08", "c", "<spamtest@[192.0.2.25]>", `<"relaytest@ext.test">`},
	{"OR-09", "c", "<spamtest@[192.0.2.25]>", `<"relaytest%ext.test">`},
	{"OR-10", "c", "<spamtest@[192.0.2.25]>", "<relaytest@ext.test@[192.0.2.25]>"},
	{"OR-11", "c", "<spamtest@[192.0.2.25]>", `<"relaytest@ext.test"@[192.0.2.25]>`},
	{"OR-12", "c", "<spamtest@[192.0.2.25]>", "<relaytest@ext.test@mx.ours.test>"},
	{"OR-13", "c", "<spamtest@[192.0.2.25]>", "<@[192.0.2.25]:relaytest@ext.test>"},
	{"OR-14", "c", "<spamtest@[192.0.2.25]>", "<@mx.ours.test:relaytest@ext.test>"},
	{"OR-15", "c", "<spamtest@[192.0.2.25]>", "<ext.test!relaytest>"},
	{"OR-16", "c", "<spamtest@[192.0.2.25]>", "<ext.test!relaytest@[192.0.2.25]>"},
	{"OR-17", "c", "<spamtest@[192.0.2.25]>", "<ext.test!relaytest@mx.ours.test>"},
	{"OR-18", "c", "<spamtest@localhost>", "<relaytest@ext.test>"},
	{"OR-19", "c", "<x@rnd.ext.test>", "<relaytest@ext.test>"},
	{"OR-20", "c", "<postmaster@mx.ours.test>", "<relaytest@ext.test>"},
	{"OR-21", "c", "<user@ours.test>", "<relaytest@ext.test>"},
	{"OR-22", "c", "<spamtest@ours.test>", `<"relaytest@ext.test"@ours.test>`},
	{"OR-23", "c", "<spamtest@ours.test>", "<ext.test!relaytest%ext.test@ours.test>"},
	{"OR-24", "c", "<spamtest@ours.test>", "<a%b%ext.test@ours.test>"},
	{"OR-25", "c", "<spamtest@ours.test>", "<@ours.test,@ext.test:u@ext2.test>"},
	{"OR-26", "c", "<a@ext.test>", "<u@[192.0.2.9]>"},
	{"OR-27", "c", "<a@ext.test>", "<u@[IPv6:::ffff:192.0.2.9]>"},
	{"OR-28 dot", "c", "<a@ext.test>", "<u@ours.test.>"},
	{"OR-28 prefix", "c", "<a@ext.test>", "<u@xours.test>"},
	{"OR-28 suffix", "c", "<a@ext.test>", "<u@ours.test.ext.test>"},
	{"OR-28 sub", "c", "<a@ext.test>", "<u@sub.ours.test>"},
	{"OR-29", "c", "<a@ext.test>", "<u@xn--urs-tqc.test>"},
	{"OR-29 raw", "c", "<a@ext.test>", "<u@\xd0\xbeurs.test>"},
	{"OR-30 name", "mx.ours.test", "<a@ext.test>", "<relaytest@ext.test>"},
	{"OR-30 IP", "[10.0.0.1]", "<a@ext.test>", "<relaytest@ext.test>"},
	{"AD-03 pipe", "c", "<a@ext.test>", "<|/bin/id@ours.test>"},
	{"AD-03 quoted pipe", "c", "<a@ext.test>", `<"|id"@ours.test>`},
	{"AD-03 file", "c", "<a@ext.test>", "</etc/passwd@ours.test>"},
	{"AD-03 include", "c", "<a@ext.test>", "<:include:/etc/passwd@ours.test>"},
	{"AD-04", "c", "<a@ext.test>", "<../../etc/passwd@ours.test>"},
}

func TestOpenRelayIsNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	for _, hello := range []string{"HELO ", "EHLO "} {
		for _, c := range openRelay {
			w, _ := r.dial("192.0.2.1")
			w.say(hello + c.helo)
			mail := w.say("MAIL FROM:" + c.from)
			rcpt := w.say("RCPT TO:" + c.to)
			if !strings.HasPrefix(rcpt, "5") {
				t.Errorf("%s: RCPT TO:%s answered %q (MAIL: %q)", c.id, c.to, rcpt, mail)
			}
			if data := w.say("DATA"); !strings.HasPrefix(data, "503") {
				t.Errorf("%s: DATA answered %q", c.id, data)
			}
			w.end()
		}
	}
	if r.store.commits != 0 {
		t.Errorf("%d messages were taken", r.store.commits)
	}
}

// The same list in TLS, over TCP, behind HELO and EHLO.
func TestOpenRelayIsNoneInTLS(t *testing.T) {
	t.Parallel()
	r, _ := tlsRig(t, authOptions(t, "smtp_max_errors = 1000"))
	addr := r.port("starttls")
	bothVersions(t, func(t *testing.T, version uint16) {
		for _, hello := range []string{"HELO ", "EHLO "} {
			k := greeted(t, addr)
			k.secure(version)
			for _, c := range openRelay {
				k.want(k.say(hello+c.helo), "250")
				mail := k.say("MAIL FROM:" + c.from)
				if rcpt := k.say("RCPT TO:" + c.to); !strings.HasPrefix(rcpt, "5") {
					t.Errorf("%s: RCPT TO:%s answered %q (MAIL: %q)", c.id, c.to, rcpt, mail)
				}
				if data := k.say("DATA"); !strings.HasPrefix(data, "503") {
					t.Errorf("%s: DATA answered %q", c.id, data)
				}
			}
		}
	})
	t.Cleanup(func() {
		if r.store.commits != 0 {
			t.Errorf("%d messages were taken", r.store.commits)
		}
	})
}

// OR-31: a name that does not lead back to the address is no name; one that
// cannot be had now grants nothing.
func TestOR31ForgedName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		names []string
		err   error
		want  string
	}{
		{nil, nil, "550 relaying"}, // the PTR record claims it, and was not confirmed
		{nil, errors.New("time-out"), "550 relaying"},
		{[]string{"other.friend.test"}, nil, "550 relaying"},
		{[]string{"friend.test"}, nil, "250"},
	} {
		r := newRig(t, "")
		relay, err := lists.ParseHosts([]string{"friend.test"}, lists.Env{})
		if err != nil {
			t.Fatal(err)
		}
		cfg := *r.srv.deps.Config()
		cfg.HostAcceptRelay = relay
		r.srv.deps.Config = func() *config.Config { return &cfg }
		r.srv.deps.Names = func(context.Context, netip.Addr) ([]string, error) { return c.names, c.err }
		w, _ := r.dial("192.0.2.1")
		w.expect(t, "EHLO friend.test", "250", "MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", c.want)
		w.end()
	}
}

// OR-32: relaying by TLS with a certificate is for who has one.
func TestOR32Certificates(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, dir := tlsRig(t, "tls_host_accept_relay = \"127.0.0.1\"\ntls_verify_hosts = \"127.0.0.1\"\ntls_verify_certificates = \"%s/ca${if eq{1}{1}{}}.pem\"")
		ca := issue(t, "CA", nil, authority)
		ca.write(t, filepath.Join(dir, "ca.pem"), "C")
		addr := r.port("starttls")
		k := greeted(t, addr)
		k.secure(version, withCertificate(issue(t, "client", ca)))
		k.talk("EHLO c.test", "250", fromA, "250", toOthers, "250")
		if err := k.sock.Shutdown(); err != nil {
			t.Fatal(err)
		}
		k.talk("EHLO c.test", "250", fromA, "250", toOthers, "550 relaying")
		greeted(t, addr).refused(version)
		greeted(t, addr).refused(version, withCertificate(issue(t, "client", nil)))
		greeted(t, addr).refused(version, withCertificate(issue(t, "client", issue(t, "CA", nil, authority))))
		greeted(t, addr).refused(version, withCertificate(issue(t, "client", ca, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })))
	})
}

// OR-33: an AUTH that failed, was cancelled, or was before STARTTLS, grants nothing.
func TestOR33NoIdentity(t *testing.T) {
	t.Parallel()
	r, _ := tlsRig(t, authOptions(t, ""))
	refused := []string{fromA, "250", toOthers, "550 relaying", "DATA", "503", "RSET", "250"}
	k := greeted(t, r.port("starttls"))
	k.talk("AUTH PLAIN "+b64("\x00bob\x00wrong"), "535")
	k.talk(refused...)
	k.talk("AUTH PLAIN", "334", "*", "501")
	k.talk(refused...)
	k.talk("AUTH LOGIN", "334", b64("bob"), "334", "", "535")
	k.talk(refused...)
	k.talk(plainBob, "235")
	k.secure(tls.VersionTLS13)
	k.talk("EHLO c.test", "250")
	k.talk(refused...)
}

// OR-34: nobody says whom he speaks for.
func TestOR34ForeignAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	for _, line := range []string{"XCLIENT ADDR=10.0.0.1", "XFORWARD ADDR=10.0.0.1", "PROXY TCP4 10.0.0.1 192.0.2.25 4321 25"} {
		w, _ := r.dial("192.0.2.1")
		w.expect(t, line, "500", "EHLO c", "250", "MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", "550 relaying")
		w.end()
	}
	w, _ := r.dial("192.0.2.1") // PROXY v2
	if got := w.send([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x00\x00\x01\xc0\x00\x02\x19\x10\xe1\x00\x19EHLO c\r\n")); strings.Contains(got, "250") {
		t.Errorf("answered %q", got)
	}
	w.end()
}

// OR-35: each recipient is judged alone; and what is ours is taken.
func TestRecipientsAreJudgedAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	w, _ := r.dial("192.0.2.1")
	w.say("EHLO c")
	got := w.say("MAIL FROM:<a@ext.test>", "RCPT TO:<u@OURS.TEST>", "RCPT TO:<v@ext.test>", "RCPT TO:<w@ours.test>",
		"RSET", "MAIL FROM:<a@ext.test>", "RCPT TO:<v@ext.test>", "RCPT TO:<@ext.test:u@ours.test>", "RCPT TO:<postmaster>")
	want := "250 OK\r\n250 Accepted\r\n550 relaying to <v@ext.test> prohibited\r\n250 Accepted\r\n" +
		"250 Reset OK\r\n250 OK\r\n550 relaying to <v@ext.test> prohibited\r\n250 Accepted\r\n250 Accepted\r\n"
	if got != want {
		t.Errorf("got %q", got)
	}
	w.end()
}

// CM-24: a stranger who tries names is not listened to for ever.
func TestRefusedRecipientsEndTheSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	w, _ := r.dial("192.0.2.1")
	w.say("EHLO c")
	w.say("MAIL FROM:<a@ext.test>")
	got := w.say(strings.Split(strings.TrimSuffix(strings.Repeat("RCPT TO:<x@ext.test>\n", 1000), "\n"), "\n")...)
	if n := strings.Count(got, "550 "); n != maxRefusals || !strings.Contains(got, "421 mx.ours.test too many refused recipients\r\n") {
		t.Errorf("%d refusals, then %q", n, got[max(0, len(got)-80):])
	}
}

package inbound

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bob's secret, as a name that nothing else in a test run contains.
const canary = "c4nary-s3cret"

// bobsFile is a file of users with bob, at the least price there is.
const bobsFile = `[user."bob"]
hash = '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$8TBjjKcJTnDnv1oOnYDasVz+n4oQM7wQpm+b0Zzq01U'
scram = 'SCRAM-SHA-256$4096:c2l4dGVlbiBvY3RldHMuLg==$djSof2kvr6wHiYGFVIZDOi8wg1wzYzVasO0pVz6KlVA=:uJ3XRUfam40+acpY0NA65NE8LV+muhDPJa3Qxrtove8='
plain = 'c4nary-s3cret'
`

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

var plainBob = "AUTH PLAIN " + b64("\x00bob\x00"+canary)

// usersFile writes a file of users.
func usersFile(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// authOptions are PLAIN, LOGIN, CRAM-MD5 and SCRAM for bob, who may relay from
// everywhere once he is known. Main options go into extra.
func authOptions(t testing.TB, extra string) string {
	file := usersFile(t, bobsFile)
	text := extra + "\nhost_auth_accept_relay = \"*\"\n"
	for _, a := range [][3]string{{"plain", "plaintext", "PLAIN"}, {"login", "plaintext", "LOGIN"}, {"cram", "cram_md5", "CRAM-MD5"}, {"scram", "scram", "SCRAM-SHA-256"}} {
		text += fmt.Sprintf("[[authenticator]]\nname = %q\ndriver = %q\npublic_name = %q\nserver_users = %q\n", a[0], a[1], a[2], file)
	}
	return text
}

// authRig has authOptions.
func authRig(t testing.TB, extra string) *rig {
	t.Helper()
	return newRig(t, authOptions(t, extra))
}

// begin dials and says EHLO.
func (r *rig) begin(client string) (w *wire, offered string) {
	w, _ = r.dial(client)
	return w, w.say("EHLO c.test")
}

// expect says each line and checks how its answer begins: pairs.
func (w *wire) expect(t testing.TB, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := w.say(pairs[i]); !strings.HasPrefix(got, pairs[i+1]) {
			t.Errorf("%.60s: answered %q, want %q", pairs[i], got, pairs[i+1])
		}
	}
}

func TestAuthLetsRelay(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	w, offered := r.begin("192.0.2.1")
	if !strings.Contains(offered, "250-AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\r\n") {
		t.Errorf("offered %q", offered)
	}
	w.expect(t, plainBob, "235 ", "MAIL FROM:<bob@ext.test>", "250", "RCPT TO:<u@ext.test>", "250", "DATA", "354", "Subject: x\r\n\r\nhello\r\n.", "250 OK id=")
	w.end()
	envs, texts := r.stored()
	if len(envs) != 1 || envs[0].Protocol != "esmtpa" || envs[0].AuthID != "bob" || !strings.Contains(texts[0], " with esmtpa") {
		t.Errorf("%d messages: %+v\n%s", len(envs), envs, texts)
	}
	r.logged("received F=<bob@ext.test>", "P=esmtpa", "A=plain:bob")
}

// AU-01, S12: what must not be said in clear is neither offered nor taken there,
// and is in TLS.
func TestAU01AuthInTLSOnly(t *testing.T) {
	t.Parallel()
	r, _ := tlsRig(t, authOptions(t, `auth_over_tls_hosts = "127.0.0.0/8"`))
	addr := r.port("starttls")
	bothVersions(t, func(t *testing.T, version uint16) {
		c := call(t, addr)
		c.want(c.reply(), "220 ")
		if offered := c.say("EHLO c.test"); strings.Contains(offered, "AUTH") {
			t.Errorf("offered in clear: %q", offered)
		}
		c.talk(plainBob, "503 AUTH command used when not advertised", "MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", "550 relaying")
		c.secure(version)
		if offered := c.say("EHLO c.test"); !strings.Contains(offered, "AUTH PLAIN") {
			t.Errorf("not offered in TLS: %q", offered)
		}
		c.talk(plainBob, "235", "MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", "250")
	})
}

// A host of another network may do it in clear.
func TestAuthInClearWhereAllowed(t *testing.T) {
	t.Parallel()
	r := authRig(t, `auth_over_tls_hosts = "198.51.100.0/24"`)
	w, offered := r.begin("192.0.2.1")
	if !strings.Contains(offered, "AUTH PLAIN") {
		t.Errorf("not offered: %q", offered)
	}
	w.expect(t, plainBob, "235")
	w, offered = r.begin("198.51.100.7")
	if strings.Contains(offered, "AUTH") {
		t.Errorf("offered: %q", offered)
	}
	w.expect(t, plainBob, "503")
}

// AU-02
func TestAU02AuthInItsPlace(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	w, _ := r.dial("192.0.2.1")
	w.expect(t,
		plainBob, "503 AUTH command used when not advertised",
		"HELO c.test", "250", plainBob, "503 AUTH command used when not advertised",
		"EHLO c.test", "250", "MAIL FROM:<a@ours.test>", "250", plainBob, "503 AUTH is not allowed in a mail transaction",
		"RCPT TO:<u@ext.test>", "550", "RSET", "250",
		plainBob, "235", plainBob, "503 already authenticated",
		"EHLO c.test", "250", plainBob, "503 already authenticated",
		"MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", "250")
	w.end()
	w, _ = r.begin("192.0.2.1")
	w.expect(t, "AUTH", "501", "AUTH PLAIN a b", "501", "AUTH GSSAPI", "504", "STARTTLS", "503", plainBob, "235")
	w.end()
}

// AU-02: what stands behind AUTH before it was answered may be a secret, and is
// not taken for a command.
func TestAU02NothingBehindAuth(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	w, _ := r.begin("192.0.2.1")
	got := w.say("AUTH PLAIN", b64("\x00bob\x00"+canary))
	if !strings.HasPrefix(got, "554 SMTP synchronization error") {
		t.Errorf("answered %q", got)
	}
	w, _ = r.begin("192.0.2.1")
	w.say("AUTH LOGIN")
	got = w.say(b64("bob"), b64(canary)) // in the dialogue itself they may come at once
	if !strings.HasPrefix(got, "334 UGFzc3dvcmQ6\r\n235") {
		t.Errorf("answered %q", got)
	}
	w.end()
}

// AU-03: nobody acts as somebody else.
func TestAU03ForeignAuthzid(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	for line, want := range map[string]string{
		b64("root\x00bob\x00" + canary): "535", b64("bob\x00bob\x00" + canary): "235", b64("bob\x00\x00"): "535", b64("bob\x00eve\x00x"): "535",
	} {
		w, _ := r.begin("192.0.2.1")
		relays := map[string]string{"535": "550 relaying", "235": "250"}[want]
		w.expect(t, "AUTH PLAIN "+line, want, "MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", relays)
		w.end()
	}
}

// AU-04: a dialogue that ends early leaves nothing behind.
func TestAU04BrokenDialogues(t *testing.T) {
	t.Parallel()
	r := authRig(t, "smtp_max_errors = 100")
	for _, lines := range [][]string{
		{"AUTH PLAIN", "334 \r\n", "*", "501"},
		{"AUTH LOGIN", "334 VXNlcm5hbWU6\r\n", b64("bob"), "334 UGFzc3dvcmQ6\r\n", "*", "501"},
		{"AUTH LOGIN", "334", plainBob, "501"},
		{"AUTH CRAM-MD5", "334", "QUIT", "501"},
		{"AUTH SCRAM-SHA-256", "334", b64(canary), "501"},
		{"AUTH SCRAM-SHA-256 " + b64("n,,n=bob,r=clientnonce"), "334", b64("c=biws,r=othernonce,p=AAAA"), "535"},
		{"AUTH PLAIN =", "501"},
		{"AUTH CRAM-MD5 " + b64("bob"), "501"},
	} {
		w, _ := r.begin("192.0.2.1")
		w.expect(t, lines...)
		w.expect(t, "MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", "550 relaying", "RSET", "250",
			b64(canary), "500", plainBob, "235")
		w.end()
	}
}

// AU-05: three failures in a session, and less across sessions.
func TestAU05Guessing(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	var held []time.Duration
	r.srv.hold = func(d time.Duration) { held = append(held, d) }
	wrong := "AUTH PLAIN " + b64("\x00bob\x00wrong")
	w, _ := r.begin("192.0.2.1")
	w.expect(t, wrong, "535", wrong, "535", wrong, "535", wrong, "421 mx.ours.test too many failed authentications")
	if fmt.Sprint(held) != "[1s 2s 3s 4s]" {
		t.Errorf("held back for %v", held)
	}
	w, _ = r.begin("192.0.2.1")
	w.expect(t, wrong, "535", wrong, "454", plainBob, "454", wrong, "421")
	w, _ = r.begin("192.0.2.2") // who was right there before is not kept out by others
	w.expect(t, plainBob, "235")
	w.end()
	r.logged("AUTH failed: plain", `user="bob"`, "535")
}

// AU-05: one host's thousands of tries, in thousands of sessions, are not hashed.
func TestAU05TenThousandTries(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	judged := 0
	for i := range 300 {
		w, _ := r.begin("2001:db8::" + fmt.Sprint(i+1)) // one /64
		for range maxAuthFailures + 1 {
			if strings.HasPrefix(w.say("AUTH PLAIN "+b64("\x00bob\x00"+fmt.Sprint(i))), "535") {
				judged++
			}
		}
	}
	if judged > 10 {
		t.Errorf("%d of 1200 were judged", judged)
	}
}

// AU-07: long lines, NUL, 8-bit.
func TestAU07Lines(t *testing.T) {
	t.Parallel()
	r := authRig(t, "smtp_max_errors = 100")
	for _, c := range []struct{ line, want string }{
		{strings.Repeat("A", 12288), "501"}, // read, and no name in it
		{strings.Repeat("A", 12289), "500 authentication line too long"},
		{strings.Repeat("A", 20000), "500 authentication line too long"},
		{b64("\x00bob\x00" + strings.Repeat("x", 8000)), "535"},
		{b64("\x00bob\x00caf\xe9"), "535"},
		{b64("\x00bob\x00" + canary + "\x00"), "501"},
		{b64("\x00bob\x00"), "535"},
		{"not base64", "501"},
	} {
		w, _ := r.begin("198.51.100.1")
		w.expect(t, "AUTH PLAIN", "334", c.line, c.want, "NOOP", "250", plainBob, "235")
		w.end()
	}
	w, _ := r.begin("192.0.2.1")
	w.say("AUTH PLAIN")
	if got := w.say(b64("\x00bob\x00x") + "\nNOOP"); !strings.HasPrefix(got, "500 bare CR") {
		t.Errorf("a bare LF is answered %q", got)
	}
}

// AU-09: by default there is no AUTH at all, and nothing to be let in by.
func TestAU09NoAuthByDefault(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	w, offered := r.begin("192.0.2.1")
	if strings.Contains(offered, "AUTH") {
		t.Errorf("offered: %q", offered)
	}
	w.expect(t, plainBob, "503", "AUTH CRAM-MD5", "503")
	w.end()
}

// AU-10: who is known may send as another; the log has both names.
func TestAU10SenderOfAnother(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	w, _ := r.begin("192.0.2.1")
	w.expect(t, plainBob, "235", "MAIL FROM:<eve@ours.test>", "250", "RCPT TO:<u@ext.test>", "250", "DATA", "354", ".", "250")
	w.end()
	r.logged("received F=<eve@ours.test>", "A=plain:bob")
}

// AU-12: AUTH= of MAIL is understood where AUTH is offered, and believed of nobody.
func TestAU12AuthParameter(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	w, _ := r.begin("192.0.2.1")
	w.expect(t, "MAIL FROM:<a@ext.test> AUTH=root@ours.test", "250", "RCPT TO:<u@ext.test>", "550 relaying", "RSET", "250",
		"MAIL FROM:<a@ext.test> AUTH=<>", "250", "RSET", "250", "MAIL FROM:<a@ext.test> AUTH=a+2", "501",
		plainBob, "235", "EHLO c.test", "250", "MAIL FROM:<a@ext.test> AUTH=<>", "250", "RSET", "250",
		"HELO c.test", "250", "MAIL FROM:<a@ext.test> AUTH=<>", "555")
	w.end()
	r = newRig(t, "")
	w, _ = r.begin("192.0.2.1")
	w.expect(t, "MAIL FROM:<a@ext.test> AUTH=<>", "555")
	w.end()
}

// S13: a host in auth_hosts sends nothing before AUTH, wherever it may go.
func TestAuthHosts(t *testing.T) {
	t.Parallel()
	r := authRig(t, `auth_hosts = "10.0.0.0/8"`)
	w, _ := r.begin("10.0.0.1") // may relay by its address
	w.expect(t, "MAIL FROM:<a@ours.test>", "550 authentication required", "RCPT TO:<u@ours.test>", "503",
		"AUTH PLAIN "+b64("\x00bob\x00wrong"), "535", "MAIL FROM:<a@ours.test>", "550 authentication required",
		plainBob, "235", "MAIL FROM:<a@ours.test>", "250", "RCPT TO:<u@ext.test>", "250")
	w.end()
	w, _ = r.begin("192.0.2.1")
	w.expect(t, "MAIL FROM:<a@ours.test>", "250")
	w.end()
	r.logged("rejected MAIL", "authentication required")
}

// host_auth_accept_relay is for those in it, and an identity alone grants nothing.
func TestAuthAloneGrantsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, strings.Replace(authOptions(t, ""), `host_auth_accept_relay = "*"`, `host_auth_accept_relay = "198.51.100.0/24"`, 1))
	for client, want := range map[string]string{"192.0.2.1": "550 relaying", "198.51.100.1": "250"} {
		w, _ := r.begin(client)
		w.expect(t, "MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", "550 relaying", "RSET", "250",
			plainBob, "235", "MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", want)
		w.end()
	}
}

// A users file that cannot be read lets nobody in, and says so; one that
// becomes faulty leaves things as they are.
func TestFaultyUsersFile(t *testing.T) {
	t.Parallel()
	options := authOptions(t, "")
	file := strings.Split(options, `server_users = "`)[1]
	file = file[:strings.IndexByte(file, '"')]
	r := newRig(t, options)
	if err := os.WriteFile(file, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, _ := r.begin("192.0.2.1")
	w.expect(t, plainBob, "454 Temporary authentication failure", "MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", "550")
	w.end()
	r.logged("panic: server_users", "users.toml")
}

// What a session expands knows who the client is.
func TestVariablesOfAuth(t *testing.T) {
	t.Parallel()
	r := authRig(t, `received_header_text = "Received: by $primary_hostname for $sender_host_authenticated/$authenticated_id"`)
	w, _ := r.begin("10.0.0.1")
	const message = "MAIL FROM:<a@ours.test>"
	w.expect(t, message, "250", "RCPT TO:<u@ours.test>", "250", "DATA", "354", ".", "250")
	w.expect(t, plainBob, "235", message, "250", "RCPT TO:<u@ours.test>", "250", "DATA", "354", ".", "250")
	w.end()
	_, texts := r.stored()
	if len(texts) != 2 || !strings.Contains(texts[0], "for /\r\n") || !strings.Contains(texts[1], "for plain/bob\r\n") {
		t.Errorf("%q", texts)
	}
}

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

// authRig has authOptions, and does not hold refusals back.
func authRig(t testing.TB, extra string) *rig {
	t.Helper()
	r := newRig(t, authOptions(t, extra))
	r.srv.hold = func(time.Duration) {}
	return r
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

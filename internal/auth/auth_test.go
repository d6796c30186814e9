package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"mtad/internal/expand"
)

const canary = "c4nary-s3cret"

var bg = context.Background()

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// cheap is an entry that costs next to nothing to verify.
func cheap(t testing.TB, name, secret string) string {
	t.Helper()
	h := argonHash{memory: 8, time: 1, threads: 1, salt: []byte("saltsaltsaltsalt")}
	h.key = make([]byte, keySize)
	h.key = argonKey(h, secret)
	keys, err := scramClient(name, secret).GetStoredCredentialsWithError(scram.KeyFactors{Salt: "sixteen octets..", Iters: 4096})
	if err != nil {
		t.Fatal(err)
	}
	return "[user.\"" + name + "\"]\nhash = '" + h.String() + "'\nscram = '" + formatScram(keys) + "'\nplain = '" + secret + "'\n"
}

func usersFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openUsers(t testing.TB, text string) *Users {
	t.Helper()
	u, err := OpenUsers(usersFile(t, text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newServer(t testing.TB) *Server {
	u := openUsers(t, cheap(t, "bob", canary)+cheap(t, "client.example", canary))
	return &Server{Hostname: "mx.example", Costs: NewCosts(1, 10, time.Minute), Authenticators: []*Authenticator{
		{Name: "plain", Driver: "plaintext", PublicName: "PLAIN", Users: u},
		{Name: "login", Driver: "plaintext", PublicName: "LOGIN", Users: u},
		{Name: "cram", Driver: "cram_md5", PublicName: "CRAM-MD5", Users: u},
		{Name: "scram", Driver: "scram", Users: u},
		{Name: "cert", Driver: "external", PublicName: "EXTERNAL", Users: u},
	}}
}

// talk says all lines and returns the last step.
func talk(s *Server, of Session, mechanism string, lines ...string) Step {
	var d *Dialogue
	var step Step
	if len(lines) > 0 && lines[0] != "-" { // "-" is no initial response
		d, step = s.Begin(bg, of, mechanism, lines[0], true)
	} else {
		d, step = s.Begin(bg, of, mechanism, "", false)
	}
	for _, l := range lines[min(1, len(lines)):] {
		step = d.Next(bg, l)
	}
	return step
}

func TestServerDialogues(t *testing.T) {
	t.Parallel()
	good := b64("\x00bob\x00" + canary)
	cert := Session{PeerName: "client.example"}
	for _, c := range []struct {
		name, mechanism string
		of              Session
		lines           []string
		want            Outcome
	}{
		{"initial response", "PLAIN", Session{}, []string{good}, Done},
		{"mechanism in small letters", "plain", Session{}, []string{good}, Done},
		{"prompted", "PLAIN", Session{}, []string{"-", good}, Done},
		{"AU-03 authzid the same", "PLAIN", Session{}, []string{b64("bob\x00bob\x00" + canary)}, Done},
		{"AU-03 authzid foreign", "PLAIN", Session{}, []string{b64("root\x00bob\x00" + canary)}, Rejected},
		{"AU-03 authzid and nothing", "PLAIN", Session{}, []string{b64("bob\x00\x00")}, Rejected},
		{"wrong", "PLAIN", Session{}, []string{b64("\x00bob\x00wrong")}, Rejected},
		{"unknown", "PLAIN", Session{}, []string{b64("\x00eve\x00" + canary)}, Rejected},
		{"AU-07 NUL in the secret", "PLAIN", Session{}, []string{b64("\x00bob\x00" + canary + "\x00x")}, Malformed},
		{"AU-07 too few NUL", "PLAIN", Session{}, []string{b64("bob\x00" + canary)}, Malformed},
		{"AU-07 8-bit", "PLAIN", Session{}, []string{b64("\x00bob\x00caf\xe9")}, Rejected},
		{"AU-07 empty secret", "PLAIN", Session{}, []string{b64("\x00bob\x00")}, Rejected},
		{"AU-07 long secret", "PLAIN", Session{}, []string{b64("\x00bob\x00" + strings.Repeat("x", 8000))}, Rejected},
		{"AU-07 10 kB secret", "PLAIN", Session{}, []string{b64("\x00bob\x00" + strings.Repeat("x", 10000))}, Malformed},
		{"AU-04 cancel", "PLAIN", Session{}, []string{"-", "*"}, Cancelled},
		{"AU-04 after cancel", "PLAIN", Session{}, []string{"-", "*", good}, Malformed},
		{"AU-02 after success", "PLAIN", Session{}, []string{good, good}, Malformed},
		{"CM-15 4n+1", "PLAIN", Session{}, []string{"AAAAA"}, Malformed},
		{"CM-15 4n+2", "PLAIN", Session{}, []string{"AAAAAA"}, Malformed},
		{"CM-15 4n+3", "PLAIN", Session{}, []string{"AAAAAAA"}, Malformed},
		{"CM-15 blank", "PLAIN", Session{}, []string{"AAAA AAAA"}, Malformed},
		{"CM-15 = first", "PLAIN", Session{}, []string{"=AAA"}, Malformed},
		{"CM-15 = alone", "PLAIN", Session{}, []string{"="}, Malformed},
		{"CM-15 LF", "PLAIN", Session{}, []string{"-", good[:4] + "\n" + good[4:]}, Malformed},
		{"CM-15 bits behind", "PLAIN", Session{}, []string{"AAB="}, Malformed},
		{"CM-15 12289", "PLAIN", Session{}, []string{"-", strings.Repeat("A", MaxLine+1)}, Malformed},
		{"login", "LOGIN", Session{}, []string{"-", b64("bob"), b64(canary)}, Done},
		{"login, initial name", "LOGIN", Session{}, []string{b64("bob"), b64(canary)}, Done},
		{"login, wrong", "LOGIN", Session{}, []string{"-", b64("bob"), b64("wrong")}, Rejected},
		{"login, cancelled", "LOGIN", Session{}, []string{"-", b64("bob"), "*"}, Cancelled},
		{"login, NUL", "LOGIN", Session{}, []string{"-", b64("bob"), b64(canary + "\x00x")}, Malformed},
		{"cram, initial response", "CRAM-MD5", Session{}, []string{b64("bob x")}, Malformed},
		{"cram, no digest", "CRAM-MD5", Session{}, []string{"-", b64("bob")}, Malformed},
		{"cram, wrong", "CRAM-MD5", Session{}, []string{"-", b64("bob " + strings.Repeat("0", 32))}, Rejected},
		{"cram, unknown with empty secret", "CRAM-MD5", Session{}, []string{"-", b64("eve " + strings.Repeat("0", 32))}, Rejected},
		{"external", "EXTERNAL", cert, []string{"="}, Done},
		{"external, prompted", "EXTERNAL", cert, []string{"-", ""}, Done},
		{"external, itself", "EXTERNAL", cert, []string{b64("client.example")}, Done},
		{"external, another", "EXTERNAL", cert, []string{b64("bob")}, Rejected},
		{"external, not in the file", "EXTERNAL", Session{PeerName: "eve"}, []string{"="}, Rejected},
		{"external, no certificate", "EXTERNAL", Session{}, []string{"="}, Unknown},
		{"scram-plus in clear", "SCRAM-SHA-256-PLUS", Session{}, []string{"-"}, Unknown},
		{"scram, rubbish", "SCRAM-SHA-256", Session{}, []string{b64("rubbish")}, Malformed},
		{"scram, p without -PLUS", "SCRAM-SHA-256", Session{}, []string{b64("p=tls-exporter,,n=bob,r=x")}, Malformed},
		{"scram, foreign authzid", "SCRAM-SHA-256", Session{}, []string{b64("n,a=root,n=bob,r=x")}, Rejected},
		{"scram, p without -PLUS in TLS", "SCRAM-SHA-256", Session{Bindings: inTLS.Bindings}, []string{b64("p=tls-exporter,,n=bob,r=x")}, Malformed},
		{"scram-plus, n", "SCRAM-SHA-256-PLUS", Session{Bindings: inTLS.Bindings}, []string{b64("n,,n=bob,r=x")}, Malformed},
		{"external, blank behind the mechanism", "EXTERNAL", cert, []string{""}, Malformed},
		{"no such", "GSSAPI", Session{}, []string{"="}, Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := talk(newServer(t), c.of, c.mechanism, c.lines...)
			if got.Outcome != c.want {
				t.Errorf("%v (%s), want %v", got.Outcome, got.Reason, c.want)
			}
			if got.Outcome == Done && got.ID == "" {
				t.Error("done without an identity")
			}
			if said := got.Reason + got.Reply().Text; strings.Contains(said, canary) || strings.Contains(said, b64(canary)) {
				t.Errorf("AU-11: the secret is in %q", said)
			}
		})
	}
}

// server_advertise_condition: what is not offered is not there.
func TestAdvertiseCondition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		result  string
		err     error
		offered bool
	}{
		{"yes", nil, true}, {"*", nil, true}, {"TLSv1.3:x", nil, true},
		{"", nil, false}, {"0", nil, false}, {"no", nil, false}, {"False", nil, false},
		{"", expand.ErrForced, false}, {"yes", errors.New("a fault"), false},
	} {
		s := newServer(t)
		for _, a := range s.Authenticators {
			a.Advertise = func(expand.Env, []string) (string, error) { return c.result, c.err }
		}
		got := talk(s, Session{}, "PLAIN", b64("\x00bob\x00"+canary)).Outcome
		if offered := len(s.Mechanisms(Session{})) > 0; offered != c.offered || (got == Done) != c.offered {
			t.Errorf("%q, %v: offered %v, AUTH %v", c.result, c.err, offered, got)
		}
	}
}

func TestCramUnknownWithEmptySecret(t *testing.T) {
	t.Parallel()
	d, step := newServer(t).Begin(bg, Session{}, "CRAM-MD5", "", false)
	step = d.Next(bg, b64("eve "+cramDigest("", step.challenge)))
	if step.Outcome != Rejected {
		t.Fatalf("somebody unknown got in with the empty secret: %v", step.Outcome)
	}
}

// AU-06: what a client is told does not depend on which part was wrong.
func TestRepliesTellNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	wrong := talk(s, Session{}, "PLAIN", b64("\x00bob\x00wrong")).Reply()
	unknown := talk(s, Session{}, "PLAIN", b64("\x00eve\x00wrong")).Reply()
	if wrong != unknown || wrong.Code != 535 {
		t.Errorf("%v and %v", wrong, unknown)
	}
}

func TestCondition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		result string
		err    error
		want   Outcome
	}{
		{"yes", nil, Done}, {"1", nil, Done}, {"TRUE", nil, Done},
		{"", nil, Rejected}, {"0", nil, Rejected}, {"no", nil, Rejected}, {"false", nil, Rejected},
		{"perhaps", nil, Temporary},
		{"", expand.ErrForced, Rejected},
		{"", errors.New("fault near " + canary), Temporary},
	} {
		var vars []string
		s := &Server{Authenticators: []*Authenticator{{
			Name: "own", Driver: "plaintext", PublicName: "PLAIN",
			Condition: func(_ expand.Env, v []string) (string, error) { vars = v; return c.result, c.err },
			SetID:     func(_ expand.Env, v []string) (string, error) { return "id-" + v[1], nil },
		}}}
		got := talk(s, Session{}, "PLAIN", b64("\x00bob\x00"+canary))
		if got.Outcome != c.want || got.Outcome == Done && got.ID != "id-bob" {
			t.Errorf("%q, %v: %v %q, want %v", c.result, c.err, got.Outcome, got.ID, c.want)
		}
		if strings.Contains(got.Reason, canary) {
			t.Errorf("AU-11: the secret is in %q", got.Reason)
		}
		if strings.Join(vars, "|") != "|bob|"+canary {
			t.Errorf("$auth1.. are %d strings, want authzid, name and secret", len(vars))
		}
	}
}

func TestNoConditionNoUsersLetsNobodyIn(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"plaintext", "cram_md5", "scram"} {
		s := &Server{Authenticators: []*Authenticator{{Name: "x", Driver: driver, PublicName: "X"}}}
		for _, line := range []string{b64("\x00bob\x00x"), b64("n,,n=bob,r=x")} {
			name := map[bool]string{true: scramPlain, false: "X"}[driver == "scram"]
			if got := talk(s, Session{}, name, line); got.Outcome == Done || got.Outcome == Challenge {
				t.Errorf("%s: %v", driver, got.Outcome)
			}
		}
	}
}

func TestMechanismsOffered(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	clear := strings.Join(s.Mechanisms(Session{}), " ")
	if clear != "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256" {
		t.Errorf("in clear: %s", clear)
	}
	tls := strings.Join(s.Mechanisms(Session{PeerName: "x", Bindings: []scram.ChannelBinding{{}}}), " ")
	if tls != "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256-PLUS SCRAM-SHA-256 EXTERNAL" {
		t.Errorf("in TLS: %s", tls)
	}
}

// AU-05 through the dialogue: the host backs off, a right secret does not help then.
func TestGuessingEndsInBackoff(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	s := newServer(t)
	s.Guesses, s.Now = NewGuesses(), func() time.Time { return now }
	of := Session{Host: netip.MustParseAddr("192.0.2.1")}
	for i := range hostLimit.free {
		step := talk(s, of, "PLAIN", b64("\x00bob\x00wrong"))
		if step.Outcome != Rejected || step.Delay == 0 {
			t.Fatalf("guess %d: %v after %v", i, step.Outcome, step.Delay)
		}
	}
	good := b64("\x00bob\x00" + canary)
	if got := talk(s, of, "PLAIN", good); got.Outcome != Temporary {
		t.Errorf("in the back-off: %v", got.Outcome)
	}
	now = now.Add(time.Second)
	if got := talk(s, of, "PLAIN", good); got.Outcome != Done {
		t.Errorf("after it: %v", got.Outcome)
	}
	if got := talk(s, of, "PLAIN", b64("\x00bob\x00wrong")); got.Outcome != Rejected || got.Delay != time.Second {
		t.Errorf("success does not reset the count: %v, %v", got.Outcome, got.Delay)
	}
}

// AU-05: sessions that guess side by side have no more tries than one.
func TestFailuresMeanwhileCount(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.Guesses, s.Now = NewGuesses(), func() time.Time { return noon }
	of := Session{Host: netip.MustParseAddr("192.0.2.1")}
	s.Authenticators = []*Authenticator{{Driver: "plaintext", PublicName: "PLAIN", Condition: func(expand.Env, []string) (string, error) {
		for range hostLimit.free {
			s.Guesses.Failed(noon, of.Host, "")
		}
		return "yes", nil
	}}}
	if got := talk(s, of, "PLAIN", b64("\x00bob\x00x")); got.Outcome != Temporary {
		t.Errorf("%v", got.Outcome)
	}
}

package auth

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"mtad/internal/lookup"
)

func TestAddListRemove(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users.toml")
	if err := AddUser(path, "bob", canary, false); err != nil {
		t.Fatal(err)
	}
	if err := AddUser(path, `o"dd.name\`, canary+`"'\`, true); err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(path)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	list, err := ListUsers(path)
	if err != nil || len(list) != 2 || list[0] != (Listed{"bob", true, true, false}) || list[1] != (Listed{`o"dd.name\`, true, true, true}) {
		t.Fatal(list, err)
	}
	u, err := OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, secret string
		want         bool
	}{{"bob", canary, true}, {"bob", "x", false}, {`o"dd.name\`, canary + `"'\`, true}} {
		if ok, err := u.Verify(bg, nil, time.Now(), c.name, c.secret); ok != c.want || err != nil {
			t.Errorf("%s: %v %v", c.name, ok, err)
		}
	}
	if err := RemoveUser(path, "bob"); err != nil {
		t.Fatal(err)
	}
	if err := RemoveUser(path, "bob"); err != ErrNoUser {
		t.Errorf("removed twice: %v", err)
	}
	data, _ := os.ReadFile(path)
	if strings.Contains(string(data), "bob") || !strings.Contains(string(data), "plain") {
		t.Error("the wrong one was removed")
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users.toml")
	for _, c := range [][2]string{{"", canary}, {"bob", ""}, {"b\nb", canary}, {"bob", canary + "\x00"}, {"b\xff", canary}, {strings.Repeat("x", 256), canary}, {"bob", strings.Repeat(canary, 100)}} {
		err := AddUser(path, c[0], c[1], true)
		if err == nil {
			t.Errorf("%.20q was taken", c)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("AU-11: %v", err)
		}
	}
}

func TestFaultyFiles(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"[user.bob]\nplain = " + canary + "\n",
		"[user.bob]\nplain = \"" + canary + "\n",
		"[user.bob]\nplain = '" + canary + "' '" + canary + "'\n",
		"[user.bob]\npassword = '" + canary + "'\n",
		"[user.bob]\nplain = ['" + canary + "']\n",
		"[user." + canary + "]\nhash = 'x'\nhash = 'y'\n",
		"[user]\nbob = '" + canary + "'\n",
		"[user.bob]\nhash = '" + canary + "'\n",
		"[user.bob]\nhash = '$2b$31$" + strings.Repeat("a", 53) + "'\n",
		"[user.bob]\nhash = '$argon2id$v=19$m=999999999,t=2,p=1$c2FsdHNhbHQ$" + strings.Repeat("A", 43) + "'\n",
		"[user.bob]\nscram = 'SCRAM-SHA-256$1:c2FsdHNhbHQ=$" + b64(strings.Repeat("k", 32)) + ":" + b64(strings.Repeat("k", 32)) + "'\n",
		"[user.bob]\nscram = '" + canary + "'\n",
		"[user.bob]\n",
		"[user.'']\nplain = '" + canary + "'\n",
		"[user.\"\u00aa\"]\nplain = 'x'\n[user.a]\nplain = 'y'\n", // SASLprep makes one of the two
	} {
		u, err := OpenUsers(usersFile(t, text), nil)
		if err == nil {
			t.Errorf("taken: %s", text)
			continue
		}
		if strings.Contains(strings.ReplaceAll(err.Error(), "[user."+canary, ""), canary) {
			t.Errorf("AU-11: %v", err)
		}
		if ok, err := u.Verify(bg, nil, time.Now(), "bob", canary); ok || err == nil {
			t.Errorf("a faulty file answers: %v", ok)
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	path := usersFile(t, cheap(t, "bob", canary))
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: true, 0o644: false, 0o660: false, 0o604: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenUsers(path, nil); (err == nil) != good {
			t.Errorf("%o: %v", mode, err)
		}
	}
}

func TestBcrypt(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxBcrypt)
	for _, secret := range []string{canary, long} {
		made, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		u := openUsers(t, "[user.bob]\nhash='"+string(made)+"'\n")
		right, _ := u.Verify(bg, nil, time.Now(), "bob", secret)
		more, _ := u.Verify(bg, nil, time.Now(), "bob", long+"x")
		if !right || more {
			t.Errorf("%d octets: %v; a longer secret: %v", len(secret), right, more)
		}
	}
}

// counted counts how often it is computed.
type counted struct {
	secret string
	times  *int
}

func (c counted) matches(secret string) bool { *c.times++; return secret == c.secret }

func countedUsers(t *testing.T) (*Users, *int) {
	var times int
	w, err := lookup.Watch(usersFile(t, ""), func([]string) (*users, error) {
		u, err := parseUsers("[user.bob]\nplain='x'\n[user.eve]\nplain='x'\n")
		h := counted{canary, &times}
		u.byName["bob"] = user{hash: h}
		u.hashed = []hash{h}
		return u, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Users{file: w}, &times
}

// AU-06: the same work is done for a wrong secret, an unknown user, and one
// who has no hash; and what it comes to is not believed of the latter.
func TestUnknownUserCostsTheSame(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"bob", "wrong"}, {"nobody", "wrong"}, {"nobody", canary}, {"eve", canary}} {
		u, times := countedUsers(t)
		ok, err := u.Verify(bg, nil, time.Now(), c[0], c[1])
		if ok || err != nil || *times != 1 {
			t.Errorf("%s: %v %v, hashed %d times", c[0], ok, err, *times)
		}
	}
}

// AU-07: what cannot be a secret is not hashed.
func TestLongSecretIsNotHashed(t *testing.T) {
	t.Parallel()
	u, times := countedUsers(t)
	s := &Server{Authenticators: []*Authenticator{{Driver: "plaintext", PublicName: "PLAIN", Users: u}}}
	for _, secret := range []string{"", strings.Repeat("x", maxSecret+1), "\xff"} {
		if got := talk(s, Session{}, "PLAIN", b64("\x00bob\x00"+secret)); got.Outcome != Rejected || *times != 0 {
			t.Errorf("%d octets: %v, hashed %d times", len(secret), got.Outcome, *times)
		}
	}
}

func TestRememberedUntilFileChangesOrTimePasses(t *testing.T) {
	t.Parallel()
	u, times := countedUsers(t)
	now := time.Unix(1_800_000_000, 0)
	verify := func(secret string, at time.Time, want bool, hashed int) {
		t.Helper()
		if ok, err := u.Verify(bg, nil, at, "bob", secret); ok != want || err != nil || *times != hashed {
			t.Errorf("%v %v, hashed %d times, want %v and %d", ok, err, *times, want, hashed)
		}
	}
	verify(canary, now, true, 1)
	verify(canary, now, true, 1)
	verify("wrong", now, false, 2)
	verify("wrong", now, false, 3) // a wrong one is not remembered
	verify(canary, now.Add(rememberFor-1), true, 3)
	verify(canary, now.Add(rememberFor), true, 4)
	u, times = countedUsers(t)
	verify(canary, now, true, 1)
}

func TestChangedFileDropsTheRemembered(t *testing.T) {
	t.Parallel()
	path := usersFile(t, cheap(t, "bob", canary))
	u, err := OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := u.Verify(bg, nil, time.Now(), "bob", canary); !ok {
		t.Fatal("not let in")
	}
	if err := AddUser(path, "bob", "another", false); err != nil {
		t.Fatal(err)
	}
	u.file.Look()
	if ok, err := u.Verify(bg, nil, time.Now(), "bob", canary); ok || err != nil {
		t.Errorf("the old secret: %v %v", ok, err)
	}
	if ok, err := u.Verify(bg, nil, time.Now(), "bob", "another"); !ok || err != nil {
		t.Errorf("the new secret: %v %v", ok, err)
	}
}

// A file that has become faulty, or is gone, changes nothing: who was a user
// stays one, and the operator is told once.
func TestFaultyFileKeepsTheOldOne(t *testing.T) {
	t.Parallel()
	good := cheap(t, "bob", canary)
	path := usersFile(t, good)
	var told []string
	u, err := OpenUsers(path, func(fault error) { told = append(told, fmt.Sprint(fault)) })
	if err != nil {
		t.Fatal(err)
	}
	check := func(what, secret string, right bool) {
		t.Helper()
		u.file.Look()
		for range 3 {
			if ok, err := u.Verify(bg, nil, time.Now(), "bob", secret); ok != right || err != nil {
				t.Errorf("%s: %v %v", what, ok, err)
			}
		}
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check("good", canary, true)
	write("[user.bob]\nhash = '" + canary + "'\n")
	check("faulty", canary, true)
	os.Remove(path)
	check("gone", canary, true)
	write(cheap(t, "bob", "another"))
	check("good again, the old secret", canary, false)
	check("good again", "another", true)
	if len(told) != 3 || !strings.Contains(told[0], "bob") || !strings.Contains(told[1], "no file") || told[2] != "<nil>" || strings.Contains(told[0], canary) {
		t.Errorf("told %q", told)
	}
}

// Asking for a user's salt does not tell whether there is such a user.
func TestScramStrangerLooksLikeAUser(t *testing.T) {
	t.Parallel()
	u := openUsers(t, cheap(t, "bob", canary))
	a, known, err := u.scram("eve")
	b, _, _ := u.scram("eve")
	c, _, _ := u.scram("mallory")
	if known || err != nil || a.Salt != b.Salt || a.Salt == c.Salt || len(a.Salt) != saltSize || a.Iters != scramIterations {
		t.Errorf("%v %v", a.KeyFactors, err)
	}
}

func TestCostsAreBounded(t *testing.T) {
	t.Parallel()
	c := NewCosts(1, 1, time.Hour)
	inside, leave := make(chan struct{}), make(chan struct{})
	go c.Do(bg, func() { close(inside); <-leave })
	<-inside
	ctx, cancel := context.WithCancel(bg)
	waits := make(chan error)
	go func() { waits <- c.Do(ctx, func() { t.Error("ran beside the other") }) }()
	for len(c.waiting) < 2 {
		runtime.Gosched() // until the second one waits
	}
	if err := c.Do(bg, func() { t.Error("ran beside the other") }); err != errBusy {
		t.Errorf("a third: %v", err)
	}
	cancel()
	if err := <-waits; err != context.Canceled {
		t.Errorf("the second: %v", err)
	}
	close(leave)
	if short := NewCosts(0, 1, time.Nanosecond).Do(bg, func() {}); short != errBusy {
		t.Errorf("patience: %v", short)
	}
	u := openUsers(t, cheap(t, "bob", canary))
	if ok, err := u.Verify(bg, NewCosts(0, 1, 0), time.Now(), "bob", canary); ok || err == nil {
		t.Errorf("busy: %v %v", ok, err)
	}
}

func FuzzParseUsers(f *testing.F) {
	f.Add("[user.bob]\nplain='x'\n")
	f.Add(cheap(f, "bob", canary))
	f.Fuzz(func(t *testing.T, text string) {
		if u, err := parseUsers(text); err == nil && len(u.hashed) == 0 {
			t.Error("nothing to verify strangers by")
		}
	})
}

func FuzzParseHash(f *testing.F) {
	f.Add(newArgonHash("x").String())
	f.Add("$2b$04$" + strings.Repeat("a", 53))
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if a, ok := h.(argonHash); err == nil && ok {
			if again, err := parseHash(a.String()); err != nil || again.(argonHash).String() != a.String() {
				t.Errorf("%q is not read back", a)
			}
		}
	})
}

func FuzzParseScram(f *testing.F) {
	keys, _ := newScramKeys("bob", "x")
	f.Add(formatScram(keys))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseScram(text)
		if err != nil {
			return
		}
		if again, err := parseScram(formatScram(c)); err != nil || formatScram(again) != formatScram(c) {
			t.Errorf("%q is not read back", text)
		}
	})
}

func BenchmarkVerifyRemembered(b *testing.B) {
	u := openUsers(b, cheap(b, "bob", canary))
	now := time.Now()
	for b.Loop() {
		if ok, _ := u.Verify(bg, nil, now, "bob", canary); !ok {
			b.Fatal("not let in")
		}
	}
}

func BenchmarkVerifyArgon2id(b *testing.B) {
	h := newArgonHash(canary)
	for b.Loop() {
		h.matches("wrong")
	}
}

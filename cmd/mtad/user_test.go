package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// userWith runs the command with text on standard input.
func userWith(t *testing.T, text string, args ...string) (status int, said string) {
	t.Helper()
	in, err := os.Create(filepath.Join(t.TempDir(), "stdin"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	in.WriteString(text)
	in.Seek(0, 0)
	var stdout, stderr strings.Builder
	status = userCommand(args, in, &stdout, &stderr)
	return status, stdout.String() + stderr.String()
}

func TestUser(t *testing.T) {
	t.Parallel()
	const canary = "c4nary-s3cret"
	file := filepath.Join(t.TempDir(), "users.toml")
	for _, c := range []struct {
		stdin, args string
		status      int
		said        string
	}{
		{canary + "\n", "add FILE bob", exitOK, ""},
		{canary, "add -plain FILE eve", exitOK, ""},
		{"", "list FILE", exitOK, "bob  hash scram\neve  hash scram plain\n"},
		{"", "remove FILE bob", exitOK, ""},
		{"", "remove FILE bob", exitFailed, "there is no such user"},
		{"", "list FILE", exitOK, "eve  hash scram plain\n"},
		{"\n", "add FILE bob", exitFailed, "the secret is empty"},
		{canary + "\x00\n", "add FILE bob", exitFailed, "control characters"},
		{"", "list FILE.none", exitFailed, "no such file"},
		{"", "", exitUsage, "usage: mtad user"},
		{"", "add FILE", exitUsage, "usage: mtad user"},
		{"", "list -plain FILE", exitUsage, "usage: mtad user"},
		{"", "rename FILE bob", exitUsage, "usage: mtad user"},
		{"", "-h", exitOK, "usage: mtad user"},
	} {
		status, said := userWith(t, c.stdin, strings.Fields(strings.ReplaceAll(c.args, "FILE", file))...)
		if status != c.status || !strings.Contains(said, c.said) || c.said == "" && said != "" || strings.Contains(said, canary) {
			t.Errorf("mtad user %s: %d, %q", c.args, status, said)
		}
	}
}

// typist is whom the prompts are for: at each it types the next line.
type typist struct {
	terminal *os.File
	lines    []string
}

func (p *typist) Write(prompt []byte) (int, error) {
	if strings.HasSuffix(string(prompt), ": ") {
		fmt.Fprintln(p.terminal, p.lines[0])
		p.lines = p.lines[1:]
	}
	return len(prompt), nil
}

func TestSecretIsNotEchoed(t *testing.T) {
	t.Parallel()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there is no pseudo terminal to be had:", err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	for _, c := range []struct {
		again string
		good  bool
	}{{"c4nary", true}, {"another", false}} {
		secret, err := readSecret(slave, &typist{master, []string{"c4nary", c.again}})
		if (err == nil) != c.good || c.good && secret != "c4nary" {
			t.Errorf("%q, %v", secret, err)
		}
	}
	fmt.Fprint(slave, "END") // behind all that was echoed
	var seen strings.Builder
	for buf := make([]byte, 100); !strings.Contains(seen.String(), "END"); {
		n, err := master.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(buf[:n])
	}
	if strings.Contains(seen.String(), "c4nary") || strings.Contains(seen.String(), "another") {
		t.Errorf("the terminal showed %q", seen.String())
	}
	state, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil || state.Lflag&unix.ECHO == 0 {
		t.Errorf("the echo stays off: %v", err)
	}
}

// A users file that is faulty is a faulty configuration; what it holds is not shown.
func TestCheckReadsUsers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "[[authenticator]]\nname = \"plain\"\ndriver = \"plaintext\"\npublic_name = \"PLAIN\"\nserver_users = \"users.toml\"\n[[router]]\nname = \"r\"\ndriver = \"domainlist\"\nhosts = \"192.0.2.1\"\n"
	for users, status := range map[string]int{"": exitOK, "[user.bob]\nhash = 'c4nary'\n": exitConfig, "rubbish": exitConfig} {
		for name, content := range map[string]string{"config.toml": text, "users.toml": users} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var stdout, stderr strings.Builder
		got := run([]string{"check", "-config", filepath.Join(dir, "config.toml")}, &stdout, &stderr)
		if got != status || strings.Contains(stderr.String(), "c4nary") || status != exitOK && !strings.Contains(stderr.String(), "users.toml") {
			t.Errorf("%q: %d, %s", users, got, &stderr)
		}
	}
}

//go:build interop

// Package tls tries TLS with other people's clients. Run: go test -tags interop ./test/interop/tls/
package tls

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtad/test/interop/peer"
)

const options = "tls_advertise_hosts = \"*\"\ntls_certificate = \"self-signed\"\n"

// relay is a running mtad that offers STARTTLS.
func relay(t *testing.T) (*peer.Mtad, string) {
	t.Helper()
	dir, err := peer.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	bin, err := peer.BuildMtad(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	mtad, err := peer.StartMtad(bin, dir, &peer.MtadConfig{NextHop: "127.0.0.1:1", Options: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mtad.Kill)
	return mtad, dir
}

// mainlog waits for a line of the log that has all of these parts.
func mainlog(t *testing.T, dir string, parts ...string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, _ := os.ReadFile(filepath.Join(dir, "log", "mainlog"))
		for line := range strings.Lines(string(text)) {
			found := true
			for _, p := range parts {
				found = found && strings.Contains(line, p)
			}
			if found {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("no line with %q in\n%s", parts, text)
		}
	}
}

// s_client sends a message through STARTTLS, in both versions, and the log says so.
func TestSClientSends(t *testing.T) {
	mtad, dir := relay(t)
	for flag, version := range map[string]string{"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"} {
		cmd := exec.Command("openssl", "s_client", flag, "-quiet", "-starttls", "smtp", "-crlf", "-connect", mtad.Addr)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		watchdog := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		out := bufio.NewReader(pipe)
		for _, step := range []struct{ say, want string }{
			{"EHLO s-client.test", "250"}, {"MAIL FROM:<a@x.example>", "250"}, {"rcpt TO:<b@y.example>", "250"},
			{"DATA", "354"}, {"Subject: " + version + "\n\nhello\n.", "250"}, {"quit", "221"},
		} {
			io.WriteString(in, step.say+"\n")
			readReply(t, out, step.want)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		watchdog.Stop()
		mainlog(t, dir, "<= a@x.example H=(s-client.test)", "P=esmtps X="+version+":")
	}
}

func readReply(t *testing.T, r *bufio.Reader, code string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, code) {
			t.Fatalf("%q, %v; want %s", line, err, code)
		}
		if len(line) > 3 && line[3] != '-' {
			return
		}
	}
}

// Versions and ciphers that nobody should offer any more come to nothing. CE-15.
func TestSClientRefused(t *testing.T) {
	mtad, dir := relay(t)
	for _, args := range [][]string{
		{"-tls1", "-cipher", "ALL:@SECLEVEL=0"}, {"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"},
		{"-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"}, {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"},
		{"-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"},
	} {
		cmd := exec.Command("openssl", append([]string{"s_client", "-starttls", "smtp", "-connect", mtad.Addr}, args...)...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "alert") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	mainlog(t, dir, "TLS error on connection from ", "no_common_version")
	mainlog(t, dir, "TLS error on connection from ", "no_common_cipher")
}

package mainlog

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// tell says every event once, with harmless and with hostile values.
func tell(l *Log) {
	id, bounce := testID("1vNDqi-0000Gx-2A"), testID("1vNDqk-0000Gy-2A")
	client := Client{Addr: netip.MustParseAddr("192.0.2.1"), Helo: "client.x.example"}
	named := Client{Addr: netip.MustParseAddr("2001:db8::1"), Name: "mail.x.example", Helo: "other"}
	hostile := Client{Addr: client.Addr, Name: "ptr\n[192.0.2.7] name", Helo: "e\u202evil) [1.2.3.4] P=x\x1b[2J"}
	session := TLS{Cipher: "TLSv1.3:TLS_AES_128_GCM_SHA256:128", PeerDN: "/CN=client"}
	verified := TLS{Cipher: session.Cipher, Verified: true, PeerDN: "/CN=m\"x\r\n2026-11-23 12:00:00 fake"}
	mx := Host{"mx.y.example", "192.0.2.9"}

	l.Started("1.0", 42, []string{"127.0.0.1:25", "[::]:25"})
	l.Received(Reception{ID: id, Sender: "a@x.example", Client: client, Protocol: "esmtpsa", TLS: session,
		Authenticator: "plain", AuthID: "user", Size: 1234, MessageID: "abc@x.example", Recipients: 5})
	l.Received(Reception{ID: id, Sender: "\"a b\"@x\xff", Client: named, Protocol: "smtp", Size: 1, MessageID: "a b\n=> c"})
	l.Received(Reception{ID: id, Sender: "a@b", Client: Client{Addr: client.Addr, Helo: "[192.0.2.1]"}, Protocol: "smtp"})
	l.Received(Reception{ID: id, Sender: "a@b", Client: hostile, Protocol: "smtp"})
	l.Delivered(Delivery{ID: id, First: true, Address: "b@y.example", Router: "smarthost", Transport: "smtp", Host: mx,
		TLS: verified, Authenticator: "relay", Reply: "250 OK \"queued\" \x1b[31m\r\n"})
	l.Delivered(Delivery{ID: id, Address: "c@y.example", Router: "smarthost", Transport: "smtp", Host: Host{"192.0.2.9", "192.0.2.9"}, HandedOn: true})
	l.Deferred(Deferral{ID: id, Address: "d@z.example", Router: "lookuphost", Transport: "smtp", Code: -38,
		Text: "H=mx.z.example [192.0.2.8]: TLS: 454 4.7.0 not now", Next: noon.Add(15 * time.Minute)})
	l.Deferred(Deferral{ID: id, Address: "d@w.example", Text: "DNS time-out"})
	l.Failed(Failure{ID: id, Address: "e@z.example", Router: "lookuphost", Transport: "smtp",
		Text: "SMTP error from remote mailer after RCPT TO:<e@z.example>: host mx.z.example [192.0.2.8]: 550 no such user"})
	l.HostFailed(HostFailure{id, mx, "Connection refused"})
	l.Received(Reception{ID: bounce, BounceOf: id, Protocol: "local", Size: 500})
	l.Completed(id)
	l.Frozen(bounce, "delivery failed twice running")
	l.Thawed(bounce, "admin 127.0.0.1")
	l.Retried(bounce, "admin 127.0.0.1")
	l.Rerouted(bounce, "router=backup", "admin 127.0.0.1: the first is down")
	l.Rerouted(bounce, "", "admin 127.0.0.1")
	l.Removed(bounce, "admin 127.0.0.1")
	l.Damaged(bounce, "checksum differs")
	l.HostLearnt(mx, "does not carry on after TLS is shut down; remembered for 24h")

	l.Rejected(Rejection{Client: hostile, Stage: StageRcpt, Recipient: "x@y", Text: "relaying to <x@y> prohibited"})
	l.Rejected(Rejection{Client: client, Stage: StageMail, Sender: "a@b", Text: "authentication required"})
	l.Rejected(Rejection{Client: client, Stage: StageHelo, Text: "syntax"})
	l.Rejected(Rejection{Client: client, Stage: StageAfterData, Sender: "a@b", ID: id, Text: "too many Received: headers"})
	l.ConnectionRefused(Client{Addr: client.Addr}, "too many connections")
	l.ConnectionLost(Lost{Client: client, Stage: StageCommand, After: 1500 * time.Millisecond})
	l.ConnectionLost(Lost{Client: client, Stage: StageData, Sender: "a@b", After: time.Second})
	l.ConnectionLost(Lost{Client: client, Stage: StageCommand, Timeout: true, After: 5 * time.Minute})
	l.ConnectionLost(Lost{Client: client, Stage: StageData, Sender: "", Timeout: true})
	l.Dropped(client, "too many syntax or protocol errors", "auth PLAIN AGNhbmFyeQBjYW5hcnk=")
	l.Dropped(client, "too many messages", "")
	l.SyncError(client, "input sent without waiting for greeting", "EHLO x\r\nMAIL\x00")
	l.TLSFailed(client, "no common cipher", 20*time.Millisecond)
	l.AuthFailed(AuthFailure{client, "plain", "us\"er", "535 Incorrect authentication data"})
	l.NoHostName(client)

	l.Stopping("TERM")
	l.Stopped("3 messages left in the spool")
	l.Reloaded(nil)
	l.Reloaded(errors.New("config.toml:1: what\nconfig.toml:2: else"))
	l.Notice("log files opened anew")
	l.Warning("tls_host_accept_relay without verified certificates")
	l.Acted(Act{"token 127.0.0.1:5000", "freeze", "3 messages", "done"})
	l.Acted(Act{"token 127.0.0.1:5000", "drain", "", "done"})
	l.AdminRefused("127.0.0.1:5000", "wrong token")
	l.Panic("BUG: index out of range", []byte("goroutine 1 [running]:\n\tmain.go:1\n"))
}

func testID(s string) (id ID) { copy(id[:], s); return id }

func open(t testing.TB, opt Options) (*Log, string) {
	t.Helper()
	dir := t.TempDir()
	opt.Path = filepath.Join(dir, "log", "%slog")
	if opt.Now == nil {
		opt.Now = func() time.Time { return noon }
	}
	if opt.Stderr == nil {
		opt.Stderr = devNull(t)
	}
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, filepath.Join(dir, "log")
}

func devNull(t testing.TB) *os.File {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEveryEvent holds the lines of all events against what stands in testdata;
// exigrep and eximstats of Exim 4.96 read the Exim one.
func TestEveryEvent(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"exim", "json"} {
		l, dir := open(t, Options{Format: format, ShowPeerDN: true})
		tell(l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"mainlog", "rejectlog", "paniclog"} {
			golden(t, filepath.Join("testdata", format+"-"+file), read(t, filepath.Join(dir, file)))
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := strings.Split(read(t, path), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(want) || line != want[i] {
			t.Errorf("%s:%d:\n got %s", path, i+1, line)
			if i < len(want) {
				t.Errorf("want %s", want[i])
			}
		}
	}
	if n := strings.Count(got, "\n") + 1; n != len(want) {
		t.Errorf("%s: %d lines, want %d", path, n, len(want))
	}
}

func TestTLSFieldsAsAsked(t *testing.T) {
	t.Parallel()
	d := Delivery{First: true, Address: "a@b", TLS: TLS{Cipher: "TLSv1.2:X:128", PeerDN: "/CN=x"}}
	for _, test := range []struct {
		opt  Options
		want string
	}{
		{Options{}, " X=TLSv1.2:X:128 CV=no\n"},
		{Options{HideTLSCipher: true}, "] CV=no\n"},
		{Options{HideTLSCipher: true, ShowPeerDN: true}, "] CV=no DN=\"/CN=x\"\n"},
	} {
		l, dir := open(t, test.opt)
		l.Delivered(d)
		l.Close()
		if got := read(t, dir+"/mainlog"); !strings.HasSuffix(got, test.want) {
			t.Errorf("%+v: %q does not end in %q", test.opt, got, test.want)
		}
	}
}

func TestNilLogIsSilent(t *testing.T) {
	t.Parallel()
	var l *Log
	tell(l)
	if err := errors.Join(l.Reopen(), l.Flush(0), l.Close()); err != nil {
		t.Error(err)
	}
}

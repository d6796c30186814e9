package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// edit changes the configuration file.
func (d *small) edit(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(d.file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("%q is not in the configuration:\n%s", from, text)
	}
	if err := os.WriteFile(d.file, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reload runs the command; both its outputs are returned.
func (d *small) reload(t *testing.T, want int) string {
	t.Helper()
	var out strings.Builder
	if got := runReload([]string{"-config", d.file}, &out, &out); got != want {
		t.Fatalf("exit status %d, want %d\n%s", got, want, &out)
	}
	return out.String()
}

func (d *small) logText(t *testing.T, name string) string {
	t.Helper()
	d.log.Flush(10 * time.Second)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(d.file), "log", name+"log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wantText(t *testing.T, in string, all ...string) {
	t.Helper()
	for _, s := range all {
		if !strings.Contains(in, s) {
			t.Errorf("%q is missing in\n%s", s, in)
		}
	}
}

func TestReloadCommand(t *testing.T) {
	d := startSmall(t, "")
	wantText(t, d.reload(t, exitOK), "configuration reloaded\n", "no option has changed\n")

	d.edit(t, "[[listen]]", "smtp_accept_max = 7\nlog_format = \"json\"\n[[authenticator]]\nname = \"up\"\ndriver = \"plaintext\"\npublic_name = \"PLAIN\"\nclient_name = \"u\"\nclient_secret = \"hushhush\"\n[[listen]]")
	changes := []string{"smtp_accept_max: now 7, it was 10000\n", "authenticator.up: new\n", "log_format: takes effect when mtad is restarted\n"}
	wantText(t, d.reload(t, exitOK), changes...)
	d.edit(t, "hushhush", "hushagain")
	wantText(t, d.reload(t, exitOK), "authenticator.up.client_secret: changed\n")
	main := d.logText(t, "main")
	wantText(t, main, changes...)
	wantText(t, main, "authenticator.up.client_secret: changed\n", " configuration reloaded\n")
	if strings.Contains(main, "hush") {
		t.Errorf("a secret is in the log:\n%s", main)
	}
	if got := d.daemon.Config().SMTPAcceptMax; got != 7 {
		t.Errorf("smtp_accept_max is %d", got)
	}
}

// THREATS A14: a faulty file leaves the old configuration in force, and everybody is told.
func TestReloadOfAFaultyFile(t *testing.T) {
	d := startSmall(t, "")
	before := d.daemon.Config()
	d.edit(t, "[[listen]]", "smtp_accept_maxx = 7\nmessage_size_limit = \"big\"\n[[listen]]")
	mistakes := []string{"config.toml:3: smtp_accept_maxx: unknown key (did you mean \"smtp_accept_max\"?)\n", "config.toml:4: message_size_limit: "}
	wantText(t, d.reload(t, exitConfig), append(mistakes, "2 mistakes in the configuration; the old one stays in force\n")...)
	for _, log := range []string{"main", "panic"} {
		wantText(t, d.logText(t, log), mistakes...)
		wantText(t, d.logText(t, log), "reload failed, the old configuration stays in force: ")
	}
	answer, err := http.Get("http://" + d.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	served, _ := io.ReadAll(answer.Body)
	wantText(t, string(served), "mtad_config_last_reload_successful 0\n")

	d.edit(t, "smtp_accept_maxx = 7\nmessage_size_limit = \"big\"", "spool_directory = \"other\"")
	wantText(t, d.reload(t, exitConfig), `config.toml:3: spool_directory: now "other", it was "spool.d"; it changes with a restart only`)
	d.edit(t, "spool_directory = \"other\"\n", "smtp_accept_max = 7\n[[listen]]\naddress = \"192.0.2.1:1\"\n")
	wantText(t, d.reload(t, exitFailed), "cannot listen on 192.0.2.1:1: no interface of this machine has that address")
	d.edit(t, "[[listen]]", "[[[listen]]")
	wantText(t, d.reload(t, exitConfig), "config.toml:4: ")
	if d.daemon.Config() != before {
		t.Errorf("another configuration is in force: %+v", d.daemon.Config())
	}
}

func TestHUPAndDrain(t *testing.T) {
	d := startSmall(t, "")
	signals, ended := make(chan os.Signal, 1), make(chan error, 1)
	defer close(signals)
	go func() { ended <- untilDrained(d.daemon, d.log, signals, d.web) }()

	d.edit(t, "[[listen]]", "smtp_accept_max = 7\n[[listen]]")
	mainlog := filepath.Join(filepath.Dir(d.file), "log", "mainlog")
	if err := os.Rename(mainlog, mainlog+".1"); err != nil {
		t.Fatal(err)
	}
	signals <- syscall.SIGHUP
	for end := time.Now().Add(10 * time.Second); d.daemon.Config().SMTPAcceptMax != 7; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("HUP has not reloaded the configuration")
		}
	}
	var out strings.Builder
	if got := run([]string{"-config", d.file, "drain"}, &out, &out); got != exitOK || out.String() != "draining\n" {
		t.Errorf("%d, %q", got, out.String())
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("mtad drain has not ended the daemon")
	}
	wantText(t, d.logText(t, "main"), "configuration: smtp_accept_max: now 7, it was 10000\n", "mtad stopping: mtad drain\n", "mtad stopped: drained\n")
	wantText(t, d.reload(t, exitFailed), "mtad is draining")
	d.web.Close()
	wantText(t, d.reload(t, exitFailed), "is mtad serve running?")
}

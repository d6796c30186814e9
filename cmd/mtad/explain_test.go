package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtad/actors"
	"mtad/internal/certs"
	"mtad/internal/config"
	"mtad/internal/explain"
	loads "mtad/internal/load"
	"mtad/internal/mainlog"
	"mtad/spool"
)

// small is a daemon in this process, its configuration in a file, with a sink as
// its next hop that closes when TLS is shut down.
type small struct {
	file, smtp, admin string
	sink              *loads.Sink

	log    *mainlog.Log
	daemon *actors.Daemon
	web    *adminServer
	hop    string   // where the sink is
	ids    []string // found in the spool
}

func listenTest(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func startSmall(t *testing.T, transport string) *small {
	t.Helper()
	dir := t.TempDir()
	smtp, web, hop := listenTest(t), listenTest(t), listenTest(t)
	d := &small{file: filepath.Join(dir, "config.toml"), smtp: smtp.Addr().String(), admin: web.Addr().String(), sink: &loads.Sink{AfterTLS: "close"}}
	var err error
	if d.sink.TLS, err = sinkTLS(false); err != nil {
		t.Fatal(err)
	}
	go d.sink.Serve(hop)
	t.Cleanup(d.sink.Close)
	text := fmt.Sprintf("primary_hostname = \"relay.test\"\nhost_accept_relay = \"127.0.0.1\"\n[[listen]]\naddress = %q\n[[router]]\nname = \"hop\"\ndriver = \"domainlist\"\ndomains = \"!nowhere.test : *\"\nhosts = [%q]\n[admin]\naddress = %q\ntoken_file = \"token\"\n[transport.smtp]\n%s\n",
		d.smtp, hop.Addr(), d.admin, transport)
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(d.file)
	if err != nil {
		t.Fatal(err)
	}
	d.serve(t, cfg, smtp, web)
	return d
}

func (d *small) serve(t *testing.T, cfg *config.Config, smtp, web net.Listener) {
	t.Helper()
	log, err := mainlog.Open(mainlog.Options{Path: cfg.LogFilePath, Format: cfg.LogFormat})
	if err != nil {
		t.Fatal(err)
	}
	d.log = log
	sp, err := spool.Open(cfg.SpoolDirectory, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := ensureToken(cfg)
	if err != nil {
		t.Fatal(err)
	}
	dns, err := newResolver(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dns.Close)
	keys := certs.NewStore(certs.Options{Dir: cfg.Dir, SpoolDir: cfg.SpoolDirectory, Hostname: cfg.PrimaryHostname})
	daemon := actors.Start(actors.Options{Config: cfg, DNS: dns, Spool: sp, Log: log, Version: version, Certs: keys, Fatal: func(any) {},
		Listeners: []actors.Bound{{Listener: smtp, Listen: cfg.Listen[0]}}})
	<-daemon.Running()
	server, err := serveAdmin(cfg, web, token, daemon, sp, log, &reloader{started: cfg, daemon: daemon, log: log, certs: keys})
	if err != nil {
		t.Fatal(err)
	}
	d.daemon, d.web = daemon, server
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		daemon.Drain(ctx)
		server.Close()
		sp.Close()
		log.Close()
	})
}

// says runs a command and returns what it prints.
func says(t *testing.T, want int, run func([]string, io.Writer, io.Writer) int, args ...string) string {
	t.Helper()
	var out, diag strings.Builder
	if got := run(args, &out, &diag); got != want {
		t.Fatalf("%q: exit status %d, want %d\n%s%s", args, got, want, out.String(), diag.String())
	}
	return out.String() + diag.String()
}

// H9: what is remembered of a host is shown by mtad explain and mtad queue hosts,
// counted by a gauge, and cleared by an operator.
func TestH9ShownAndCleared(t *testing.T) {
	t.Parallel()
	d := startSmall(t, "max_connections = 1\n")
	fresh := says(t, exitOK, runExplain, "-config", d.file, "b@y.example")
	if !strings.Contains(fresh, "TLS is shut down, and started again") || strings.Contains(fresh, "remembered") {
		t.Errorf("before:\n%s", fresh)
	}
	s := loads.Sender{To: d.smtp, Sessions: 1, Messages: 4, Size: 500, Rcpts: 1, From: "a@x.example", Rcpt: "b%d@y.example", Helo: "client.test"}
	if got := s.Run(t.Context()); got.Acked != 4 {
		t.Fatalf("%+v", got)
	}
	for end := time.Now().Add(20 * time.Second); d.sink.Totals().Messages < 4; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the mail does not arrive")
		}
	}
	gauge := func() string {
		resp, err := http.Get("http://" + d.admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		page, _ := io.ReadAll(resp.Body)
		_, rest, _ := strings.Cut(string(page), "\nmtad_handoff_hosts_remembered ")
		return rest[:1]
	}
	learnt := says(t, exitOK, runExplain, "-config", d.file, "b@y.example")
	hosts := says(t, exitOK, runQueue, "hosts", "-config", d.file)
	for what, text := range map[string]string{"explain": learnt, "queue hosts": hosts} {
		if !strings.Contains(text, "does not go on after TLS was shut down; asked again at ") {
			t.Errorf("%s:\n%s", what, text)
		}
	}
	if !strings.Contains(learnt, "tls_handoff_fallback") || gauge() != "1" {
		t.Errorf("gauge %s; explain:\n%s", gauge(), learnt)
	}
	if got := says(t, exitOK, runQueue, "forget-host", "-config", d.file, "127.0.0.1"); got != "127.0.0.1: 1 forgotten\n" {
		t.Error(got)
	}
	cleared := says(t, exitOK, runExplain, "-config", d.file, "b@y.example")
	if strings.Contains(cleared, "does not go on") || gauge() != "0" {
		t.Errorf("gauge %s; after:\n%s", gauge(), cleared)
	}
}

// A probe shows the session and the certificate, and sends no mail.
func TestExplainProbe(t *testing.T) {
	t.Parallel()
	d := startSmall(t, "")
	text := says(t, exitOK, runExplain, "-config", d.file, "-probe", "b@y.example")
	for _, want := range []string{"| C EHLO relay.test\n", "| C STARTTLS\n", "| * TLS is on: TLSv1.3:", "| certificate /CN=sink.test\n", "sink.test, localhost, 127.0.0.1\n",
		"issuer    /CN=sink.test\n", ": 0 days left\n", "verified  NO: tls_verify_certificates names nothing for this host\n", "| C QUIT\n", "| mail would go in TLS: TLSv1.3:"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	var r explain.Report
	if err := json.Unmarshal([]byte(says(t, exitOK, runExplain, "-config", d.file, "-json", "-probe", "<b@y.example>")), &r); err != nil {
		t.Fatal(err)
	}
	if p := r.Hosts[0].Probe; r.Router != "hop" || p == nil || p.Certificate.Subject != "/CN=sink.test" || p.Verified || p.Fault != "" {
		t.Errorf("%+v", r)
	}
	if n := d.sink.Totals().Messages; n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

func TestExplainStatus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, bad := filepath.Join(dir, "config.toml"), filepath.Join(dir, "bad.toml")
	for name, text := range map[string]string{
		file: "[[router]]\nname = \"r\"\ndriver = \"domainlist\"\ndomains = \"*.example\"\nhosts = \"127.0.0.1:1\"\n", // where nobody listens
		bad:  "nonsense = 1\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		status int
		args   []string
		say    string
	}{
		{exitOK, []string{"-h"}, "usage: mtad explain"},
		{exitOK, []string{"b@y.example"}, "what a running daemon knows of the hosts is not said here: the configuration has no [admin] address"},
		{exitFailed, []string{"b@y.test"}, "NOWHERE TO GO: Unrouteable address"},
		{exitFailed, []string{"-probe", "b@y.example"}, "NO MAIL COULD BE SENT: H=127.0.0.1 [127.0.0.1]: Connection refused"},
		{exitUsage, nil, "which address?"},
		{exitUsage, []string{"b@"}, "is no address to send mail to"},
		{exitUsage, []string{"<>"}, "is no address to send mail to"},
		{exitUsage, []string{"<a@b.example> x"}, "is no address to send mail to"},
		{exitUsage, []string{"-what"}, "flag provided but not defined"},
	} {
		if text := says(t, c.status, runExplain, append([]string{"-config", file}, c.args...)...); !strings.Contains(text, c.say) {
			t.Errorf("%q:\n%s", c.args, text)
		}
	}
	says(t, exitConfig, runExplain, "-config", bad, "b@y.example")
}

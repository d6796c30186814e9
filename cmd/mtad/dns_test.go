package main

import (
	"fmt"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mtad/internal/config"
	loads "mtad/internal/load"
	"mtad/internal/resolver/resolvertest"
)

// startAsking starts a daemon that routes by what a DNS server at dns says.
func startAsking(t *testing.T, dns string) *small {
	t.Helper()
	smtp, web, hop := listenTest(t), listenTest(t), listenTest(t)
	d := &small{file: filepath.Join(t.TempDir(), "config.toml"), smtp: smtp.Addr().String(), admin: web.Addr().String(), sink: &loads.Sink{}}
	go d.sink.Serve(hop)
	t.Cleanup(d.sink.Close)
	text := fmt.Sprintf("primary_hostname = \"relay.test\"\nhost_accept_relay = \"127.0.0.1\"\ndns_servers = [%q]\ndns_retrans = \"300ms\"\ndns_retry = 1\n"+
		"[[listen]]\naddress = %q\n[[router]]\nname = \"mx\"\ndriver = \"lookuphost\"\ndomains = \"*\"\nignore_target_hosts = []\nself = \"send\"\n"+
		"[admin]\naddress = %q\ntoken_file = \"token\"\n[transport.smtp]\nport = %d\n[[retry]]\ndomains = \"*\"\nrule = \"F,1h,1s\"\n",
		dns, d.smtp, d.admin, hop.Addr().(*net.TCPAddr).Port)
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

// send hands in a message without TLS.
func (d *small) send(t *testing.T, rcpt string) {
	t.Helper()
	c, err := smtp.Dial(d.smtp)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("s@c.test"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(rcpt); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "Subject: x\r\n\r\nx\r\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// DN-06, DN-08: mail waits, with the reason, while the DNS server fails, and goes
// once it answers, be that late, only over TCP, or behind forged answers.
func TestDN06MailWaitsForTheDNS(t *testing.T) {
	t.Parallel()
	fails := map[string]string{"a.test": "!servfail", "b.test": "!refused", "c.test": "!silent", "d.test": "!cut"}
	heals := map[string]string{"a.test": "!slow 100ms", "b.test": "!truncate", "c.test": "!wrong-id", "d.test": "!wrong-question"}
	var bad, good strings.Builder
	for domain := range fails {
		zone := fmt.Sprintf("%s MX 10 mx.%s\nmx.%s A 127.0.0.1\n", domain, domain, domain)
		fmt.Fprintf(&bad, "%s%s * %s\n", zone, domain, fails[domain])
		fmt.Fprintf(&good, "%s%s * %s\nmx.%s * %s\n", zone, domain, heals[domain], domain, heals[domain])
	}
	dns := resolvertest.New(t, bad.String())
	d := startAsking(t, dns.Addr)
	logged := func(mark, domain, reason string) {
		t.Helper()
		line := regexp.MustCompile(` ` + mark + ` u@` + domain + ` .*` + reason)
		d.until(t, mark+" "+domain+" "+reason, func() bool { return line.MatchString(d.mainlog(t)) })
	}
	for domain := range fails {
		d.send(t, "u@"+domain)
	}
	logged("==", "a.test", "cannot look up MX of a.test: .* says SERVFAIL")
	logged("==", "b.test", "cannot look up MX of b.test: .* says REFUSED")
	logged("==", "c.test", "did not answer within 300ms")
	logged("==", "d.test", "answered what makes no sense")
	dns.Script(good.String())
	for domain := range fails {
		logged("=>", domain, "")
	}
	if asked := dns.Asked(); !slices.Contains(asked, "tcp MX b.test.") || !slices.Contains(asked, "tcp A mx.b.test.") {
		t.Errorf("what was cut was not asked for over TCP: %v", asked)
	}
	if log := d.mainlog(t); strings.Contains(log, resolvertest.Lie) || strings.Contains(log, " ** ") {
		t.Errorf("a lie was believed, or mail bounced:\n%s", log)
	}
}

package auth

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"mtad/internal/certs"
)

var (
	exporter = scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: []byte("the exporter's 32 octets")}
	endpoint = scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: []byte("hash of the certificate")}
	inTLS    = Channel{TLS: true, Bindings: []scram.ChannelBinding{exporter, endpoint}}
)

func credentials() []Credential {
	return []Credential{
		{Name: "login", Driver: "plaintext", PublicName: "LOGIN", User: "bob", Secret: canary},
		{Name: "plain", Driver: "plaintext", PublicName: "plain", Send: []string{"^bob^" + canary}},
		{Name: "cram", Driver: "cram_md5", User: "bob", Secret: canary},
		{Name: "scram", Driver: "scram", User: "bob", Secret: canary},
		{Name: "cert", Driver: "external"},
	}
}

// converse lets the two sides talk to the end.
func converse(x *Exchange, s *Server, of Session) (Step, error) {
	mechanism, initial, has := strings.Cut(x.Start(), " ")
	d, step := s.Begin(bg, of, mechanism, initial, has)
	for step.Outcome == Challenge {
		out, err := x.Next(bg, step.Reply().Text)
		if err != nil {
			return step, err
		}
		step = d.Next(bg, out)
	}
	return step, nil
}

func TestClientMeetsServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	of := Session{PeerName: "client.example", Bindings: []scram.ChannelBinding{exporter, endpoint}}
	for _, m := range append(s.Mechanisms(of), "") {
		offered := []string{m}
		if m == "" { // all: the strongest is first
			offered, m = s.Mechanisms(of), scramPlus
		}
		in := inTLS
		in.Certificate = true
		if m == scramPlain { // else the client says "y", rightly
			in.Bindings = nil
		}
		all, err := new(Client).Choose(offered, in, credentials())
		if err != nil || all[0].Mechanism != m {
			t.Errorf("%s: %v", m, err)
			continue
		}
		step, err := converse(all[0], s, of)
		if err != nil || step.Outcome != Done || all[0].Finish() != nil {
			t.Errorf("%s: %v, %v, %v", m, step, err, all[0].Finish())
		}
	}
}

func TestStrongestFirst(t *testing.T) {
	t.Parallel()
	in := inTLS
	in.Certificate = true
	all, err := new(Client).Choose([]string{"LOGIN", "plain", "X", "CRAM-MD5", "EXTERNAL", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, in, credentials())
	var got []string
	for _, x := range all {
		got = append(got, x.Mechanism)
	}
	if strings.Join(got, " ") != "SCRAM-SHA-256-PLUS EXTERNAL SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN" || err != nil {
		t.Error(got, err)
	}
}

// AU-08, and no plain secret in clear.
func TestClientRefusesWeak(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		floor   string
		of      Channel
		allow   bool
		offered string
		want    string // mechanisms, or part of the error
	}{
		{"PLAIN in clear", "", Channel{}, false, "PLAIN LOGIN", "in clear"},
		{"PLAIN in clear, allowed", "", Channel{}, true, "PLAIN LOGIN", "PLAIN LOGIN"},
		{"PLAIN in TLS", "", inTLS, false, "PLAIN", "PLAIN"},
		{"CRAM in clear", "", Channel{}, false, "PLAIN CRAM-MD5", "CRAM-MD5"},
		{"below the floor", "SCRAM-SHA-256", inTLS, true, "PLAIN CRAM-MD5", "weaker than SCRAM-SHA-256"},
		{"at the floor", "scram-sha-256", Channel{}, false, "PLAIN SCRAM-SHA-256", "SCRAM-SHA-256"},
		{"no certificate", "", inTLS, false, "EXTERNAL", "among those offered"},
		{"nothing", "", inTLS, false, "", "offers no authentication"},
	} {
		creds := credentials()
		for i := range creds {
			creds[i].AllowClear = c.allow
		}
		all, err := (&Client{Floor: c.floor}).Choose(strings.Fields(c.offered), c.of, creds)
		var got []string
		for _, x := range all {
			got = append(got, x.Mechanism)
		}
		said := strings.Join(got, " ")
		if err != nil {
			said = err.Error()
		}
		if err == nil && said != c.want || !strings.Contains(said, c.want) || strings.Contains(said, canary) {
			t.Errorf("%s: %s", c.name, said)
		}
	}
}

func TestCarets(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"^user^pass": "\x00user\x00pass", "^u^p^^q": "\x00u\x00p^q", "^^^": "^\x00", "": ""} {
		if got := carets(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	c := Credential{Driver: "plaintext", PublicName: "LOGIN", Send: []string{"", "bob", canary}}
	x := new(Client).exchange(choice{c, "LOGIN"}, inTLS, false)
	name, _ := x.Next(bg, "not base64")
	secret, _ := x.Next(bg, "")
	_, more := x.Next(bg, "")
	if x.Start() != "LOGIN" || name != b64("bob") || secret != b64(canary) || more == nil {
		t.Error(x.Start(), name, more)
	}
}

// AU-09: a proof made for one TLS session is worth nothing in another.
func TestChannelBinding(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	other := exporter
	other.Data = []byte("of the one in between")
	for _, c := range []struct {
		name           string
		client, server []scram.ChannelBinding
		offered        string
		want           Outcome
	}{
		{"right", inTLS.Bindings, inTLS.Bindings, scramPlus, Done},
		{"second type", []scram.ChannelBinding{endpoint}, inTLS.Bindings, scramPlus, Done},
		{"wrong", []scram.ChannelBinding{other}, inTLS.Bindings, scramPlus, Rejected},
		{"type the server has not", []scram.ChannelBinding{exporter}, []scram.ChannelBinding{endpoint}, scramPlus, Malformed},
		{"-PLUS taken out in between", inTLS.Bindings, inTLS.Bindings, scramPlain, Rejected},
		{"server without", inTLS.Bindings, nil, scramPlain, Done},
		{"client without", nil, inTLS.Bindings, scramPlus + " " + scramPlain, Done},
	} {
		all, err := new(Client).Choose(strings.Fields(c.offered), Channel{TLS: true, Bindings: c.client}, credentials())
		if err != nil {
			t.Fatal(c.name, err)
		}
		step, err := converse(all[0], s, Session{Bindings: c.server})
		if step.Outcome != c.want || err != nil || strings.Contains(step.Reason, "octets") {
			t.Errorf("%s: %v (%s), want %v; %v", c.name, step.Outcome, step.Reason, c.want, err)
		}
	}
}

// Both sides of a TLS session derive the same bindings.
func TestBindingsOfTLS(t *testing.T) {
	t.Parallel()
	certPEM, keyPEM, err := certs.Generate(certs.Request{Hosts: []string{"mx.example"}, Days: 1})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range map[uint16]int{tls.VersionTLS12: 1, tls.VersionTLS13: 2} {
		a, b := net.Pipe()
		server := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: version, SessionTicketsDisabled: true})
		client := tls.Client(b, &tls.Config{InsecureSkipVerify: true})
		failed := make(chan error, 1)
		go func() { failed <- server.Handshake() }()
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		cs, ss := client.ConnectionState(), server.ConnectionState()
		ours, theirs := clientBindings(&cs), serverBindings(&ss, pair.Leaf)
		if len(ours) != want || len(theirs) != want {
			t.Fatalf("%x: %d and %d", version, len(ours), len(theirs))
		}
		for i := range ours {
			if !ours[i].Matches(theirs[i]) {
				t.Errorf("%x: %s differs", version, ours[i].Type)
			}
		}
		a.Close()
		b.Close()
	}
}

// What a server may do to a client: it must not be believed, nor cost without bound.
func TestHostileServer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(nonce string) string{
		"too few":        func(n string) string { return "r=" + n + "x,s=c2FsdHNhbHQ=,i=4095" },
		"too many":       func(n string) string { return "r=" + n + "x,s=c2FsdHNhbHQ=,i=1000001" },
		"nonce as it is": func(n string) string { return "r=" + n + ",s=c2FsdHNhbHQ=,i=4096" },
		"other nonce":    func(string) string { return "r=zzz,s=c2FsdHNhbHQ=,i=4096" },
		"extension":      func(n string) string { return "m=x,r=" + n + "x,s=c2FsdHNhbHQ=,i=4096" },
		"salt":           func(n string) string { return "r=" + n + "x,s=?,i=4096" },
		"error":          func(string) string { return "e=other-error" },
		"empty":          func(string) string { return "" },
	} {
		c := &Client{nonce: func() string { return "nonce" }}
		x := c.exchange(choice{credentials()[3], scramPlain}, Channel{}, false)
		out, err := x.Next(bg, b64(answer("nonce")))
		if err == nil || out != "" || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %q, %v", name, out, err)
		}
		if x.Finish() == nil {
			t.Errorf("%s: a 235 would be believed", name)
		}
	}
	x := new(Client).exchange(choice{credentials()[3], scramPlain}, Channel{}, false)
	if x.Next(bg, "no base64"); x.Finish() == nil {
		t.Error("a 235 would be believed")
	}
}

func TestServerSignatureIsChecked(t *testing.T) {
	t.Parallel()
	c := &Client{nonce: func() string { return "nonce" }}
	x := c.exchange(choice{credentials()[3], scramPlain}, Channel{}, false)
	if _, err := x.Next(bg, b64("r=noncex,s=c2FsdHNhbHQ=,i=4096")); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Next(bg, b64("v="+b64(strings.Repeat("x", 32)))); err == nil || x.Finish() == nil {
		t.Error("a wrong signature is taken")
	}
}

// The salted secret is kept: an AUTH anew hashes nothing, and a server with a
// new salt each time does not fill the memory.
func TestSaltedSecretIsKept(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := &Client{Costs: NewCosts(1, 0, time.Minute)}
	again := func() (Step, error) {
		return converse(c.exchange(choice{credentials()[3], scramPlain}, Channel{}, false), s, Session{})
	}
	if step, err := again(); err != nil || step.Outcome != Done {
		t.Fatal(step, err)
	}
	c.Costs = NewCosts(0, 0, 0) // no hashing from here on
	if step, err := again(); err != nil || step.Outcome != Done {
		t.Error(step, err)
	}
	c = &Client{nonce: func() string { return "nonce" }}
	for range 3 * maxSalts {
		x := c.exchange(choice{credentials()[3], scramPlain}, Channel{}, false)
		if _, err := x.Next(bg, b64("r=noncex,s="+b64(rand.Text())+",i=4096")); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range c.salts {
		if len(k.seen) > maxSalts {
			t.Errorf("%d salts are kept", len(k.seen))
		}
	}
}

func FuzzServer(f *testing.F) {
	s := newServer(f)
	of := Session{PeerName: "client.example", Bindings: inTLS.Bindings}
	f.Add("PLAIN", "\x00bob\x00x", "")
	f.Add("LOGIN", "bob", "x")
	f.Add("CRAM-MD5", "", "bob 00000000000000000000000000000000")
	f.Add("SCRAM-SHA-256", "n,,n=bob,r=x", "c=biws,r=x,p=AAAA")
	f.Add("SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=bob,r=x", "c=biws,r=x,p=AAAA")
	f.Fuzz(func(t *testing.T, mechanism, first, second string) {
		if strings.Contains(first+second, canary) || strings.EqualFold(mechanism, "EXTERNAL") {
			return
		}
		for _, lines := range [][]string{{b64(first), b64(second)}, {"-", b64(first), b64(second)}, {first, second}} {
			if mechanism == "" || len(lines[0]) == 0 {
				continue
			}
			d, step := s.Begin(bg, of, mechanism, lines[0], lines[0] != "-")
			for _, l := range lines[1:] {
				if d == nil || step.Outcome == Done {
					break
				}
				step = d.Next(bg, l)
			}
			if step.Outcome == Done {
				t.Errorf("let in: %q %q", mechanism, lines)
			}
		}
	})
}

func FuzzServerFirst(f *testing.F) {
	f.Add("r=noncex,s=c2FsdHNhbHQ=,i=4096")
	f.Add("r=nonce,s=,i=99999999999999999999")
	f.Fuzz(func(t *testing.T, s string) {
		_, factors, ok := parseServerFirst(s)
		if i := strings.Index(factors, ",i="); ok && (i < 0 || len(factors)-i > len(",i=1000000")+8) {
			t.Errorf("%q", factors)
		}
	})
}

func BenchmarkSCRAMAgain(b *testing.B) {
	s, c := newServer(b), new(Client)
	for b.Loop() {
		x := c.exchange(choice{credentials()[3], scramPlain}, Channel{}, false)
		if step, err := converse(x, s, Session{}); err != nil || step.Outcome != Done {
			b.Fatal(step, err)
		}
	}
}

func BenchmarkPLAINAgain(b *testing.B) {
	s := newServer(b)
	line := b64("\x00bob\x00" + canary)
	for b.Loop() {
		if _, step := s.Begin(context.Background(), Session{}, "PLAIN", line, true); step.Outcome != Done {
			b.Fatal(step)
		}
	}
}

// serverBindings is what a server's TLS session can be bound by: cert is the
// certificate it showed.
func serverBindings(state *tls.ConnectionState, cert *x509.Certificate) []scram.ChannelBinding {
	shown := *state
	shown.PeerCertificates = nil // those are the client's
	if cert != nil {
		shown.PeerCertificates = []*x509.Certificate{cert}
	}
	return clientBindings(&shown)
}

// clientBindings is Bindings by crypto/tls alone: tls-exporter (RFC 9266),
// then tls-server-end-point (RFC 5929).
func clientBindings(state *tls.ConnectionState) []scram.ChannelBinding {
	var all []scram.ChannelBinding
	if state.Version >= tls.VersionTLS13 { // before, the two ways of no context differ between engines
		if b, err := scram.NewTLSExporterBinding(state); err == nil {
			all = append(all, b)
		}
	}
	if b, err := scram.NewTLSServerEndpointBinding(state); err == nil {
		all = append(all, b)
	}
	return all
}

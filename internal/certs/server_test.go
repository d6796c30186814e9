package certs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtad/tlsstate"
)

// files is a folder with key pairs and a store that reads it.
type files struct {
	dir   string
	store *Store
	ca    *issued
}

func newFiles(t testing.TB) files {
	t.Helper()
	f := files{dir: t.TempDir(), ca: issue(t, "Root", nil, authority)}
	f.store = NewStore(Options{Dir: f.dir, SpoolDir: f.dir, Hostname: "mx.test"})
	own := issue(t, "mx.test", f.ca)
	write(t, f.dir, "cert.pem", own.pem())
	write(t, f.dir, "key.pem", own.keyPEM(t))
	write(t, f.dir, "ca.pem", f.ca.pem())
	return f
}

var plain = Server{Certificate: "cert.pem", PrivateKey: "key.pem"}

func (f files) server(t testing.TB, o Server) *tls.Config {
	t.Helper()
	cfg, err := f.store.Server(o)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func (f files) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(f.ca.cert)
	return p
}

// peer is a client of the test.
func (f files) peer(version uint16, change ...func(*tls.Config)) *tls.Config {
	cfg := &tls.Config{ServerName: "mx.test", RootCAs: f.pool(), MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for _, c := range change {
		c(cfg)
	}
	return cfg
}

func with(i *issued) func(*tls.Config) {
	return func(c *tls.Config) {
		cert := i.tls()
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
}

var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

func TestServerResumes(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	for _, v := range versions {
		peer := f.peer(v)
		for i := range 2 {
			r := shake(t, f.server(t, plain), peer)
			if r.serverErr != nil || r.clientErr != nil || r.server.DidResume != (i == 1) || r.server.Version != v {
				t.Errorf("%x, connection %d: %v, %v, resumed %v", v, i, r.serverErr, r.clientErr, r.server.DidResume)
			}
		}
		other := plain
		other.Groups = "X25519" // another policy: its tickets are not ours
		if r := shake(t, f.server(t, other), peer); r.serverErr != nil || r.server.DidResume {
			t.Errorf("%x: the ticket of another policy resumed, or %v", v, r.serverErr)
		}
	}
}

// Rows S16 and S17: one file for both; what changes is used a second later.
func TestServerFilesChange(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	synctest.Test(t, func(t *testing.T) {
		one := Server{Certificate: "one.pem"}
		a, b := issue(t, "mx.test", f.ca, always), issue(t, "mx.test", f.ca, always)
		write(t, f.dir, "one.pem", a.keyPEM(t), a.pem())
		serves := func(what string, want *issued) *tls.Config {
			t.Helper()
			cfg, err := f.store.Server(one)
			if want == nil {
				if err == nil || !strings.HasPrefix(err.Error(), "tls_certificate: ") {
					t.Errorf("%s: %v", what, err)
				}
				return nil
			}
			if err != nil || !cfg.Certificates[0].Leaf.Equal(want.cert) {
				t.Errorf("%s: %v, or another certificate", what, err)
			}
			return cfg
		}
		first := serves("first", a)
		write(t, f.dir, "one.pem", b.keyPEM(t), b.pem())
		if serves("within the second", a) != first {
			t.Error("another configuration for equal files")
		}
		time.Sleep(time.Second)
		serves("a second later", b)

		write(t, f.dir, "one.pem", a.keyPEM(t)) // half written
		time.Sleep(time.Second)
		serves("half written", b)
		time.Sleep(grace - time.Second)
		serves("half written, near the end of the grace", b)
		time.Sleep(time.Second)
		serves("half written for long", nil)
		write(t, f.dir, "one.pem", a.keyPEM(t), a.pem())
		time.Sleep(time.Second)
		serves("mended", a)

		write(t, f.dir, "one.pem", a.keyPEM(t), b.pem())
		time.Sleep(time.Second)
		serves("mismatch", a)
		write(t, f.dir, "one.pem", b.keyPEM(t), b.pem())
		time.Sleep(time.Second)
		serves("mended in time", b)
		write(t, f.dir, "one.pem", a.keyPEM(t), b.pem())
		time.Sleep(2 * grace)
		serves("the grace begins anew", b)
	})
}

// always makes a certificate valid by the clocks of synctest and of the machine.
func always(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
}

func TestServerVerifies(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	other := issue(t, "Other", nil, authority)
	pinned := issue(t, "pinned", other)
	write(t, f.dir, "trust.pem", f.ca.pem(), pinned.pem())
	o := plain
	o.VerifyCertificates = "trust.pem"
	for _, v := range versions {
		for _, c := range []struct {
			what string
			cert *issued
			want Reason
		}{
			{"none", nil, NoCertificate},
			{"by the CA", issue(t, "client", f.ca), ""},
			{"itself", pinned, ""},
			{"another CA", issue(t, "client", other), Untrusted},
			{"expired", issue(t, "client", f.ca, valid(-2*time.Hour, -time.Hour)), Expired},
			{"of servers", issue(t, "client", f.ca, usage(x509.ExtKeyUsageServerAuth)), WrongUsage},
		} {
			peer := f.peer(v)
			if c.cert != nil {
				with(c.cert)(peer)
			}
			r := shake(t, f.server(t, o), peer)
			if got := ReasonOf(r.serverErr); got != c.want {
				t.Errorf("%x, %s: %q (%v), want %q", v, c.what, got, r.serverErr, c.want)
			}
			if c.want != "" && r.clientErr == nil {
				t.Errorf("%x, %s: the client was served", v, c.what)
			}
		}
	}
}

// THREATS CE-17: no ticket outlives what let its owner in.
func TestServerResumptionAfterChange(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	synctest.Test(t, func(t *testing.T) {
		own, root := issue(t, "mx.test", nil, always), issue(t, "Root", nil, authority, always)
		write(t, f.dir, "cert.pem", own.pem())
		write(t, f.dir, "key.pem", own.keyPEM(t))
		o := plain
		o.VerifyCertificates = "trust.pem"
		for _, v := range versions {
			client := issue(t, "client", root, valid(-time.Hour, 100*time.Hour))
			peer := f.peer(v, with(client), func(c *tls.Config) { c.InsecureSkipVerify = true })
			write(t, f.dir, "trust.pem", root.pem())
			time.Sleep(time.Second)
			if r := shakePipe(f.server(t, o), peer); r.serverErr != nil {
				t.Fatal(r.serverErr)
			}
			if r := shakePipe(f.server(t, o), peer); !r.server.DidResume || r.serverErr != nil {
				t.Errorf("%x: not resumed: %v, %v", v, r.serverErr, r.clientErr)
			}
			old := f.server(t, o)
			write(t, f.dir, "trust.pem", own.pem())
			time.Sleep(time.Second)
			if r := shakePipe(f.server(t, o), peer); ReasonOf(r.serverErr) != Untrusted {
				t.Errorf("%x: a client that is trusted no more got in: %v", v, r.serverErr)
			}
			time.Sleep(101 * time.Hour) // the old configuration, held by a connection under way
			if r := shakePipe(old, peer); ReasonOf(r.serverErr) != Expired {
				t.Errorf("%x: a client that has expired got in: %v, resumed %v", v, r.serverErr, r.server.DidResume)
			}
		}
	})
}

// Row S8.
func TestServerCiphers(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	own := issueFor(t, key, "mx.test", f.ca, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment })
	write(t, f.dir, "cert.pem", own.pem())
	write(t, f.dir, "key.pem", own.keyPEM(t))
	chosen, _ := tlsstate.Cipher(choice13(allSuites())) // by a client of crypto/tls, on this machine
	unchosen := "TLS_AES_256_GCM_SHA384"
	const any = uint16(0)
	for _, c := range []struct {
		what, list string
		version    uint16
		only       []uint16 // what the client offers in TLS 1.2
		want       string   // the cipher, or a Reason
	}{
		{"1.2 names keep 1.3 out", "ECDHE-RSA-AES256-GCM-SHA384", any, nil, "ECDHE-RSA-AES256-GCM-SHA384"},
		{"1.2 names, 1.3 client", "ECDHE-RSA-AES256-GCM-SHA384", tls.VersionTLS13, nil, string(NoCommonVersion)},
		{"1.2 client offers another", "ECDHE-RSA-AES256-GCM-SHA384", tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, string(NoCommonCipher)},
		{"the one that is chosen", chosen, any, nil, chosen},
		{"1.3 names, 1.2 client", chosen, tls.VersionTLS12, nil, string(NoCommonVersion)},
		{"one that is not chosen", unchosen, any, nil, string(NoCommonCipher)},
		{"one that is not chosen, then 1.2", unchosen + ":ECDHE-RSA-AES128-GCM-SHA256", any, nil, "ECDHE-RSA-AES128-GCM-SHA256"},
		{"one that is not chosen, 1.3 client", unchosen + ":ECDHE-RSA-AES128-GCM-SHA256", tls.VersionTLS13, nil, string(NoCommonCipher)},
		{"one that is not chosen, another in 1.2", unchosen + ":ECDHE-RSA-AES128-GCM-SHA256", any, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}, string(NoCommonCipher)},
		{"chosen, and 1.2", chosen + ":ECDHE-RSA-AES128-GCM-SHA256", any, nil, chosen},
		{"RSA key exchange where named", "AES256-SHA", any, []uint16{tls.TLS_RSA_WITH_AES_256_CBC_SHA}, "AES256-SHA"},
		{"3DES where named", "DES-CBC3-SHA:IDEA-CBC-MD5", any, []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}, "DES-CBC3-SHA"},
		{"CBC where not named", "", tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}, string(NoCommonCipher)},
		{"RSA key exchange where not named", "", tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, string(NoCommonCipher)},
		{"old versions never", "", tls.VersionTLS11, nil, string(NoCommonVersion)},
	} {
		o := plain
		o.Ciphers = c.list
		peer := f.peer(c.version)
		peer.CipherSuites = c.only
		if c.version == any {
			peer.MinVersion = tls.VersionTLS12
		}
		for range 2 { // the second time it may resume
			r := shake(t, f.server(t, o), peer)
			got := string(ReasonOf(r.serverErr))
			if got == "" {
				got, _ = tlsstate.Cipher(r.server.CipherSuite)
			}
			if got != c.want {
				t.Errorf("%s: %s (%v), want %s", c.what, got, r.serverErr, c.want)
			}
			if r.serverErr != nil && r.clientErr == nil {
				t.Errorf("%s: the client was served", c.what)
			}
		}
	}
}

// Were choice13 ever wrong, what was negotiated is looked at once more.
func TestServerCipherLastWord(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	o := plain
	o.Ciphers = "TLS_AES_256_GCM_SHA384"
	for _, trust := range []string{"", "ca.pem"} {
		o.VerifyCertificates = trust
		cfg := f.server(t, o).Clone()
		cfg.GetConfigForClient = nil
		r := shake(t, cfg, f.peer(tls.VersionTLS13, with(issue(t, "client", f.ca))))
		if ReasonOf(r.serverErr) != NoCommonCipher || r.clientErr == nil {
			t.Errorf("%q: %v, %v", trust, r.serverErr, r.clientErr)
		}
	}
}

func allSuites() (ids []uint16) {
	ids = append(ids, modern...)
	if hasAES {
		return append(ids, suites13...)
	}
	return append([]uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}, suites13...)
}

// choice13 must say what crypto/tls does: for all orders of a client's offer.
func TestChoice13(t *testing.T) {
	t.Parallel()
	aes, big, chacha := tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256
	for _, c := range []struct {
		offers []uint16
		want   uint16
	}{
		{[]uint16{0x1a1a, big, chacha, aes}, aes}, // GREASE before it
		{[]uint16{chacha, big, aes}, chacha},
		{[]uint16{big}, big},
		{[]uint16{0xC0AF, aes, chacha}, aes}, // one that crypto/tls does not know
		{[]uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, aes, chacha}, chacha},
		{[]uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, 0},
	} {
		if got := choice13(c.offers); got != c.want && hasAES {
			t.Errorf("%x: %x, want %x", c.offers, got, c.want)
		}
	}
}

// THREATS CE-22.
func TestServerALPN(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	for _, v := range versions {
		for _, c := range []struct {
			offer []string
			want  string
			fault Reason
		}{
			{nil, "", ""},
			{[]string{"smtp"}, "smtp", ""},
			{[]string{"h2", "smtp"}, "smtp", ""},
			{[]string{"h2", "http/1.1"}, "", NoCommonALPN},
		} {
			r := shake(t, f.server(t, plain), f.peer(v, func(cfg *tls.Config) { cfg.NextProtos = c.offer }))
			if ReasonOf(r.serverErr) != c.fault || r.client.NegotiatedProtocol != c.want {
				t.Errorf("%x %v: %v, %q", v, c.offer, r.serverErr, r.client.NegotiatedProtocol)
			}
			if c.fault != "" && ReasonOf(r.clientErr) != NoCommonALPN {
				t.Errorf("%x %v: the client got %v", v, c.offer, r.clientErr)
			}
		}
	}
}

func TestServerFaults(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	_, err := f.store.Server(Server{})
	if !errors.Is(err, ErrNoCertificate) {
		t.Error(err)
	}
	for want, o := range map[string]Server{
		"tls_certificate: there is no file " + f.dir + "/none.pem": {Certificate: "none.pem"},
		"tls_verify_certificates: there is no file ":               {Certificate: "cert.pem", PrivateKey: "key.pem", VerifyCertificates: "none"},
		`tls_verify_ciphers: unknown cipher "X"`:                   {Certificate: "cert.pem", PrivateKey: "key.pem", Ciphers: "X"},
		`tls_groups: unknown group "X"`:                            {Certificate: "cert.pem", PrivateKey: "key.pem", Groups: "X"},
	} {
		_, err := f.store.Server(o)
		checkError(t, want, err, want)
		_, err = f.store.CheckServer(o)
		checkError(t, want, err, want)
	}
}

func TestCheckServer(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	for list, want := range map[string][]string{
		"AES128-SHA":                    {"no cipher of the list goes with the kind of key in " + f.dir + "/cert.pem", "the list keeps TLS 1.3 out"},
		"ECDHE-ECDSA-AES128-GCM-SHA256": {"the list keeps TLS 1.3 out"},
		"TLS_AES_128_GCM_SHA256":        nil,
		"":                              nil,
	} {
		warnings, err := f.store.CheckServer(Server{Certificate: "cert.pem", PrivateKey: "key.pem", VerifyCertificates: "ca.pem", Ciphers: list})
		if err != nil || len(warnings) != len(want) {
			t.Errorf("%s: %q, %v", list, warnings, err)
			continue
		}
		for i, w := range warnings {
			if !strings.HasPrefix(w, "tls_verify_ciphers: "+want[i]) {
				t.Errorf("%s: %q, want %q", list, w, want[i])
			}
		}
	}
	old := issue(t, "mx.test", nil, valid(-2*time.Hour, -time.Hour))
	write(t, f.dir, "old.pem", old.pem(), old.keyPEM(t))
	_, err := f.store.CheckServer(Server{Certificate: "old.pem", VerifyCertificates: "old.pem", Ciphers: "X", Groups: "Y"})
	for _, want := range []string{"old.pem: the certificate expired on", "all its certificates have expired", `unknown cipher "X"`} {
		checkError(t, "all at once", err, want)
	}
	if _, err := f.store.Server(Server{Certificate: "old.pem"}); err != nil { // a running daemon goes on
		t.Error(err)
	}
	if w, err := f.store.CheckServer(Server{Certificate: "self-signed"}); len(w) > 0 || err != nil {
		t.Errorf("%q, %v", w, err)
	}
	if w, err := f.store.CheckServer(Server{Certificate: "self-signed", Ciphers: "DES-CBC3-SHA"}); err != nil || len(w) != 2 ||
		!strings.Contains(w[0], "goes with the self-signed certificate") {
		t.Errorf("%q, %v", w, err)
	}
	write(t, f.dir, "ca.pem", f.ca.pem(), f.ca.keyPEM(t))
	if w, err := f.store.CheckServer(Server{VerifyCertificates: "ca.pem"}); err != nil || len(w) != 1 || !strings.HasPrefix(w[0], "tls_verify_certificates: "+f.dir) {
		t.Errorf("%q, %v", w, err)
	}
}

func TestStoreIsBounded(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	for i := range maxKept + 10 {
		f.store.Server(Server{Certificate: "cert.pem", Groups: strings.Repeat("X25519:", i%2) + strings.Repeat(" ", i)})
	}
	if n := len(f.store.servers); n != maxKept {
		t.Errorf("%d configurations kept", n)
	}
}

func TestWriteMetrics(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	f.server(t, plain)
	var b strings.Builder
	f.store.WriteMetrics(&b)
	_, value, ok := strings.Cut(b.String(), `mtad_tls_certificate_expires_seconds{file="cert.pem"} 3.15`) // a year
	if !ok || strings.Count(value, "\n") != 1 {
		t.Errorf("%s", b.String())
	}
}

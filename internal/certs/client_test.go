package certs

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

var mx = Host{Name: "mx.test", Addr: netip.MustParseAddrPort("192.0.2.1:25")}

func (f files) client(t testing.TB, o Client, h Host) *tls.Config {
	t.Helper()
	cfg, err := f.store.Client(o, h)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// peerServer is a server of the test.
func peerServer(version uint16, own *issued) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{own.tls()}, MinVersion: version, MaxVersion: version}
}

// Row C7.
func TestClientVerifies(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	stranger := issue(t, "mx.test", nil)
	pinned := issue(t, "other.test", nil)
	write(t, f.dir, "trust.pem", f.ca.pem(), pinned.pem())
	for _, v := range versions {
		for _, c := range []struct {
			what  string
			own   *issued
			o     Client
			name  string
			fault Reason
		}{
			{"nothing asked", stranger, Client{}, "mx.test", ""},
			{"by the CA", issue(t, "mx.test", f.ca), Client{VerifyCertificates: "trust.pem", VerifyName: true}, "mx.test.", ""},
			{"stranger", stranger, Client{VerifyCertificates: "trust.pem", VerifyName: true}, "mx.test", Untrusted},
			{"wrong name", issue(t, "mx.other", f.ca), Client{VerifyCertificates: "trust.pem", VerifyName: true}, "mx.test", WrongName},
			{"wrong name, not asked", issue(t, "mx.other", f.ca), Client{VerifyCertificates: "trust.pem"}, "mx.test", ""},
			{"itself", pinned, Client{VerifyCertificates: "trust.pem", VerifyName: true}, "mx.test", ""},
			{"address", issue(t, "a", f.ca, sans("192.0.2.1")), Client{VerifyCertificates: "trust.pem", VerifyName: true}, "192.0.2.1", ""},
			{"no name known", issue(t, "mx.test", f.ca), Client{VerifyCertificates: "trust.pem", VerifyName: true}, "", WrongName},
			{"expired", issue(t, "mx.test", f.ca, valid(-2*time.Hour, -time.Hour)), Client{VerifyCertificates: "trust.pem"}, "mx.test", Expired},
			{"of clients", issue(t, "mx.test", f.ca, usage(x509.ExtKeyUsageClientAuth)), Client{VerifyCertificates: "trust.pem"}, "mx.test", WrongUsage},
		} {
			h := mx
			h.Name = c.name
			r := shake(t, peerServer(v, c.own), f.client(t, c.o, h))
			if got := ReasonOf(r.clientErr); got != c.fault {
				t.Errorf("%x, %s: %q (%v), want %q", v, c.what, got, r.clientErr, c.fault)
			}
		}
	}
}

// A server sees our certificate whatever authorities it names (C6).
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	own := issue(t, "mx.test", nil)
	for _, v := range versions {
		server := peerServer(v, own)
		server.ClientAuth, server.ClientCAs = tls.RequestClientCert, x509.NewCertPool()
		server.ClientCAs.AddCert(own.cert)
		r := shake(t, server, f.client(t, Client{Certificate: "cert.pem", PrivateKey: "key.pem"}, mx))
		if len(r.server.PeerCertificates) != 1 || r.serverErr != nil {
			t.Errorf("%x: %d certificates, %v", v, len(r.server.PeerCertificates), r.serverErr)
		}
		if r := shake(t, server, f.client(t, Client{}, mx)); len(r.server.PeerCertificates) != 0 || r.serverErr != nil {
			t.Errorf("%x: a certificate that nobody set, or %v", v, r.serverErr)
		}
	}
	if _, err := f.store.Client(Client{Certificate: "none.pem"}, mx); err == nil {
		t.Error("a missing certificate is no error")
	}
	if _, err := f.store.CheckClient(Client{Certificate: "none.pem", VerifyCertificates: "none.pem"}); err == nil {
		t.Error("a missing certificate is no error of check")
	}
	if w, err := f.store.CheckClient(Client{Certificate: "cert.pem", PrivateKey: "key.pem", VerifyCertificates: "ca.pem"}); err != nil || len(w) > 0 {
		t.Errorf("%q, %v", w, err)
	}
}

// Row C8.
func TestClientCiphers(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	own := issue(t, "mx.test", nil)
	chosen := choice13(allSuites())
	other := "TLS_AES_256_GCM_SHA384"
	for _, c := range []struct {
		list    string
		version uint16
		want    Reason
	}{
		{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.VersionTLS12, ""},
		{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.VersionTLS13, NoCommonVersion},
		{"ECDHE-RSA-AES256-GCM-SHA384", tls.VersionTLS12, NoCommonCipher},
		{other, tls.VersionTLS13, NoCommonCipher},
		{namesOf([]uint16{chosen})[0], tls.VersionTLS13, ""},
		{other, tls.VersionTLS12, NoCommonVersion},
	} {
		r := shake(t, peerServer(c.version, own), f.client(t, Client{Ciphers: c.list}, mx))
		if got := ReasonOf(r.clientErr); got != c.want {
			t.Errorf("%s, %x: %q (%v), want %q", c.list, c.version, got, r.clientErr, c.want)
		}
	}
}

// THREATS CE-18: a session belongs to one host, address, port and policy.
func TestClientSessions(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	for _, v := range versions {
		server := peerServer(v, issue(t, "mx.test", f.ca))
		o := Client{VerifyCertificates: "ca.pem", VerifyName: true}
		resumes := func(what string, o Client, h Host, want bool) {
			t.Helper()
			r := shake(t, server, f.client(t, o, h))
			if r.clientErr != nil || r.client.DidResume != want {
				t.Errorf("%x, %s: resumed %v, %v", v, what, r.client.DidResume, r.clientErr)
			}
		}
		resumes("first", o, mx, false)
		resumes("second", o, mx, true)
		resumes("other policy", Client{}, mx, false)
		resumes("other certificate", Client{Certificate: "cert.pem", PrivateKey: "key.pem"}, mx, false)
		resumes("other port", o, Host{mx.Name, netip.AddrPortFrom(mx.Addr.Addr(), 26)}, false)
		resumes("other address", o, Host{mx.Name, netip.MustParseAddrPort("192.0.2.2:25")}, false)
		resumes("other name", Client{}, Host{"mx2.test", mx.Addr}, false)
		resumes("third", o, mx, true)
	}
}

func TestClientResumptionAfterChange(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	synctest.Test(t, func(t *testing.T) {
		root, own := issue(t, "Root", nil, authority, always), issue(t, "Other", nil, always)
		for _, v := range versions {
			leaf := issue(t, "mx.test", root, valid(-time.Hour, 50*time.Hour))
			server := peerServer(v, leaf)
			o := Client{VerifyCertificates: "trust.pem", VerifyName: true}
			write(t, f.dir, "trust.pem", root.pem())
			time.Sleep(time.Second)
			shakePipe(server, f.client(t, o, mx))
			if r := shakePipe(server, f.client(t, o, mx)); !r.client.DidResume || r.clientErr != nil {
				t.Fatalf("%x: not resumed: %v", v, r.clientErr)
			}
			held := f.client(t, o, mx)
			write(t, f.dir, "trust.pem", own.pem())
			time.Sleep(time.Second)
			if r := shakePipe(server, f.client(t, o, mx)); ReasonOf(r.clientErr) != Untrusted {
				t.Errorf("%x: a server that is trusted no more: %v", v, r.clientErr)
			}
			time.Sleep(51 * time.Hour)
			if r := shakePipe(server, held); ReasonOf(r.clientErr) != Expired {
				t.Errorf("%x: a server that has expired: %v", v, r.clientErr)
			}
		}
	})
}

package tlsstate

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"testing"
	"time"
)

func TestState(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, peer := tcpPair(t)
			client := New(peer)
			cfg := configs(version)
			cfg.server.ClientAuth = tls.RequireAndVerifyClientCert
			cfg.server.ClientCAs = cfg.client.RootCAs
			cfg.server.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
			cfg.client.Certificates = cfg.server.Certificates
			want := State{On: true, Version: "TLSv" + name, Verified: true, PeerDN: "/C=UK/O=Example/CN=mx.example", SNI: "mx.example"}
			want.Cipher, want.Bits = "TLS_AES_128_GCM_SHA256", 128
			if name == "1.2" {
				want.Cipher, want.Bits = "ECDHE-ECDSA-AES256-GCM-SHA384", 256
			}
			for range 2 {
				serr, cerr := both(
					func() error { return server.StartServer(cfg.server, soon(), nil) },
					func() error { return client.StartClient(cfg.client, soon(), nil) })
				if serr != nil || cerr != nil {
					t.Fatal(serr, cerr)
				}
				if server.State() != want || client.State() != want {
					t.Errorf("server %+v\nclient %+v\nwant   %+v", server.State(), client.State(), want)
				}
				if len(server.PeerCertificates()) != 1 {
					t.Error("the server has not the client's certificate")
				}
				sb, serr := server.Exporter()
				cb, cerr := client.Exporter()
				if serr != nil || cerr != nil || len(sb) != 32 || !bytes.Equal(sb, cb) {
					t.Errorf("channel binding %x %v, %x %v", sb, serr, cb, cerr)
				}
				cs := client.tls.ConnectionState()
				// RFC 9266 2: the context is the empty string, which in TLS 1.2 is not none.
				if want, _ := cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte(""), 32); !bytes.Equal(cb, want) {
					t.Errorf("channel binding %x, not %x", cb, want)
				}
				endInTurn(t, server, client)
				want.Resumed = true
			}
		})
	}
}

// endInTurn brings both ends back to clear text, with a word in either direction.
func endInTurn(t *testing.T, server, client *Socket) {
	t.Helper()
	err := first(
		func() error { return send(server, "bye") },
		func() error { return expect(client, "bye") },
		client.Shutdown,
		func() error { return expectEnd(server, ErrCloseNotify) },
		server.Shutdown,
		func() error { return send(server, "clear") },
		func() error { return expect(client, "clear") })
	if err != nil {
		t.Fatal(err)
	}
	if server.State() != (State{}) || client.State().CipherLog() != "" || client.PeerCertificates() != nil {
		t.Errorf("left of TLS: %+v, %+v", server.State(), client.State())
	}
	if _, err := client.Exporter(); err == nil {
		t.Error("a channel binding in clear")
	}
}

func TestCipherLog(t *testing.T) {
	t.Parallel()
	server, _ := secured(t, tls.VersionTLS13)
	if got := server.State().CipherLog(); got != "TLSv1.3:TLS_AES_128_GCM_SHA256:128" {
		t.Error(got)
	}
}

// Every suite that crypto/tls has must have its name here.
func TestCipherTable(t *testing.T) {
	t.Parallel()
	all := slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites())
	for _, suite := range all {
		if _, ok := ciphers[suite.ID]; !ok {
			t.Errorf("%s has no name", suite.Name)
		}
	}
	if len(ciphers) != len(all) {
		t.Errorf("%d names for %d suites", len(ciphers), len(all))
	}
	if name, bits := Cipher(0xfefe); name != "0xFEFE" || bits != 0 {
		t.Errorf("unknown suite: %s %d", name, bits)
	}
}

func TestDN(t *testing.T) {
	t.Parallel()
	oid := func(n ...int) asn1.ObjectIdentifier { return n }
	got := DN(pkix.Name{Names: []pkix.AttributeTypeAndValue{
		{Type: oid(2, 5, 4, 3), Value: "first"},
		{Type: oid(2, 5, 4, 6), Value: "UK"},
		{Type: oid(2, 5, 4, 10), Value: "A/CN=boss\\\r\n\x00é"},
		{Type: oid(1, 2, 840, 113549, 1, 9, 1), Value: "a@b.example"},
		{Type: oid(1, 2, 3), Value: "own"},
	}})
	want := `/CN=first/C=UK/O=A\x2FCN=boss\x5C\x0D\x0A\x00\xC3\xA9/emailAddress=a@b.example/1.2.3=own`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestServerEndPoint(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256(identity().Certificate[0])
	if got := ServerEndPoint(identity().Leaf); !bytes.Equal(got, sum[:]) {
		t.Errorf("%x", got)
	}
}

// The user's deadlines are back in force after a start and after a shutdown,
// and one that has passed costs nothing but the Read that it ended.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, peer := tcpPair(t)
			client := New(peer)
			late := func() error {
				if _, err := client.Read(make([]byte, 1)); !isTimeout(err) {
					return &unexpected{"no timeout", "one"}
				}
				return nil
			}
			client.SetReadDeadline(time.Now().Add(-time.Second))
			client.SetWriteDeadline(soon())
			serr, cerr := both(
				func() error { return server.StartServer(serverConfig(version), soon(), nil) },
				func() error { return client.StartClient(clientConfig(version), soon(), nil) })
			err := first(
				func() error { return serr },
				func() error { return cerr },
				late, late,
				client.Shutdown,
				late, late,
				func() error { return send(client, "clear") },
				func() error { return expectEnd(server, ErrCloseNotify) },
				server.Shutdown,
				func() error { return expect(server, "clear") },
				func() error { return send(server, "clear too") },
				func() error { return client.SetReadDeadline(soon()) },
				func() error { return expect(client, "clear too") })
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// THREATS ST-11: a peer that says nothing is given up at the handshake's time.
func TestHandshakeDeadline(t *testing.T) {
	t.Parallel()
	s, _ := tcpPair(t)
	if err := s.StartServer(serverConfig(0), time.Now().Add(time.Millisecond), nil); !isTimeout(err) {
		t.Errorf("ended by %v", err)
	}
}

func TestCloseEndsHandshake(t *testing.T) {
	t.Parallel()
	s, _ := tcpPair(t)
	ended := make(chan error)
	go func() { ended <- s.StartServer(serverConfig(0), time.Time{}, nil) }()
	s.Close()
	if <-ended == nil {
		t.Error("a handshake ended well on a closed socket")
	}
}

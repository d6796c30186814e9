package load

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"
)

func testTLS(t *testing.T, version uint16) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"sink.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: version, MaxVersion: version}
}

func clientTLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: "sink.test", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
}

// A session for each message on one connection, resumed from the second on.
func TestTLSShutDownAndBegunAnew(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := &Sink{Verify: true, TLS: testTLS(t, version)}
			s := &Sender{To: start(t, sink), Sessions: 1, Messages: 10, Size: 5000, Rcpt: "u%d@test", TLS: clientTLS(), Restart: true}
			sum := s.Run(t.Context())
			got := sink.Totals()
			if sum.Acked != 10 || got.Messages != 10 || got.Corrupt != 0 || got.Connections != 1 || got.Handshakes != 10 || got.Resumed != 9 || got.Shutdowns != 9 {
				t.Errorf("%+v\n%+v", sum, got)
			}
		})
	}
}

func TestTLSMisbehaviour(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end   string
		rules []string
		acked int64
	}{
		"close":             {end: "close", acked: 1},
		"rubbish":           {end: "rubbish", acked: 1},
		"refused":           {rules: []string{"STARTTLS=454"}},
		"handshake broken":  {rules: []string{"HANDSHAKE=500"}},
		"nothing of either": {acked: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := &Sink{TLS: testTLS(t, tls.VersionTLS13), AfterTLS: c.end}
			for _, r := range c.rules {
				rule, err := ParseRefusal(r)
				if err != nil {
					t.Fatal(err)
				}
				sink.Rules = append(sink.Rules, rule)
			}
			s := &Sender{To: start(t, sink), Sessions: 1, Messages: 2, Size: 100, Rcpt: "u@test", TLS: clientTLS(), Restart: true}
			if sum := s.Run(t.Context()); sum.Acked != c.acked {
				t.Errorf("%+v", sum)
			}
		})
	}
	cfg := testTLS(t, tls.VersionTLS13)
	cfg.ClientAuth = tls.RequireAnyClientCert
	s := &Sender{To: start(t, &Sink{TLS: cfg}), Sessions: 1, Messages: 1, Size: 100, Rcpt: "u@test", TLS: clientTLS()}
	if sum := s.Run(t.Context()); sum.Acked != 0 {
		t.Errorf("a client without a certificate: %+v", sum)
	}
}

package certs

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net"
	"testing"
	"time"
)

// collect makes a collection as if it had been read.
func collect(t testing.TB, members ...*issued) *Trust {
	t.Helper()
	var all [][]byte
	for _, m := range members {
		all = append(all, m.pem())
	}
	c, err := LoadTrust(write(t, t.TempDir(), "trust.pem", all...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func reasonOf(t *testing.T, err error) Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var r *Refusal
	if !errors.As(err, &r) || r.Text == "" {
		t.Fatalf("%v is no *Refusal", err)
	}
	return r.Reason
}

func TestVerify(t *testing.T) {
	t.Parallel()
	ca := issue(t, "Root", nil, authority)
	other := issue(t, "Other root", nil, authority)
	between := issue(t, "Between", ca, authority)
	oldRoot := issue(t, "Old root", nil, authority, valid(-48*time.Hour, -time.Hour))
	narrow := issue(t, "Narrow", ca, authority, func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.ExcludedDNSDomains = true, []string{"evil.test"}
	})
	self := issue(t, "self.test", nil)
	pinned := issue(t, "pinned.test", other)
	client, server := x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth
	servers := issue(t, "Servers", ca, authority, usage(server))
	oldMember := issue(t, "old.test", nil, valid(-48*time.Hour, -time.Hour))
	serverMember := issue(t, "server.test", nil, usage(server))
	trust := collect(t, ca, oldRoot, self, pinned, oldMember, serverMember)

	for _, c := range []struct {
		what string
		peer []*issued
		as   Purpose
		name string
		want Reason
	}{
		{"none", nil, OfClient, "", NoCertificate},
		{"by the CA", []*issued{issue(t, "a", ca)}, OfClient, "", ""},
		{"over one between", []*issued{issue(t, "a", between), between}, OfClient, "", ""},
		{"the one between is missing", []*issued{issue(t, "a", between)}, OfClient, "", Untrusted},
		{"another CA", []*issued{issue(t, "a", other), other}, OfClient, "", Untrusted},
		{"self-signed stranger", []*issued{issue(t, "self.test", nil)}, OfClient, "", Untrusted},
		{"itself, self-signed", []*issued{self}, OfClient, "", ""},
		{"itself, its CA unknown", []*issued{pinned}, OfClient, "", ""},
		{"itself, under any name", []*issued{pinned}, OfServer, "mx.test", ""},
		{"itself, expired", []*issued{oldMember}, OfClient, "", Expired},
		{"itself, of servers alone", []*issued{serverMember}, OfClient, "", WrongUsage},
		{"signed by a member that is no CA", []*issued{issue(t, "a", pinned), pinned}, OfClient, "", Untrusted},
		{"expired", []*issued{issue(t, "a", ca, valid(-48*time.Hour, -time.Hour))}, OfClient, "", Expired},
		{"not yet", []*issued{issue(t, "a", ca, valid(time.Hour, 48*time.Hour))}, OfClient, "", NotYetValid},
		{"its root expired", []*issued{issue(t, "a", oldRoot)}, OfClient, "", Expired},
		{"of servers alone", []*issued{issue(t, "a", ca, usage(server))}, OfClient, "", WrongUsage},
		{"of clients alone", []*issued{issue(t, "mx.test", ca, usage(client))}, OfServer, "mx.test", WrongUsage},
		{"both", []*issued{issue(t, "mx.test", ca, usage(client, server))}, OfServer, "mx.test", ""},
		{"any usage", []*issued{issue(t, "a", ca, usage(x509.ExtKeyUsageAny))}, OfClient, "", ""},
		{"its CA is for servers alone", []*issued{issue(t, "a", servers), servers}, OfClient, "", WrongUsage},

		{"name", []*issued{issue(t, "mx.test", ca)}, OfServer, "MX.test.", ""},
		{"other name", []*issued{issue(t, "mx.test", ca)}, OfServer, "mx.other", WrongName},
		{"any name", []*issued{issue(t, "mx.test", ca)}, OfServer, "", ""},
		{"common name alone", []*issued{issue(t, "mx.test", ca, sans())}, OfServer, "mx.test", WrongName},
		{"address", []*issued{issue(t, "a", ca, sans("192.0.2.1", "2001:db8::1"))}, OfServer, "2001:db8::1", ""},
		{"other address", []*issued{issue(t, "a", ca, sans("192.0.2.1"))}, OfServer, "192.0.2.2", WrongName},
		{"address as a name", []*issued{issue(t, "a", ca, sans("x.test"))}, OfServer, "192.0.2.1", WrongName},
		{"wildcard", []*issued{issue(t, "a", ca, sans("*.mx.test"))}, OfServer, "a.mx.test", ""},
		{"wildcard, two levels", []*issued{issue(t, "a", ca, sans("*.mx.test"))}, OfServer, "a.b.mx.test", WrongName},
		{"wildcard, no level", []*issued{issue(t, "a", ca, sans("*.mx.test"))}, OfServer, "mx.test", WrongName},
		{"wildcard, top level", []*issued{issue(t, "a", ca, sans("*.test"))}, OfServer, "mx.test", WrongName},
		{"wildcard in a label", []*issued{issue(t, "a", ca, sans("a*.mx.test"))}, OfServer, "ab.mx.test", WrongName},
		{"wildcard, second label", []*issued{issue(t, "a", ca, sans("a.*.test"))}, OfServer, "a.mx.test", WrongName},
		{"wildcards", []*issued{issue(t, "a", ca, sans("*.*.test"))}, OfServer, "a.mx.test", WrongName},
		{"wildcard alone", []*issued{issue(t, "a", ca, sans("*"))}, OfServer, "test", WrongName},
		{"wildcard and an A-label", []*issued{issue(t, "a", ca, sans("xn--*.mx.test"))}, OfServer, "xn--caf-dma.mx.test", WrongName},
		{"NUL", []*issued{issue(t, "a", ca, sans("good.test\x00.evil.test"))}, OfServer, "good.test", WrongName},
		{"excluded by its CA", []*issued{issue(t, "mx.evil.test", narrow), narrow}, OfServer, "mx.evil.test", Untrusted},
		{"excluded, in capitals", []*issued{issue(t, "MX.EVIL.test", narrow), narrow}, OfServer, "mx.evil.test", Untrusted},
		{"excluded, by wildcard", []*issued{issue(t, "a", narrow, sans("*.evil.test")), narrow}, OfServer, "mx.evil.test", Untrusted},
		{"not excluded", []*issued{issue(t, "mx.good.test", narrow), narrow}, OfServer, "mx.good.test", ""},
	} {
		var peer []*x509.Certificate
		for _, p := range c.peer {
			peer = append(peer, p.cert)
		}
		err := trust.Verify(peer, c.as, c.name, time.Now())
		if got := reasonOf(t, err); got != c.want {
			t.Errorf("%s: %q (%v), want %q", c.what, got, err, c.want)
		}
	}
}

// A certificate of version 1, as openssl x509 -req makes it, says nothing of
// being an authority: whose it is may not make others members.
func TestVerifyVersion1(t *testing.T) {
	t.Parallel()
	member := versionOne(t, "member")
	if member.cert.Version != 1 {
		t.Fatalf("version %d", member.cert.Version)
	}
	trust := collect(t, member)
	if err := trust.Verify([]*x509.Certificate{member.cert}, OfClient, "", time.Now()); err != nil {
		t.Errorf("the member: %v", err)
	}
	friend := issue(t, "friend", member)
	if err := trust.Verify([]*x509.Certificate{friend.cert, member.cert}, OfClient, "", time.Now()); reasonOf(t, err) != Untrusted {
		t.Errorf("a friend of the member: %v", err)
	}
}

// versionOne makes a certificate without extensions, signed by itself.
func versionOne(t *testing.T, name string) *issued {
	t.Helper()
	model := issue(t, name, nil)
	var whole struct {
		Body      asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(model.cert.Raw, &whole); err != nil {
		t.Fatal(err)
	}
	var fields []asn1.RawValue // version, serial, algorithm, issuer, validity, subject, key, extensions
	for rest := whole.Body.Bytes; len(rest) > 0; {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			t.Fatal(err)
		}
		fields = append(fields, v)
	}
	body, err := asn1.Marshal(fields[1:7])
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(body)
	sig, err := model.key.Sign(rand.Reader, hash[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	whole.Body, whole.Signature = asn1.RawValue{FullBytes: body}, asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	der, err := asn1.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{cert, model.key}
}

// A leaf with very many names is judged fast (CVE-2026-27145).
func TestVerifyManyNames(t *testing.T) {
	t.Parallel()
	ca := issue(t, "Root", nil, authority)
	leaf := issue(t, "a", ca, func(c *x509.Certificate) {
		for i := range 10000 {
			c.IPAddresses = append(c.IPAddresses, net.IPv4(10, 0, byte(i>>8), byte(i)))
		}
		c.Subject = pkix.Name{CommonName: "many"}
	})
	trust := collect(t, ca)
	start := time.Now()
	if err := trust.Verify([]*x509.Certificate{leaf.cert}, OfServer, "10.0.3.4", start); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

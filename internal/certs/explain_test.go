package certs

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	const none = "TLS handshake: tls: no cipher suite supported by both client and server; client offered: "
	many := strings.TrimSpace(strings.Repeat("c009 ", 21))
	for text, want := range map[string]string{
		"EOF":                            "EOF",
		none + "[1301 c02f 9999]":        none + "[TLS_AES_128_GCM_SHA256 ECDHE-RSA-AES128-GCM-SHA256 0x9999]",
		none + "[]":                      none + "[]",
		none + "[c0":                     none + "[c0",
		none + "[" + many + "]":          none + "[" + strings.Repeat("ECDHE-ECDSA-AES128-SHA ", 20) + "and 1 more]",
		"tls: client offered: [1301] [x": "tls: client offered: [1301] [x",
		"tls: client offered only unsupported versions: [304 303 302 301 300 7f1c]": "tls: client offered only unsupported versions: [TLSv1.3 TLSv1.2 TLSv1.1 TLSv1 SSLv3 0x7f1c]",
		"a reason: [1301] of the peer's":                                            "a reason: [1301] of the peer's",
	} {
		if got := Explain(errors.New(text)); got != want {
			t.Errorf("%s\nis  %s\nnot %s", text, got, want)
		}
	}
}

// The words that crypto/tls has for it are those that are looked for.
func TestExplainRealHandshake(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	o := plain
	o.Ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"
	r := shake(t, f.server(t, o), f.peer(tls.VersionTLS12, func(c *tls.Config) { c.CipherSuites = []uint16{0xc030} }))
	if r.serverErr == nil {
		t.Fatal("the handshake succeeded")
	}
	if got := Explain(r.serverErr); !strings.Contains(got, "client offered: [ECDHE-RSA-AES256-GCM-SHA384") {
		t.Errorf("got %s", got)
	}
}

func TestExplainRealVersions(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	o := plain
	o.Ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" // keeps TLS 1.3 out
	r := shake(t, f.server(t, o), f.peer(tls.VersionTLS13))
	if r.serverErr == nil {
		t.Fatal("the handshake succeeded")
	}
	if got := Explain(r.serverErr); !strings.HasSuffix(got, "client offered only unsupported versions: [TLSv1.3]") {
		t.Errorf("got %s", got)
	}
}

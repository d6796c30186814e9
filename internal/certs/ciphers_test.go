package certs

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"mtad/tlsstate"
)

func TestParseCiphers(t *testing.T) {
	t.Parallel()
	const modern12 = "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305"
	const all13 = "TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256"
	for _, c := range []struct{ list, want, warn string }{
		{"DES-CBC3-SHA:IDEA-CBC-MD5", "DES-CBC3-SHA", "this build cannot offer IDEA-CBC-MD5: left out; it can offer TLS_AES_128_GCM_SHA256,"}, // chapter 38.1
		{"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "keeps TLS 1.3 out"},
		{"TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", ""},
		{"TLS_AES_256_GCM_SHA384:AES128-SHA", "TLS_AES_256_GCM_SHA384 AES128-SHA", ""},
		{"DHE-RSA-AES256-SHA:EXP-RC4-MD5:AES256-SHA", "AES256-SHA", "cannot offer DHE-RSA-AES256-SHA, EXP-RC4-MD5:"},
		{"RC4-SHA:AES256-SHA", "AES256-SHA", "cannot offer RC4-SHA:"},
		{"HIGH", all13 + " " + modern12, ""},
		{"DEFAULT:!aNULL:!MD5:@STRENGTH", all13 + " " + modern12, ""},
		{"ECDHE+AESGCM:!ECDSA", "TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384", ""},
		{"CHACHA20 AES128-SHA", "TLS_CHACHA20_POLY1305_SHA256 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 AES128-SHA", ""},
		{"AES128-SHA:DES-CBC3-SHA:!3DES", "AES128-SHA", ""},
		{"!AES128-SHA:AES128-SHA:AES256-SHA", "AES256-SHA", ""},
		{"AES128-SHA:-AES128-SHA:AES256-SHA:AES128-SHA", "AES256-SHA AES128-SHA", ""},
		{"AES128-SHA:AES128-SHA:+AES128-SHA", "AES128-SHA", ""},
		{"AES128-SHA:ALL:-TLSv1.3:-ECDHE", "AES128-SHA", ""},
		{"AES256-SHA:MEDIUM", "AES256-SHA", "cannot offer MEDIUM"},
		{"AES128-SHA256:AES128-SHA:!SHA1", "AES128-SHA256", ""},
		{"ECDHE-ECDSA-AES128-SHA256:AES128-SHA256:!aRSA", "ECDHE-ECDSA-AES128-SHA256", ""},
	} {
		got, err := ParseCiphers(c.list)
		if err != nil {
			t.Errorf("%s: %v", c.list, err)
			continue
		}
		if names := strings.Join(got.Names(), " "); names != c.want {
			t.Errorf("%s: %s, want %s", c.list, names, c.want)
		}
		if w := strings.Join(got.Warnings, "\n"); !strings.Contains(w, c.warn) || c.warn == "" && strings.Contains(c.want, "TLS_") && w != "" {
			t.Errorf("%s: warnings %q, want %q", c.list, w, c.warn)
		}
	}
}

func TestParseCiphersFaults(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"DES-CBC3-SHAA":                         `unknown cipher "DES-CBC3-SHAA" (did you mean "DES-CBC3-SHA"?)`,
		"des-cbc3-sha":                          `unknown cipher "des-cbc3-sha" (did you mean "DES-CBC3-SHA"?)`,
		"HIHG":                                  `unknown cipher "HIHG" (did you mean "HIGH"?)`,
		"XYZZY":                                 `unknown cipher "XYZZY"`,
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": `(did you mean "ECDHE-RSA-AES128-GCM-SHA256"? it is OpenSSL's name)`,
		"AES1:AES128-SHAA":                      "unknown cipher \"AES1\" (did you mean \"AES\"?)\nunknown cipher \"AES128-SHAA\" (did you mean \"AES128-SHA\"?)",
		"IDEA-CBC-MD5:DHE-RSA-AES256-SHA":       "nothing is left of the list, since this build cannot offer IDEA-CBC-MD5, DHE-RSA-AES256-SHA; it can offer TLS_",
		"DHE":                                   "cannot offer DHE; it can offer",
		"":                                      "leaves no cipher",
		"AES128-SHA:!AES":                       "leaves no cipher",
		"ECDHE+XX":                              `unknown cipher "ECDHE+XX"`,
		"@FOO":                                  `unknown word "@FOO"`,
		"!":                                     `unknown cipher ""`,
	} {
		if _, err := ParseCiphers(list); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", list, err, want)
		}
	}
}

func TestCipherVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list     string
		min, max uint16
		suites   []uint16
	}{
		{"AES128-SHA", tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
		{"TLS_AES_128_GCM_SHA256", tls.VersionTLS13, 0, []uint16{}},
		{"TLS_AES_128_GCM_SHA256:AES128-SHA", tls.VersionTLS12, 0, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
	} {
		l, err := ParseCiphers(c.list)
		if err != nil {
			t.Fatal(err)
		}
		var cfg tls.Config
		l.configure(&cfg)
		if cfg.MinVersion != c.min || cfg.MaxVersion != c.max || !slices.Equal(cfg.CipherSuites, c.suites) || cfg.CipherSuites == nil {
			t.Errorf("%s: %x to %x, %x", c.list, cfg.MinVersion, cfg.MaxVersion, cfg.CipherSuites)
		}
	}
	var cfg tls.Config
	(*Ciphers)(nil).configure(&cfg)
	for _, s := range cfg.CipherSuites { // only what has forward secrecy and an AEAD without being named
		if name, _ := tlsstate.Cipher(s); !strings.HasPrefix(name, "ECDHE-") || strings.HasSuffix(name, "-SHA") {
			t.Errorf("%s is offered without being named", name)
		}
	}
}

// TestCipherTable holds the table against crypto/tls: same name, same number.
func TestCipherTable(t *testing.T) {
	t.Parallel()
	for name, suite := range offered {
		if n, ok := opensslCiphers[name]; !ok || n != uint32(suite) {
			t.Errorf("%s is %#04x in crypto/tls, %#04x in the table", name, suite, n)
		}
	}
	if len(offered) < 20 {
		t.Errorf("only %d suites", len(offered))
	}
}

func TestParseGroups(t *testing.T) {
	t.Parallel()
	got, err := ParseGroups("X25519:P-256:prime256v1:x25519mlkem768")
	if want := []tls.CurveID{tls.X25519, tls.CurveP256, tls.X25519MLKEM768}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ParseGroups(""); got != nil || err != nil {
		t.Errorf("%v, %v: not the engine's default", got, err)
	}
	if _, err := ParseGroups("X25518:P-256"); err == nil || !strings.Contains(err.Error(), `unknown group "X25518" (did you mean "X25519"?); there are X25519MLKEM768,`) {
		t.Error(err)
	}
}

func FuzzParseCiphers(f *testing.F) {
	for _, s := range []string{"", "DES-CBC3-SHA:IDEA-CBC-MD5", "HIGH:!aNULL:@STRENGTH", "ECDHE+AESGCM:-ECDSA:+AES", "!", "::,; ", "TLS_AES_128_GCM_SHA256", "X-\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		c, err := ParseCiphers(list)
		if err != nil {
			return
		}
		if len(c.Names()) == 0 || len(c.Names()) != c.tls13+len(c.tls12) {
			t.Errorf("%q: %v", list, c.Names())
		}
		again, err := ParseCiphers(strings.Join(c.Names(), ":"))
		if err != nil || !slices.Equal(again.Names(), c.Names()) {
			t.Errorf("%q: %v, then %v, %v", list, c.Names(), again, err)
		}
	})
}

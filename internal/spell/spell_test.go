package spell

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"DES-CBC3-SHA", "tls_certificate", "tls_hosts", "tls_dhparam"}
	for word, want := range map[string]string{
		"DES-CBC3-SHAA": "DES-CBC3-SHA", "des-cbc3-sha": "DES-CBC3-SHA",
		"tls_host": "tls_hosts", "tls_hsots": "tls_hosts", "tls_certifcate": "tls_certificate",
		"": "", "relay_domains": "", strings.Repeat("tls_hosts", 20): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

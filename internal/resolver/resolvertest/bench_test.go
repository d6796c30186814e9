package resolvertest_test

import (
	"net/netip"
	"testing"

	"mtad/internal/resolver"
	"mtad/internal/resolver/resolvertest"
)

// A hit costs the caller's copy, and no more.
func BenchmarkCacheHit(b *testing.B) {
	s := resolvertest.New(b, "mx.example A 192.0.2.1\nmx.example AAAA 2001:db8::1\nexample MX 1 mx.example\n1.2.0.192.in-addr.arpa PTR mx.example")
	r, err := resolver.New(resolver.Config{Servers: []string{s.Addr}, HostsFile: b.TempDir() + "/none"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.Close)
	addr := netip.MustParseAddr("192.0.2.1")
	for name, ask := range map[string]func() error{
		"addrs": func() error { _, err := r.LookupAddrs(b.Context(), "mx.example"); return err },
		"mx":    func() error { _, err := r.LookupMX(b.Context(), "example"); return err },
		"names": func() error { _, err := r.ReverseNames(b.Context(), addr); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := ask(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

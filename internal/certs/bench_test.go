package certs

import "testing"

// BenchmarkServer is what a connection pays to get its configuration.
func BenchmarkServer(b *testing.B) {
	f := newFiles(b)
	o := plain
	o.VerifyCertificates = "ca.pem"
	f.server(b, o)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.store.Server(o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkServerParallel(b *testing.B) {
	f := newFiles(b)
	f.server(b, plain)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := f.store.Server(plain); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkClient(b *testing.B) {
	f := newFiles(b)
	o := Client{VerifyCertificates: "ca.pem", VerifyName: true}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.store.Client(o, mx); err != nil {
			b.Fatal(err)
		}
	}
}

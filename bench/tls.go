package main

import (
	"crypto/tls"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"mtad/internal/certs"
	"mtad/test/interop/peer"
)

// Mail in TLS: Postfix with and without its reuse of connections in TLS, and
// mtad with each way to hand a connection on.

// tlsRun is what a scenario does in TLS: out to the next hop always, in where
// it says so. A nil one is in clear on both sides.
type tlsRun struct {
	in     bool
	relays []string
}

const (
	postfixReuse = "Postfix, reuse"
	postfixAnew  = "Postfix, no reuse"

	mtadX25519   = "mtad, shutdown, X25519"
	mtadShutdown = "mtad, shutdown"
	mtadKeep     = "mtad, keep"
	mtadClear    = "mtad, in clear"
)

// tlsRelays are compared with the first Postfix of them.
var (
	tlsRelays    = []string{postfixReuse, postfixAnew, mtadX25519, mtadShutdown, mtadKeep}
	tlsOutRelays = []string{mtadClear, mtadKeep, mtadX25519, mtadShutdown}
)

func isPostfix(relay string) bool { return strings.HasPrefix(relay, "Postfix") }

// relays are those that a scenario is measured with.
func (s *scenario) relays() []string {
	switch {
	case s.tls != nil:
		return s.tls.relays
	case s.beside:
		return []string{"Postfix", "mtad"}
	}
	return []string{"mtad"}
}

// client is what the load generator says STARTTLS with; nil: it does not.
func (t *tlsRun) client() *tls.Config {
	if t == nil || !t.in {
		return nil
	}
	return &tls.Config{InsecureSkipVerify: true, ServerName: "load.test", ClientSessionCache: tls.NewLRUClientSessionCache(0), DynamicRecordSizingDisabled: true}
}

// sinkTLS is the next hop's side.
func sinkTLS() (*tls.Config, error) {
	cert, key, err := certs.Generate(certs.Request{Hosts: []string{"sink.test", "127.0.0.1"}, Days: 1})
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	return &tls.Config{Certificates: []tls.Certificate{pair}, DynamicRecordSizingDisabled: true}, err
}

// mtad is its configuration.
func (t *tlsRun) mtad(which string) (c peer.MtadConfig) {
	if t == nil {
		return c
	}
	if t.in {
		c.Options = "tls_advertise_hosts = \"*\"\ntls_certificate = \"self-signed\"\n"
	}
	switch which {
	case mtadX25519:
		c.Transport = "tls_groups = \"X25519\"\n"
	case mtadKeep:
		c.Transport = "tls_handoff = \"keep\"\n"
	case mtadClear:
		c.Transport = "hosts_avoid_tls = \"*\"\n"
	}
	return c
}

// postfix is its main.cf, but for where mail goes. Key and certificate stand in
// dir.
func (t *tlsRun) postfix(dir, which string) (c peer.PostfixConfig, err error) {
	if t == nil {
		return c, nil
	}
	cert, key, err := certs.Generate(certs.Request{Hosts: []string{"postfix.test", "127.0.0.1"}, Days: 1})
	if err != nil {
		return c, err
	}
	file := filepath.Join(dir, "postfix.pem")
	if err := os.WriteFile(file, append(key, cert...), 0o600); err != nil {
		return c, fmt.Errorf("no certificate for Postfix: %w", err)
	}
	c.Main = map[string]string{
		"smtp_tls_security_level": "encrypt", "smtp_tls_session_cache_database": "btree:${data_directory}/smtp_scache",
		"smtp_tls_connection_reuse": map[bool]string{true: "yes", false: "no"}[which == postfixReuse],
	}
	if t.in {
		maps.Copy(c.Main, map[string]string{"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": file})
	}
	return c, nil
}

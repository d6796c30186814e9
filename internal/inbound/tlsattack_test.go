package inbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"mtad/internal/certs"
)

// CE-17: a client that returns resumes, and its certificate stands; but not past
// a change of what verified it.
func TestResumption(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, dir := tlsRig(t, `
tls_verify_hosts = "*"
tls_verify_certificates = "%s/ca${if eq{1}{1}{}}.pem"`)
		ca, file := issue(t, "CA", nil, authority), filepath.Join(dir, "ca.pem")
		ca.write(t, file, "C")
		addr := r.port("starttls")
		client, cache := withCertificate(issue(t, "client", ca)), tls.NewLRUClientSessionCache(1)
		again := func(c *tls.Config) {
			client(c)
			c.ClientSessionCache, c.ServerName = cache, "mx.ours.test"
		}
		for i := range 2 {
			k := greeted(t, addr)
			k.secure(version, again)
			k.talk("EHLO c.test", "250-", fromA, "250 ", toOurs, "250 ", "DATA", "354 ")
			k.send(aMessage)
			k.want(k.reply(), "250 ")
			if resumed := k.sock.State().Resumed; resumed != (i == 1) {
				t.Errorf("connection %d resumed: %v", i, resumed)
			}
			k.talk("QUIT", "221 ")
		}
		if n := strings.Count(strings.Join(r.log.take(), "\n"), `DN="/C=UK/O=Test/CN=client" verified=true`); n != 2 {
			t.Errorf("%d of 2 messages with the client's name", n)
		}
		issue(t, "another CA", nil, authority).write(t, file, "C")
		time.Sleep(1100 * time.Millisecond) // files are looked at once a second
		greeted(t, addr).refused(version, again)
		r.logged("TLS failed: untrusted")
	})
}

// CE-11: certificates without end cost little and do no harm.
func TestEndlessCertificates(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, dir := tlsRig(t, `
tls_verify_hosts = "*"
tls_verify_certificates = "%s/ca${if eq{1}{1}{}}.pem"`)
		ca := issue(t, "CA", nil, authority)
		ca.write(t, filepath.Join(dir, "ca.pem"), "C")
		addr := r.port("starttls")
		for _, chain := range []int{100, 1000} {
			began := time.Now()
			k := greeted(t, addr)
			k.refused(version, withCertificate(issue(t, "c", nil)), func(c *tls.Config) {
				for range chain {
					c.Certificates[0].Certificate = append(c.Certificates[0].Certificate, ca.cert.Raw)
				}
			})
			if took := time.Since(began); took > time.Second {
				t.Errorf("%d certificates took %v", chain, took)
			}
		}
		greeted(t, addr).secure(version, withCertificate(issue(t, "c", ca)))
	})
}

// HD-04: what a client puts into its ClientHello does not come out raw.
func TestControlBytesInHello(t *testing.T) {
	t.Parallel()
	r, _ := tlsRig(t, `received_header_text = "Received: sni=$tls_sni"`)
	addr := r.port("starttls")
	greeted(t, addr).refused(tls.VersionTLS13, func(c *tls.Config) { c.NextProtos = []string{"x\r\n250 fake\x1b[2J"} })
	r.logged("TLS failed: no_common_alpn")
	k := greeted(t, addr)
	k.want(k.say("STARTTLS"), "220 ")
	if k.handshake(tls.VersionTLS12, func(c *tls.Config) { c.ServerName = "a\r\nX-Fake: y\x00\x1b" }) == nil {
		k.talk("EHLO c.test", "250-", fromA, "250 ", toOurs, "250 ", "DATA", "354 ")
		k.send(aMessage)
		k.want(k.reply(), "250 ")
		_, texts := r.stored()
		field, _, _ := strings.Cut(texts[0], "\r\nSubject")
		if strings.ContainsAny(field, "\x00\x1b") || strings.Contains(field, "\nX-Fake") {
			t.Errorf("%q", field)
		}
	}
	for _, line := range r.log.take() {
		if strings.ContainsAny(line, "\r\n\x1b\x00") {
			t.Errorf("raw in the log: %q", line)
		}
	}
}

// S15: cut between two commands.
func TestS15CutAtCommand(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, _ := tlsRig(t, "")
		k := greeted(t, r.port("starttls"))
		k.secure(version)
		k.talk("EHLO c.test", "250-")
		k.sock.Close()
		r.logged("lost at command")
	})
}

// Handshakes are counted by labels that no stranger can make more of.
func TestHandshakesAreCounted(t *testing.T) {
	t.Parallel()
	r, _ := tlsRig(t, "")
	addr := r.port("starttls")
	greeted(t, addr).secure(tls.VersionTLS12)
	greeted(t, addr).refused(tls.VersionTLS13, func(c *tls.Config) { c.NextProtos = []string{fmt.Sprint("stranger", os.Getpid())} })
	r.logged("TLS failed: ")
	var b bytes.Buffer
	metrics.WritePrometheus(&b, false)
	for _, want := range []string{
		`mtad_tls_handshakes_total{side="server",version="TLSv1.2",cipher="ECDHE-ECDSA-AES128-GCM-SHA256",resumed="false",result="ok"}`,
		`mtad_tls_handshakes_total{side="server",version="",cipher="",resumed="false",result="no_common_alpn"}`,
		`mtad_tls_handshake_seconds_count{side="server",resumed="false"}`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	for _, m := range regexp.MustCompile(`mtad_tls_handshakes_total\{.*result="([^"]*)"`).FindAllStringSubmatch(b.String(), -1) {
		if m[1] != "ok" && m[1] != "unavailable" && !slices.Contains(certs.Reasons(), certs.Reason(m[1])) {
			t.Errorf("result %q", m[1])
		}
	}
}

// CE-09: a host of which it cannot be known whether it must be verified is.
func TestUnknownHostIsVerified(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		for name, refused := range map[string]bool{"mx.partner.test": true, "x.test": false, "": true} {
			r, dir := tlsRig(t, `
tls_verify_hosts = "mx.partner.test"
tls_verify_certificates = "%s/ca${if eq{1}{1}{}}.pem"`)
			issue(t, "CA", nil, authority).write(t, filepath.Join(dir, "ca.pem"), "C")
			r.srv.deps.Names = func(context.Context, netip.Addr) ([]string, error) {
				if name == "" {
					return nil, os.ErrDeadlineExceeded
				}
				return []string{name}, nil
			}
			if k := greeted(t, r.port("starttls")); refused {
				k.refused(version)
			} else {
				k.secure(version)
			}
		}
	})
}

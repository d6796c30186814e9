package auth

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"mtad/internal/auth"
	"mtad/tlsstate"
)

// client is an SMTP client. What it was answered is kept. All its waits end
// after twenty seconds.
type client struct {
	t    *testing.T
	sock *tlsstate.Socket
	held string
	all  strings.Builder
}

// dial connects from an address of this machine and takes the banner.
func dial(t *testing.T, addr, from string) *client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, sock: tlsstate.New(conn)}
	t.Cleanup(func() { c.sock.Close() })
	c.sock.SetReadDeadline(time.Now().Add(20 * time.Second))
	if banner := c.reply(); !strings.HasPrefix(banner, "220 ") {
		t.Fatalf("the banner is %q", banner)
	}
	return c
}

// reply reads one reply, "" where the connection has ended.
func (c *client) reply() string {
	c.t.Helper()
	reply := ""
	for {
		line, rest, ok := strings.Cut(c.held, "\n")
		if !ok {
			p := make([]byte, 4096)
			n, err := c.sock.Read(p)
			if c.held += string(p[:n]); n == 0 && err != nil {
				if os.IsTimeout(err) {
					c.t.Fatalf("no reply; so far %q", reply)
				}
				return reply
			}
			continue
		}
		c.held = rest
		reply += line + "\n"
		if len(line) < 4 || line[3] != '-' {
			c.all.WriteString(reply)
			return reply
		}
	}
}

func (c *client) say(line string) string {
	c.t.Helper()
	if _, err := io.WriteString(c.sock, line+"\r\n"); err != nil {
		return ""
	}
	return c.reply()
}

// talk says lines and checks how each answer begins: pairs.
func (c *client) talk(pairs ...string) {
	c.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := c.say(pairs[i]); !strings.HasPrefix(got, pairs[i+1]) {
			c.t.Errorf("%.40s: answered %q, want %q", pairs[i], got, pairs[i+1])
		}
	}
}

// secure says STARTTLS, has the handshake and says EHLO.
func (c *client) secure(version uint16, certs ...tls.Certificate) error {
	c.t.Helper()
	c.talk("STARTTLS", "220")
	cfg := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, Certificates: certs}
	if err := c.sock.StartClient(cfg, time.Now().Add(20*time.Second), nil); err != nil {
		return err
	}
	if !strings.HasPrefix(c.say("EHLO c.test"), "250") { // with TLS 1.3 a client learns here that it was refused
		return io.ErrUnexpectedEOF
	}
	return nil
}

// clear shuts TLS down and says EHLO.
func (c *client) clear() {
	c.t.Helper()
	if err := c.sock.Shutdown(); err != nil {
		c.t.Fatal(err)
	}
	c.talk("EHLO c.test", "250")
}

// prove authenticates by a mechanism, and returns the last reply.
func (c *client) prove(mechanism, driver, user, secret string) string {
	c.t.Helper()
	var of auth.Channel
	if c.sock.State().On {
		of = auth.Channel{TLS: true, Bindings: auth.Bindings(c.sock, c.sock.PeerCertificates()[0])}
	}
	offered := []string{mechanism}
	if driver == "scram" && of.TLS {
		offered = append(offered, mechanism+"-PLUS")
	}
	all, err := new(auth.Client).Choose(offered, of, []auth.Credential{{
		Driver: driver, PublicName: mechanism, User: user, Secret: secret, AllowClear: true,
	}})
	if err != nil {
		c.t.Fatal(err)
	}
	reply := c.say("AUTH " + all[0].Start())
	for strings.HasPrefix(reply, "334 ") {
		answer, err := all[0].Next(context.Background(), strings.TrimSpace(reply[4:]))
		if err != nil {
			answer = "*"
		}
		reply = c.say(answer)
	}
	return reply
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// versions are those of TLS that there are.
var versions = map[string]uint16{"TLS1.2": tls.VersionTLS12, "TLS1.3": tls.VersionTLS13}

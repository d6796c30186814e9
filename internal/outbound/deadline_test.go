package outbound

import (
	"bufio"
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"mtad/tlsstate"
)

// C3: a handshake may take command_timeout, from the 220 on: a server that is slow
// with both is not cut off early, and one that is silent not late.
func TestC3HandshakeHasItsOwnTime(t *testing.T) {
	t.Parallel()
	const slow = 4 * time.Minute // of the five that command_timeout is
	mx := world().mx
	for name, shakes := range map[string]bool{"slow": true, "silent": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				p := &peer{sock: tlsstate.New(server), cfg: serverTLS(tls.VersionTLS13, mx)}
				p.in = bufio.NewReader(p.sock)
				done := make(chan any)
				go func() {
					defer func() { done <- recover() }()
					p.hello("STARTTLS")
					p.want("STARTTLS")
					time.Sleep(slow)
					p.say("220 go ahead")
					time.Sleep(slow)
					if shakes {
						p.shake()
						p.ehlo()
					}
				}()
				s := settings(nil)
				s.TLS.Client = func(Target) (*tls.Config, bool, error) { return &tls.Config{InsecureSkipVerify: true}, false, nil }
				began := time.Now()
				conn, f := open(t.Context(), client, testTarget, s, "")
				took := time.Since(began)
				switch {
				case shakes && f != nil:
					t.Errorf("after %v: %v", took, f)
				case !shakes && (f == nil || f.Text != "H=mx.y.example [192.0.2.9]: TLS: the handshake took too long" || took != slow+s.CommandTimeout):
					t.Errorf("after %v: %v", took, f)
				}
				if broken := <-done; broken != nil {
					t.Error(broken)
				}
				if conn != nil {
					conn.Abort()
				}
				server.Close()
			})
		})
	}
}

package outbound

import (
	"io"
	"strings"
	"testing"

	"mtad/tlsstate"
)

// C11: TLS is on, and what was learnt in clear is forgotten before anything else is
// said (RFC 3207 4.2).
func TestC11SecuredForgets(t *testing.T) {
	t.Parallel()
	client, _ := tcpPair(t)
	c := &Conn{Socket: tlsstate.New(client), Extensions: Extensions{Size: true, EightBitMIME: true}}
	p := progress{greeted: true, helloed: true, tls: TLSFacts{Offered: true}}
	w := take(t.Context(), c, settings(nil))
	defer w.release()
	w.secured(&p, true)
	if e := c.Extensions; e.Size || e.EightBitMIME || p.helloed || p.tls.Offered || !p.tls.On || p.next() != sayHello {
		t.Errorf("%+v, %+v", e, p)
	}
}

// The end of a connection is told in TLS as in clear, in order or not, in the middle
// of a reply or before it.
func TestClosedInTLS(t *testing.T) {
	ends := map[string]func(*peer){
		"close_notify":                    func(p *peer) { p.sock.Shutdown() },
		"cut":                             func(*peer) {},
		"close_notify in the middle":      func(p *peer) { io.WriteString(p.sock, "25"); p.sock.Shutdown() },
		"cut in the middle":               func(p *peer) { io.WriteString(p.sock, "25") },
		"cut in the middle of two lines":  func(p *peer) { p.say("250-and") },
		"cut in the middle of the record": func(p *peer) { p.tcp.Write([]byte{23, 3, 3, 0, 99, 1}) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, version uint16) {
				conn, f := Dial(t.Context(), stage(t, serverTLS(version, world().mx), func(p *peer) {
					p.secure()
					p.want("MAIL FROM:<a@x.example>")
					end(p)
				}), tlsSettings(t, nil))
				if f != nil {
					t.Fatal(f)
				}
				defer conn.Abort()
				res := sendOne(t, conn)
				if f := res.Fault; f == nil || f.Code != -18 || f.Kind != "lost_connection" || !strings.HasPrefix(f.Text, "Remote host mx.y.example [127.0.0.1] closed connection in response to MAIL") {
					t.Errorf("%+v", f)
				}
			})
		})
	}
}

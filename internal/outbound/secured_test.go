package outbound

import (
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

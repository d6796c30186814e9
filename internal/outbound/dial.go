package outbound

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"mtad/tlsstate"
)

// Dial connects to a server and greets it: what comes back can carry a message.
// A fault has closed the connection already. ctx ends it early (Fault.Kind
// "shutdown").
func Dial(ctx context.Context, target Target, s *Settings) (*Conn, *Fault) {
	c, f := dial(ctx, target, s, "")
	if f != nil && f.inClear {
		return dial(ctx, target, s, f.Text)
	}
	return c, f
}

// dial connects once. failed is what became of TLS on another connection just
// now, where this one is to be in clear.
func dial(ctx context.Context, target Target, s *Settings, failed string) (*Conn, *Fault) {
	if !isHelo(s.Helo) {
		return nil, &Fault{Scope: ScopeHost, Kind: "connect", Text: fmt.Sprintf("helo_data is %.100q: not a host name; cannot greet %s", s.Helo, target.String())}
	}
	s.transcript.connects(&target)
	tcp, err := connect(ctx, target.Addr.String(), s)
	switch {
	case err == nil:
		return open(ctx, tcp, target, s, failed)
	case ctx.Err() != nil:
		return nil, stopped(&target, atConnect)
	}
	return nil, unreachable(&target, err)
}

// connect opens the TCP connection. Go sets TCP_NODELAY by itself; keep-alive
// probes are left out, as every wait on the connection has a time-out.
func connect(ctx context.Context, addr string, s *Settings) (net.Conn, error) {
	d := net.Dialer{Timeout: s.ConnectTimeout, KeepAlive: -1}
	if s.Interface != "" {
		local, err := netip.ParseAddr(s.Interface)
		if err != nil {
			return nil, fmt.Errorf("interface %q is no address of this host: %w", s.Interface, err)
		}
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	return d.DialContext(ctx, "tcp", addr)
}

// open greets the server behind a connection, which is its own from here on.
func open(ctx context.Context, tcp net.Conn, target Target, s *Settings, failed string) (*Conn, *Fault) {
	c := &Conn{Socket: tlsstate.New(tcp), Target: target, Clean: true, Settings: s, transcript: s.transcript}
	w := take(ctx, c, s)
	f := w.begin(&progress{scope: ScopeHost, tls: factsOf(&s.TLS, failed), auth: s.Auth.Facts()})
	w.release()
	switch {
	case f != nil && !c.failed:
		c.leave()
		return nil, f
	case f == nil && c.failed: // ctx ended just now, or the server speaks unasked
		f = outOfStep(&c.Target, ScopeHost, "EHLO "+s.Helo, "it spoke unasked")
		if ctx.Err() != nil {
			f = stopped(&c.Target, "EHLO "+s.Helo)
		}
	}
	if f != nil {
		c.Abort()
		return nil, f
	}
	return c, nil
}

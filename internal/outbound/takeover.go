package outbound

import "context"

// TakeOver makes a connection that was handed on in TLS ready for its next
// message: TLS is shut down, and the session begins anew, as the first time
// (chapter 38.3). close_notify and EHLO go out at once; what is still in the way
// of the reply, tickets and the server's close_notify, the socket reads off.
//
// A fault is of ScopeSession, as it decides nothing about the message (SPEC H3),
// and has closed the connection. Its NoCarryOn says that this server does not go
// on after the shutdown (H5).
func TakeOver(ctx context.Context, c *Conn, s *Settings) *Fault {
	c.HandedOn, c.Settings = true, s
	p := progress{greeted: true, scope: ScopeSession, tls: factsOf(&s.TLS, ""), auth: s.Auth.Facts()}
	p.tls.HandedOn, p.auth.HandedOn = true, true
	c.Authenticator = ""
	f := takeOver(ctx, c, s, &p)
	switch {
	case f != nil && !c.failed:
		c.leave()
	case f == nil && c.failed: // ctx ended just now, or the server speaks unasked
		f = outOfStep(&c.Target, ScopeSession, "EHLO "+s.Helo, "it spoke unasked")
	}
	if f != nil {
		f.NoCarryOn = p.teaches(f)
		c.Abort()
		return f
	}
	c.Clean = true
	return nil
}

func takeOver(ctx context.Context, c *Conn, s *Settings, p *progress) *Fault {
	if !c.Socket.Quiet() { // an idle connection that the server has ended: that was not the shutdown
		return outOfStep(&c.Target, ScopeSession, "TLS", "it spoke or closed before TLS was shut down")
	}
	if err := c.Socket.Shutdown(); err != nil {
		return broken(&c.Target, ScopeSession, "TLS shutdown", err)
	}
	p.down = true
	w := take(ctx, c, s)
	defer w.release()
	w.patience = s.HandoffTimeout
	if f := w.hello(p); f != nil {
		return f
	}
	w.patience = s.CommandTimeout
	return w.begin(p)
}

// teaches reports a fault that is the server's way of not going on after TLS was
// shut down (SPEC H5). What it says of its own state (4xx, 421) is not.
func (p *progress) teaches(f *Fault) bool {
	switch {
	case !p.down || p.tls.On || f.Busy:
		return false
	case !p.helloed:
		return f.Permanent || f.Kind == "lost_connection" || f.Kind == "timeout" || f.Kind == "protocol"
	}
	return p.tls.Code >= 500 || p.tls.mayStart() && !p.tls.Offered
}

package outbound

import (
	"context"
	"time"
)

// quitWait is how long the reply to QUIT is waited for: nothing depends on it.
const quitWait = 5 * time.Second

// Usable reports whether the connection is in order: it may carry another
// message (RSET comes first where it is not Clean).
func (c *Conn) Usable() bool { return c.Socket != nil && !c.failed }

// Quit ends the session in order: QUIT, a moment's wait for the reply, close.
// ctx cuts the wait short. On a connection that is not in order it is Abort.
func (c *Conn) Quit(ctx context.Context) {
	if c.Usable() {
		w := take(ctx, c, &Settings{CommandTimeout: quitWait})
		w.command(ScopeSession, "QUIT", nil)
		w.release()
		c.Socket.Shutdown() // no cut, in TLS
	}
	c.Abort()
}

// Abort closes the connection at once.
func (c *Conn) Abort() {
	if c.Socket != nil {
		c.Socket.Close()
	}
	c.failed = true
}

// leave says QUIT to a server that was of no use, and does not wait.
func (c *Conn) leave() {
	c.Socket.SetWriteDeadline(deadline(time.Second))
	c.transcript.client([]byte("QUIT\r\n"))
	c.Socket.Write([]byte("QUIT\r\n"))
	c.Socket.Shutdown()
	c.Abort()
}

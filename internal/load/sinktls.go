package load

import (
	"io"
	"slices"
	"time"
)

// AfterTLSModes are what a sink can do when the client shuts TLS down: go on in
// clear, close the connection, fall silent, or answer with what is no SMTP.
var AfterTLSModes = []string{"go-on", "close", "hang", "rubbish"}

// IsAfterTLS reports one of AfterTLSModes; "" is the first.
func IsAfterTLS(mode string) bool { return mode == "" || slices.Contains(AfterTLSModes, mode) }

// startTLS answers STARTTLS (RFC 3207 4).
func (c *sinkSession) startTLS() error {
	switch {
	case c.sink.TLS == nil:
		return c.reply("502 no TLS here")
	case c.sock.State().On:
		return c.reply("554 in TLS already")
	}
	if ok, err := c.judge("STARTTLS", "220 go ahead"); !ok || err != nil {
		return err
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	if _, hit := c.sink.rule("HANDSHAKE"); hit {
		return errHangUp
	}
	if err := c.sock.StartServer(c.sink.TLS, time.Now().Add(time.Minute), c.buf[c.r:c.w]); err != nil {
		return err
	}
	c.sink.handshakes.Add(1)
	if c.sock.State().Resumed {
		c.sink.resumed.Add(1)
	}
	c.forget()
	c.hello, c.user = false, ""
	return nil
}

// endTLS is what follows the client's close_notify between two commands.
func (c *sinkSession) endTLS() error {
	c.handedOn = true
	c.sink.shutdowns.Add(1)
	if c.sink.AfterTLS == "close" {
		return errHangUp
	}
	if err := c.sock.Shutdown(); err != nil {
		return err
	}
	c.forget()
	c.hello, c.user = false, ""
	switch c.sink.AfterTLS {
	case "hang":
		_, err := io.Copy(io.Discard, c.sock)
		if err == nil {
			err = errHangUp
		}
		return err
	case "rubbish":
		return c.reply("what do you mean?")
	}
	return nil
}

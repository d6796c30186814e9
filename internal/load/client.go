package load

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"mtad/internal/auth"
	"mtad/tlsstate"
)

// replyTimeout is how long a server may take for one reply (RFC 5321
// 4.5.3.2.6 gives it ten minutes after the final dot).
const replyTimeout = 10 * time.Minute

// reply is one reply of the server, its lines joined.
type reply struct {
	code int
	text string
}

func (r reply) ok() bool { return r.code >= 200 && r.code < 300 }

// client is one SMTP connection to the server under test.
type client struct {
	sock *tlsstate.Socket
	in   *bufio.Reader
	out  *bufio.Writer
	ext  map[string]bool // EHLO keywords
	sent int             // messages so far

	mechanisms []string // of AUTH, that EHLO offered
}

// greeting is what begins a session.
type greeting struct {
	helo        string
	tls         *tls.Config       // what STARTTLS is done with; nil: it is not said
	credentials []auth.Credential // nil: AUTH is not said
	auth        *auth.Client      // shared by all connections
}

// dial begins a session.
func dial(addr string, g *greeting) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		return nil, err
	}
	sock := tlsstate.New(conn)
	c := &client{sock: sock, in: bufio.NewReaderSize(sock, 4<<10), out: bufio.NewWriterSize(sock, 64<<10), ext: map[string]bool{}}
	if err := c.begin(g); err != nil {
		sock.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) begin(g *greeting) error {
	r, err := c.read()
	if err == nil && !r.ok() {
		err = refused{"the connection", r}
	}
	if err != nil {
		return err
	}
	return c.session(g)
}

// session says EHLO, STARTTLS and EHLO again where TLS is wanted, and AUTH.
func (c *client) session(g *greeting) error {
	err := c.reach(g.helo, g.tls)
	if err != nil || len(g.credentials) == 0 {
		return err
	}
	return c.authenticate(g.auth, g.credentials)
}

func (c *client) reach(helo string, cfg *tls.Config) error {
	err := c.hello(helo)
	if err != nil || cfg == nil {
		return err
	}
	r, err := c.command("STARTTLS")
	if err == nil && r.code != 220 {
		err = refused{"STARTTLS", r}
	}
	if err != nil {
		return err
	}
	behind, _ := c.in.Peek(c.in.Buffered())
	if err := c.sock.StartClient(cfg, time.Now().Add(time.Minute), behind); err != nil {
		return err
	}
	return c.hello(helo)
}

// restart shuts TLS down and begins the session anew, on the same connection.
func (c *client) restart(g *greeting) error {
	if err := c.sock.Shutdown(); err != nil {
		return err
	}
	return c.session(g)
}

func (c *client) hello(helo string) error {
	clear(c.ext)
	c.mechanisms = nil
	r, err := c.command("EHLO %s", helo)
	if err == nil && !r.ok() {
		r, err = c.command("HELO %s", helo)
	}
	if err == nil && !r.ok() {
		err = refused{"EHLO", r}
	}
	for _, line := range strings.Split(r.text, "\n") {
		keyword, parameters, _ := strings.Cut(line, " ")
		keyword = strings.ToUpper(keyword)
		c.ext[keyword] = true
		if keyword == "AUTH" {
			c.mechanisms = strings.Fields(parameters)
		}
	}
	return err
}

// refused is a reply that ends a connection before its first message.
type refused struct {
	what string
	r    reply
}

func (e refused) Error() string {
	return fmt.Sprintf("%s was refused: %d %s", e.what, e.r.code, e.r.text)
}

func (c *client) command(format string, args ...any) (reply, error) {
	fmt.Fprintf(c.out, format+"\r\n", args...)
	if err := c.out.Flush(); err != nil {
		return reply{}, err
	}
	return c.read()
}

func (c *client) read() (reply, error) {
	if c.in.Buffered() == 0 {
		c.sock.SetReadDeadline(time.Now().Add(replyTimeout))
	}
	var r reply
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return r, err
		}
		line = strings.TrimRight(line, "\r\n")
		if len(line) < 3 {
			return r, fmt.Errorf("reply %q is not SMTP", line)
		}
		code := int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
		if code < 200 || code > 599 || r.code != 0 && code != r.code {
			return r, fmt.Errorf("reply %q is not SMTP", line)
		}
		r.code = code
		more := len(line) > 3 && line[3] == '-'
		if r.text != "" {
			r.text += "\n"
		}
		if len(line) > 4 {
			r.text += line[4:]
		}
		if !more {
			return r, nil
		}
	}
}

func (c *client) quit() {
	c.sock.SetReadDeadline(time.Now().Add(5 * time.Second))
	c.sock.SetWriteDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprint(c.out, "QUIT\r\n")
	if c.out.Flush() == nil {
		c.in.ReadString('\n')
	}
	c.sock.Shutdown()
	c.sock.Close()
}

// abort ends the connection from another goroutine.
func (c *client) abort() { c.sock.Close() }

// result is how one transaction ended.
type result struct {
	accepted   []string // recipients that RCPT was accepted for
	last       reply    // to the end of the message, or the one that ended the transaction
	mail, dot  time.Time
	done       time.Time
	inSequence bool // the connection can take another message
}

func (r *result) acked() bool { return r.last.ok() && len(r.accepted) > 0 }

// transact sends one message. An error means that the connection is gone, and
// with it the answer.
func (c *client) transact(from string, rcpts []string, msg []byte, pipeline, bdat bool) (result, error) {
	res := result{mail: time.Now()}
	pipeline = pipeline && c.ext["PIPELINING"]
	bdat = bdat && c.ext["CHUNKING"]
	var err error
	if pipeline {
		err = c.envelopePipelined(&res, from, rcpts, bdat)
	} else {
		err = c.envelope(&res, from, rcpts, bdat)
	}
	if err != nil {
		return res, err
	}
	if len(res.accepted) == 0 {
		return res, c.reset(&res)
	}
	if err := c.body(&res, msg, bdat); err != nil {
		return res, err
	}
	res.last, err = c.read()
	res.done = time.Now()
	c.sent++
	res.inSequence = err == nil && res.last.code != 421
	return res, err
}

func (c *client) envelope(res *result, from string, rcpts []string, bdat bool) error {
	r, err := c.command("MAIL FROM:<%s>", from)
	if err != nil || !r.ok() {
		res.last = r
		return err
	}
	for _, rcpt := range rcpts {
		if r, err = c.command("RCPT TO:<%s>", rcpt); err != nil || r.code == 421 {
			res.last, res.accepted = r, nil
			return err
		}
		res.rcpt(rcpt, r)
	}
	if bdat || len(res.accepted) == 0 {
		return nil
	}
	return c.data(res, c.ask("DATA"))
}

func (c *client) envelopePipelined(res *result, from string, rcpts []string, bdat bool) error {
	fmt.Fprintf(c.out, "MAIL FROM:<%s>\r\n", from)
	for _, rcpt := range rcpts {
		c.out.WriteString("RCPT TO:<")
		c.out.WriteString(rcpt)
		c.out.WriteString(">\r\n")
	}
	if !bdat {
		c.out.WriteString("DATA\r\n")
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	mail, err := c.read()
	if err != nil || mail.code == 421 { // RFC 5321 3.8: nothing follows
		res.last = mail
		return err
	}
	for _, rcpt := range rcpts {
		r, err := c.read()
		if err != nil || r.code == 421 {
			res.last, res.accepted = r, nil
			return err
		}
		res.rcpt(rcpt, r)
	}
	if !mail.ok() {
		res.last, res.accepted = mail, nil
	}
	if bdat {
		return nil
	}
	return c.data(res, c.read)
}

func (res *result) rcpt(rcpt string, r reply) {
	if r.ok() {
		res.accepted = append(res.accepted, rcpt)
	} else {
		res.last = r
	}
}

func (c *client) ask(verb string) func() (reply, error) {
	return func() (reply, error) { return c.command("%s", verb) }
}

// data takes the reply to DATA. A server may say 354 to a transaction without
// recipients (RFC 2920 3.1): then it gets an empty message.
func (c *client) data(res *result, answer func() (reply, error)) error {
	r, err := answer()
	if err != nil {
		return err
	}
	switch {
	case r.code == 354 && len(res.accepted) == 0:
		_, err = c.command(".")
	case r.code != 354 && len(res.accepted) > 0:
		res.last, res.accepted = r, nil
	}
	return err
}

// reset ends a transaction that got nowhere.
func (c *client) reset(res *result) error {
	if res.last.code == 421 {
		return nil
	}
	r, err := c.command("RSET")
	res.inSequence = err == nil && r.ok()
	return nil // the transaction has its answer already
}

func (c *client) body(res *result, msg []byte, bdat bool) error {
	var err error
	if bdat {
		fmt.Fprintf(c.out, "BDAT %d LAST\r\n", len(msg))
		_, err = c.out.Write(msg)
	} else {
		err = writeStuffed(c.out, msg)
	}
	if err != nil {
		return err
	}
	res.dot = time.Now()
	return c.out.Flush()
}

package load

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"mtad/tlsstate"
)

// errHangUp ends a session because a rule said so.
var errHangUp = errors.New("hung up on purpose")

// maxCommand bounds a command line (RFC 5321 4.5.3.1.4 asks for 512).
const maxCommand = 8 << 10

// sinkSession is one connection. Its goroutine owns all of it.
type sinkSession struct {
	sink *Sink
	sock *tlsstate.Socket
	n    int // which connection of the sink
	out  *bufio.Writer

	buf  []byte // what was read: buf[r:w] is still to be looked at
	r, w int

	hello    bool
	user     string // who has authenticated; "": nobody
	mail     bool
	sender   string
	rcpts    []string
	msg      content
	inBDAT   bool
	messages int
	orderly  bool // QUIT was said
	handedOn bool // TLS was shut down, and no MAIL has come since
}

func newSinkSession(s *Sink, conn net.Conn, n int) *sinkSession {
	sock := tlsstate.New(conn)
	return &sinkSession{sink: s, sock: sock, n: n, out: bufio.NewWriterSize(sock, 2<<10), buf: make([]byte, 32<<10)}
}

func (c *sinkSession) run() {
	if c.apply("CONNECT", "220 sink.test ESMTP mtad sink") != nil {
		return
	}
	for {
		line, err := c.line()
		if err != nil {
			return
		}
		if c.command(line) != nil || c.orderly {
			c.out.Flush()
			return
		}
	}
}

func (c *sinkSession) ending() Ending {
	switch {
	case c.orderly:
		return Quit
	case c.handedOn:
		return CutHandedOn
	}
	return Cut
}

// fill reads more into the buffer. What it holds moves to the front first.
// Replies go out before anything is waited for.
func (c *sinkSession) fill() error {
	if err := c.out.Flush(); err != nil {
		return err
	}
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	n, err := c.sock.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// line returns the next command line without its end. It is valid until fill.
func (c *sinkSession) line() (string, error) {
	for {
		if i := bytes.IndexByte(c.buf[c.r:c.w], '\n'); i >= 0 {
			line := string(bytes.TrimRight(c.buf[c.r:c.r+i], "\r"))
			c.r += i + 1
			return line, nil
		}
		if c.w-c.r > maxCommand {
			return "", errHangUp
		}
		err := c.fill()
		if errors.Is(err, tlsstate.ErrCloseNotify) && c.r == c.w {
			err = c.endTLS()
		}
		if err != nil {
			return "", err
		}
	}
}

func (c *sinkSession) reply(text string) error {
	if c.sink.Delay > 0 {
		if err := c.out.Flush(); err != nil {
			return err
		}
		time.Sleep(c.sink.Delay)
	}
	c.out.WriteString(text)
	_, err := c.out.WriteString("\r\n")
	return err
}

// apply replies to a verb, unless a rule wants something else.
func (c *sinkSession) apply(verb, text string) error {
	_, err := c.judge(verb, text)
	return err
}

// judge is apply, and says whether the verb was let through.
func (c *sinkSession) judge(verb, text string) (bool, error) {
	rule, hit := c.sink.rule(verb)
	if !hit {
		return true, c.reply(text)
	}
	return false, c.refuse(rule)
}

// refuse does what a rule wants.
func (c *sinkSession) refuse(rule Rule) error {
	if rule.Code == 0 {
		return errHangUp
	}
	c.sink.refused.Add(1)
	err := c.reply(strconv.Itoa(rule.Code) + " refused at will")
	if err == nil && rule.Code == 421 {
		err = errHangUp
	}
	return err
}

func (c *sinkSession) command(line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	switch verb {
	case "EHLO", "HELO", "LHLO":
		return c.greet(verb)
	case "STARTTLS":
		return c.startTLS()
	case "AUTH":
		return c.authenticate(arg)
	case "MAIL":
		return c.from(arg)
	case "RCPT":
		return c.to(arg)
	case "DATA":
		return c.data()
	case "BDAT":
		return c.bdat(arg)
	case "RSET":
		c.forget()
		return c.apply(verb, "250 OK")
	case "NOOP":
		return c.apply(verb, "250 OK")
	case "QUIT":
		c.orderly = true
		return c.apply(verb, "221 bye")
	}
	return c.reply("500 unknown command")
}

func (c *sinkSession) greet(verb string) error {
	if (verb == "LHLO") != c.sink.LMTP { // RFC 2033 4.1
		return c.reply("500 wrong protocol")
	}
	c.forget()
	c.hello = true
	if verb == "HELO" {
		return c.apply(verb, "250 sink.test")
	}
	ext := c.sink.Extensions
	if ext == nil {
		ext = DefaultExtensions
	}
	lines := append([]string{"sink.test"}, ext...)
	if c.sink.TLS != nil && !c.sock.State().On {
		lines = append(lines, "STARTTLS")
	}
	if c.sink.Auth != nil && c.user == "" {
		lines = append(lines, "AUTH "+strings.Join(c.sink.Auth.Mechanisms(c.authSession()), " "))
	}
	for i := range lines {
		sep := "250-"
		if i == len(lines)-1 {
			sep = "250 "
		}
		lines[i] = sep + lines[i]
	}
	return c.apply(verb, strings.Join(lines, "\r\n"))
}

func (c *sinkSession) forget() {
	c.mail, c.sender, c.rcpts, c.inBDAT = false, "", nil, false
}

func (c *sinkSession) from(arg string) error {
	addr, ok := path(arg, "FROM:")
	switch {
	case !ok:
		return c.reply("501 MAIL FROM:<address>")
	case !c.hello || c.mail:
		return c.reply("503 not now")
	}
	c.handedOn = false
	var err error
	c.mail, err = c.judge("MAIL", "250 OK")
	c.sender = addr
	return err
}

func (c *sinkSession) to(arg string) error {
	addr, ok := path(arg, "TO:")
	switch {
	case !ok || addr == "":
		return c.reply("501 RCPT TO:<address>")
	case !c.mail:
		return c.reply("503 MAIL first")
	}
	if c.sink.Refuse != nil {
		if code := c.sink.Refuse(addr); code != 0 {
			c.sink.refused.Add(1)
			return c.reply(strconv.Itoa(code) + " refused at will")
		}
	}
	accepted, err := c.judge("RCPT", "250 OK")
	if accepted {
		c.rcpts = append(c.rcpts, addr)
	}
	return err
}

// path takes the address out of "FROM:<address> parameters".
func path(arg, prefix string) (string, bool) {
	if len(arg) < len(prefix) || !strings.EqualFold(arg[:len(prefix)], prefix) {
		return "", false
	}
	arg = strings.TrimLeft(arg[len(prefix):], " ")
	end := strings.LastIndexByte(arg, '>')
	if !strings.HasPrefix(arg, "<") || end < 0 {
		return "", false
	}
	return arg[1:end], true
}

func (c *sinkSession) data() error {
	if !c.mail || len(c.rcpts) == 0 || c.inBDAT {
		return c.reply("503 RCPT first")
	}
	if ok, err := c.judge("DATA", "354 go ahead"); !ok || err != nil {
		c.forget()
		return err
	}
	if err := c.begin(); err != nil {
		return err
	}
	if err := c.untilDot(); err != nil {
		c.drop()
		return err
	}
	return c.end()
}

// untilDot takes in a message up to CRLF.CRLF, the only end there is (RFC 5321
// 4.1.1.4), and takes the stuffed dots out.
func (c *sinkSession) untilDot() error {
	atStart := true
	for {
		b := c.buf[c.r:c.w]
		switch {
		case atStart && len(b) > 0 && b[0] == '.' && len(b) >= 3:
			if b[1] == '\r' && b[2] == '\n' {
				c.r += 3
				return nil
			}
			c.r++
			atStart = false
			continue
		case atStart && (len(b) == 0 || b[0] == '.'): // too short to tell
		default:
			var n int
			n, atStart = lineEnds(b)
			c.msg.Write(b[:n])
			c.r += n
			if atStart && c.r < c.w {
				continue
			}
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// lineEnds says how many bytes of b can be taken: up to a CRLF that a dot
// follows, or that is the last of b; all but a CR at the end otherwise.
func lineEnds(b []byte) (n int, atStart bool) {
	if i := bytes.Index(b, []byte("\r\n.")); i >= 0 {
		return i + 2, true
	}
	if bytes.HasSuffix(b, []byte("\r\n")) {
		return len(b), true
	}
	return len(bytes.TrimSuffix(b, []byte("\r"))), false
}

// bdat takes a chunk (RFC 3030 2).
func (c *sinkSession) bdat(arg string) error {
	size, last, _ := strings.Cut(arg, " ")
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 {
		return errHangUp // where the next command begins is not known
	}
	refusal := ""
	if !c.mail || len(c.rcpts) == 0 {
		refusal = "503 RCPT first"
	}
	if refusal == "" && !c.inBDAT {
		if err := c.begin(); err != nil {
			return err
		}
		c.inBDAT = true
	}
	if err := c.chunk(n, refusal == ""); err != nil {
		c.drop()
		return err
	}
	switch {
	case refusal != "":
		return c.reply(refusal)
	case strings.EqualFold(last, "LAST"):
		return c.end()
	}
	return c.apply("BDAT", "250 OK")
}

func (c *sinkSession) chunk(n int64, wanted bool) error {
	for n > 0 {
		if c.r == c.w {
			if err := c.fill(); err != nil {
				return err
			}
		}
		k := int(min(n, int64(c.w-c.r)))
		if wanted {
			c.msg.Write(c.buf[c.r : c.r+k])
		}
		c.r += k
		n -= int64(k)
	}
	return nil
}

// begin makes ready for the bytes of a message.
func (c *sinkSession) begin() error {
	c.messages++
	c.msg = newContent(c.sink.Record != nil, c.msg.head)
	if c.sink.Reports && c.sender == "" {
		c.msg.keep = new(bytes.Buffer)
		return nil
	}
	if c.sink.Keep == "" {
		return nil
	}
	f, err := c.sink.keepFile(c.n, c.messages)
	if err != nil {
		c.sink.keepFailed(err)
		return err
	}
	c.msg.keep = f
	return nil
}

// drop gives up what came of a message that has no end.
func (c *sinkSession) drop() {
	if f, ok := c.msg.keep.(io.Closer); ok {
		f.Close()
	}
}

// end judges a message that came whole, counts it and replies.
func (c *sinkSession) end() error {
	now := time.Now()
	c.msg.finish()
	c.drop()
	if c.msg.err != nil {
		c.sink.keepFailed(c.msg.err)
	}
	if c.sink.Verify {
		c.verify()
	}
	rule, hit := c.sink.rule("DOT")
	code := 250
	if hit {
		code = rule.Code
	} else {
		c.sink.account(&c.msg, c.rcpts, now)
	}
	if c.sink.Record != nil {
		c.sink.Record(Entry{Fate: Got, Text: c.text(), ID: c.msg.id, Sender: c.sender, Rcpts: c.rcpts,
			SHA: c.msg.shaHex(), Size: c.msg.size, Code: code, Conn: c.n})
	}
	replies := 1
	if c.sink.LMTP { // RFC 2033 4.2: one reply for each recipient
		replies = len(c.rcpts)
	}
	c.forget()
	return c.replyDot(rule, hit, replies)
}

// text is what Sink.Reports had kept of the message.
func (c *sinkSession) text() []byte {
	if b, kept := c.msg.keep.(*bytes.Buffer); kept {
		return b.Bytes()
	}
	return nil
}

func (c *sinkSession) verify() {
	switch {
	case c.msg.sum == "":
		c.sink.unverified.Add(1)
	case c.msg.corrupt():
		c.sink.corrupt.Add(1)
	}
}

func (c *sinkSession) replyDot(rule Rule, hit bool, replies int) error {
	text := "250 OK got it"
	if hit {
		if rule.Code == 0 {
			return errHangUp
		}
		c.sink.refused.Add(1)
		text = strconv.Itoa(rule.Code) + " refused at will"
	}
	for range replies {
		if err := c.reply(text); err != nil {
			return err
		}
	}
	if c.sink.enough > 0 && c.sink.messages.Load() >= c.sink.enough {
		err := c.out.Flush()
		c.sink.done()
		return err
	}
	return nil
}

package mainlog

import (
	"net/netip"
	"strconv"
	"time"
)

// line is one log line while its facts are said. Each method writes its fact
// in the log's format: for Exim behind lit, the constant text that precedes
// it; for JSON under name. Only what an event's function writes itself is
// taken as it is; every value goes through escape.go.
type line struct {
	log  *Log
	json bool
	buf  []byte
}

// begin starts a line; nil for a nil log.
func (l *Log) begin(event string, id ID) *line {
	if l == nil {
		return nil
	}
	n := l.lines.Get().(*line)
	n.json = l.json
	face := l.stamp.at(l.opt.Now())
	if n.json {
		n.buf = append(n.buf[:0], `{"time":"`...)
		n.buf = append(n.buf, face.json...)
		n.buf = append(n.buf, `","event":"`...)
		n.buf = append(n.buf, event...)
		n.buf = append(n.buf, '"')
	} else {
		n.buf = append(n.buf[:0], face.exim...)
	}
	n.id(" ", "id", id)
	return n
}

// target says which files a line goes to.
type target uint8

const (
	toMain   target = iota
	toReject        // and mainlog
	toPanic         // and mainlog, and standard error
)

// maxLine is the largest buffer that is kept for the next line.
const maxLine = 16 << 10

// end hands the line to its writers. n must not be used any more.
func (n *line) end(to target) {
	b, l := n.finish(), n.log
	l.main.append(b)
	switch {
	case to == toReject && l.reject != l.main:
		l.reject.append(b)
	case to == toPanic && l.panic != l.main:
		l.panic.append(b)
		l.stderr.append(b)
	}
	if cap(n.buf) <= maxLine {
		l.lines.Put(n)
	}
}

// finish ends the line's text.
func (n *line) finish() []byte {
	if n.json {
		n.buf = append(n.buf, '}')
	}
	n.buf = append(n.buf, '\n')
	return n.buf
}

// mark writes Exim's two characters for the kind of event.
func (n *line) mark(flag string) {
	if !n.json {
		n.buf = append(append(n.buf, ' '), flag...)
	}
}

// lit writes constant text that is no fact of its own.
func (n *line) lit(s string) {
	if !n.json {
		n.buf = append(n.buf, s...)
	}
}

// fact writes what only the JSON format has under a name of its own.
func (n *line) fact(name, value string) {
	if n.json {
		n.key(name)
		n.buf = appendJSON(n.buf, value, maxValue)
	}
}

// key starts a JSON member. name is a constant.
func (n *line) key(name string) {
	n.buf = append(n.buf, ',', '"')
	n.buf = append(n.buf, name...)
	n.buf = append(n.buf, '"', ':')
}

// value is the one way by which a string enters a line.
func (n *line) value(lit, name, value string, c class) {
	if n.json {
		n.fact(name, value)
		return
	}
	n.buf = append(n.buf, lit...)
	n.buf = appendEscaped(n.buf, value, c, maxValue)
}

// text writes a sentence: it may hold spaces, so it stands last or before a constant.
func (n *line) text(lit, name, value string) { n.value(lit, name, value, inText) }

// word writes a value without spaces, if there is one.
func (n *line) word(lit, name, value string) {
	if value != "" {
		n.value(lit, name, value, inWord)
	}
}

// quoted writes a value in double quotes, if there is one.
func (n *line) quoted(lit, name, value string) {
	if value == "" {
		return
	}
	n.lit(lit)
	n.value(`"`, name, value, inQuotes)
	n.lit(`"`)
}

// address writes a mail address.
func (n *line) address(lit, name, value string) { n.value(lit, name, value, inAddress) }

// bracketed writes a mail address in angle brackets; "" is the null sender.
func (n *line) bracketed(lit, name, value string) {
	n.lit(lit)
	n.value("<", name, value, inAddress)
	n.lit(">")
}

// sender writes a reverse-path as Exim does: without brackets, unless it is empty.
func (n *line) sender(name, value string) {
	if value == "" {
		n.lit(" <>")
		n.fact(name, "")
		return
	}
	n.address(" ", name, value)
}

// id writes a message id, if there is one.
func (n *line) id(lit, name string, id ID) {
	if id == (ID{}) {
		return
	}
	if n.json {
		n.key(name)
		n.buf = appendJSON(n.buf, string(id[:]), maxValue)
		return
	}
	n.buf = append(n.buf, lit...)
	n.buf = appendEscaped(n.buf, string(id[:]), inWord, maxValue)
}

func (n *line) number(lit, name string, v int64) {
	if n.json {
		n.key(name)
	} else {
		n.buf = append(n.buf, lit...)
	}
	n.buf = strconv.AppendInt(n.buf, v, 10)
}

// duration writes seconds with three decimals, if it is not 0.
func (n *line) duration(lit, name string, d time.Duration) {
	if d == 0 {
		return
	}
	if n.json {
		n.key(name)
	} else {
		n.buf = append(n.buf, lit...)
	}
	n.buf = strconv.AppendFloat(n.buf, d.Seconds(), 'f', 3, 64)
	n.lit("s")
}

// time writes a point in time, JSON only.
func (n *line) time(name string, t time.Time) {
	if n.json && !t.IsZero() {
		n.key(name)
		n.buf = append(n.buf, '"')
		n.buf = t.AppendFormat(n.buf, time.RFC3339)
		n.buf = append(n.buf, '"')
	}
}

// addr writes an IP address; its text holds nothing that needs escaping but a zone.
func (n *line) addr(name string, a netip.Addr) {
	a = a.WithZone("")
	if n.json {
		n.key(name)
		n.buf = append(n.buf, '"')
	}
	if a.IsValid() {
		n.buf = a.AppendTo(n.buf)
	} else {
		n.buf = append(n.buf, "unknown"...)
	}
	if n.json {
		n.buf = append(n.buf, '"')
	}
}

// client writes "name (helo) [ip]" with what is known; the EHLO name is left
// out where it says no more than the name or the address.
func (n *line) client(lit string, c Client) {
	n.lit(lit)
	if c.Name != "" {
		n.value("", "client_name", c.Name, inHost)
		n.lit(" ")
	}
	if n.json {
		if c.Helo != "" {
			n.fact("helo", c.Helo)
		}
	} else if c.Helo != "" && c.Helo != c.Name && !isLiteral(c.Helo, c.Addr) {
		n.value("(", "helo", c.Helo, inParens)
		n.lit(") ")
	}
	n.lit("[")
	n.addr("client_address", c.Addr)
	n.lit("]")
}

// isLiteral reports whether helo is a's own address literal (RFC 5321 4.1.3).
func isLiteral(helo string, a netip.Addr) bool {
	if len(helo) < 3 || helo[0] != '[' || helo[len(helo)-1] != ']' {
		return false
	}
	lit, err := netip.ParseAddr(helo[1 : len(helo)-1])
	return err == nil && lit == a
}

// host writes "name [ip]".
func (n *line) host(lit string, h Host) {
	n.lit(lit)
	n.value("", "host", h.Name, inHost)
	n.lit(" [")
	n.value("", "host_address", h.IP, inHost)
	n.lit("]")
}

// handedOn marks a delivery on a connection that had carried another message.
func (n *line) handedOn(yes bool) {
	if !yes {
		return
	}
	n.lit("*")
	if n.json {
		n.key("handed_on")
		n.buf = append(n.buf, "true"...)
	}
}

func (n *line) route(router, transport string) {
	n.word(" R=", "router", router)
	n.word(" T=", "transport", transport)
}

// tls writes cipher, verification (of outgoing sessions) and DN, as far as they are asked for.
func (n *line) tls(t TLS, outgoing bool) {
	if t.Cipher == "" {
		return
	}
	if !n.log.opt.HideTLSCipher {
		n.word(" X=", "tls_cipher", t.Cipher)
	}
	if outgoing || n.json {
		n.verified(t.Verified)
	}
	if n.log.opt.ShowPeerDN {
		n.quoted(" DN=", "tls_peerdn", t.PeerDN)
	}
}

func (n *line) verified(yes bool) {
	switch {
	case n.json:
		n.key("tls_verified")
		n.buf = strconv.AppendBool(n.buf, yes)
	case yes:
		n.lit(" CV=yes")
	default:
		n.lit(" CV=no")
	}
}

// auth writes A=authenticator:id.
func (n *line) auth(name, id string) {
	if name == "" {
		return
	}
	n.word(" A=", "authenticator", name)
	n.word(":", "authenticated_id", id)
}

// deferCode writes Exim's " (-38)", which its tools look for, also for 0.
func (n *line) deferCode(code int) {
	n.lit(" (")
	n.number("", "code", int64(code))
	n.lit(")")
}

// stack writes a stack trace within the line.
func (n *line) stack(trace []byte) {
	if n.json {
		n.key("stack")
		n.buf = appendJSON(n.buf, string(trace), maxStack)
		return
	}
	n.buf = append(n.buf, ` \n`...)
	n.buf = appendEscaped(n.buf, string(trace), inText, maxStack)
}

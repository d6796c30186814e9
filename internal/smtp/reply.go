package smtp

import "strconv"

// Reply is what a server answers. Replies with a meaning of their own are named
// values; a parser's error is the reply that it deserves.
type Reply struct {
	Code     int    // 211 to 599 (RFC 5321 4.2)
	Enhanced string // "5.7.1" (RFC 3463); "" where the reply takes none
	Text     string // lines are separated by \n
	Hangup   bool   // the connection is closed behind it
}

// Error makes a reply an error of a parser.
func (r *Reply) Error() string { return strconv.Itoa(r.Code) + " " + r.Text }

// With returns the reply with another text.
func (r Reply) With(text string) Reply {
	r.Text = text
	return r
}

// ThenHangup returns the reply as the last one of its connection.
func (r Reply) ThenHangup() Reply {
	r.Hangup = true
	return r
}

// maxReplyOut bounds the text of a line that we send: RFC 5321 4.5.3.1.5 allows
// 512 bytes with code and line end.
const maxReplyOut = 490

// Append writes the reply as it goes over the wire. What is not printable ASCII
// becomes a question mark: no text, whoever chose it, can end a line.
func (r Reply) Append(b []byte, enhanced bool) []byte {
	text := r.Text
	for {
		line, rest, more := cutLine(text)
		b = strconv.AppendInt(b, int64(r.Code), 10)
		if more {
			b = append(b, '-')
		} else {
			b = append(b, ' ')
		}
		if enhanced && r.Enhanced != "" {
			b = append(b, r.Enhanced...)
			b = append(b, ' ')
		}
		for i := range min(len(line), maxReplyOut) {
			b = append(b, visible(line[i]))
		}
		b = append(b, '\r', '\n')
		if !more {
			return b
		}
		text = rest
	}
}

func visible(c byte) byte {
	if c < ' ' || c > '~' {
		return '?'
	}
	return c
}

func cutLine(text string) (line, rest string, more bool) {
	for i := range len(text) {
		if text[i] == '\n' {
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}

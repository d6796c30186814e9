package load

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strconv"
	"time"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// text is what bodies are cut from: lines of 0 to 998 characters (RFC 5322
// 2.1.1), every fiftieth one with dots at its start.
var text, lineStarts = makeText()

func makeText() ([]byte, []int) {
	const alphabet = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.,0123456789"
	rnd := rand.New(rand.NewPCG(5321, 5322))
	var text []byte
	var starts []int
	for len(text) < 256<<10 {
		starts = append(starts, len(text))
		n := rnd.IntN(80)
		if len(starts)%17 == 0 {
			n = 998
		}
		for i := range n {
			if i < 2 && len(starts)%50 == 0 {
				text = append(text, '.')
				continue
			}
			text = append(text, alphabet[rnd.IntN(len(alphabet))])
		}
		text = append(text, "\r\n"...)
	}
	return text, starts
}

// appendMessage appends message n of this run to dst: size bytes in all (never
// fewer than its header needs), CRLF line ends, not dot-stuffed.
func appendMessage(dst []byte, id, from, to, helo string, n, size int, file []byte, now time.Time) []byte {
	start := len(dst)
	dst = append(dst, "X-Mtad-Id: "+id+"\r\nX-Mtad-Sum: "...)
	sum := len(dst)
	dst = append(dst, "00000000\r\nX-Mtad-Sent: "...)
	dst = strconv.AppendInt(dst, now.UnixNano(), 10)
	dst = append(dst, "\r\n"...)
	if file != nil {
		dst = append(dst, file...)
	} else {
		dst = appendHeader(dst, id, from, to, helo, now)
		dst = appendBody(dst, n, size-(len(dst)-start))
	}
	crc := crc32.Checksum(dst[sum+len("00000000\r\n"):], castagnoli)
	copy(dst[sum:], fmt.Sprintf("%08x", crc))
	return dst
}

func appendHeader(dst []byte, id, from, to, helo string, now time.Time) []byte {
	dst = append(dst, "From: <"+from+">\r\nTo: <"+to+">\r\nSubject: load test "+id+"\r\nMessage-ID: <"+id+"@"+helo+">\r\nDate: "...)
	dst = now.AppendFormat(dst, time.RFC1123Z)
	return append(dst, "\r\n\r\n"+id+"\r\n"...)
}

// appendBody appends left bytes of lines, starting at a line that n decides.
func appendBody(dst []byte, n, left int) []byte {
	from := lineStarts[n*7919%len(lineStarts)]
	for left > 2 {
		k := min(left-2, len(text)-from)
		dst = append(dst, text[from:from+k]...)
		left -= k
		from = 0
	}
	dst = bytes.TrimRight(dst, "\r\n")
	return append(dst, "\r\n"...)
}

// normalise gives a message from a file CRLF line ends, and one at its end.
func normalise(file []byte) []byte {
	file = bytes.ReplaceAll(file, []byte("\r\n"), []byte("\n"))
	file = bytes.ReplaceAll(bytes.TrimRight(file, "\n"), []byte("\n"), []byte("\r\n"))
	return append(file, "\r\n"...)
}

// writeStuffed writes a message with the dot of RFC 5321 4.5.2 put before
// lines that begin with one, and the final dot.
func writeStuffed(w io.Writer, msg []byte) error {
	if msg[0] == '.' {
		if _, err := io.WriteString(w, "."); err != nil {
			return err
		}
	}
	for {
		i := bytes.Index(msg, []byte("\r\n."))
		if i < 0 {
			break
		}
		if _, err := w.Write(msg[:i+3]); err != nil {
			return err
		}
		msg = msg[i+2:] // the dot once more
	}
	if _, err := w.Write(msg); err != nil {
		return err
	}
	_, err := io.WriteString(w, ".\r\n")
	return err
}

// headMax bounds what of a header is kept while its own lines are looked for.
const headMax = 64 << 10

// content takes in a message piece by piece and says whose it is and whether
// it is whole. Its zero value counts; hashing is asked for.
type content struct {
	sha  hash.Hash // nil: no SHA-256
	keep io.Writer // nil: not kept

	size     int64
	head     []byte
	headDone bool

	id   string    // X-Mtad-Id, else Message-ID, else ""
	sent time.Time // X-Mtad-Sent
	sum  string    // X-Mtad-Sum
	crc  uint32
	err  error // of keep
}

func newContent(wantSHA bool, head []byte) content {
	c := content{head: head[:0]}
	if wantSHA {
		c.sha = sha256.New()
	}
	return c
}

// Write takes the next piece, dots taken out.
func (c *content) Write(p []byte) (int, error) {
	c.size += int64(len(p))
	if c.keep != nil && c.err == nil {
		_, c.err = c.keep.Write(p)
	}
	if c.headDone {
		c.body(p)
		return len(p), nil
	}
	from := max(0, len(c.head)-3)
	c.head = append(c.head, p...)
	if end := bytes.Index(c.head[from:], []byte("\r\n\r\n")); end >= 0 {
		c.parseHead(from + end + 4)
	} else if len(c.head) > headMax {
		c.parseHead(len(c.head))
	}
	return len(p), nil
}

func (c *content) body(p []byte) {
	if c.sum != "" {
		c.crc = crc32.Update(c.crc, castagnoli, p)
	}
	if c.sha != nil {
		c.sha.Write(p)
	}
}

// parseHead finds our lines in a header of end bytes. The SHA-256 starts at
// X-Mtad-Id, or, in a message that is not ours, behind the header.
func (c *content) parseHead(end int) {
	c.headDone = true
	head, shaFrom := c.head[:end], end
	if id, at, _ := field(head, "X-Mtad-Id"); at >= 0 {
		c.id, shaFrom = id, at
	} else if id, at, _ := field(head, "Message-Id"); at >= 0 {
		c.id = id
	}
	if v, at, _ := field(head, "X-Mtad-Sent"); at >= 0 {
		if ns, err := strconv.ParseInt(v, 10, 64); err == nil {
			c.sent = time.Unix(0, ns)
		}
	}
	if v, at, next := field(head, "X-Mtad-Sum"); at >= 0 {
		c.sum = v
		c.crc = crc32.Update(0, castagnoli, c.head[next:])
	}
	if c.sha != nil {
		c.sha.Write(c.head[shaFrom:])
	}
}

// field finds a header field: its value, where its line starts (-1: nowhere),
// and where the next line starts.
func field(head []byte, name string) (value string, at, next int) {
	for at < len(head) {
		next = len(head)
		if i := bytes.IndexByte(head[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		line := head[at:next]
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return string(bytes.TrimSpace(line[len(name)+1:])), at, next
		}
		at = next
	}
	return "", -1, -1
}

// finish is called at the end of the message.
func (c *content) finish() {
	if !c.headDone {
		c.parseHead(len(c.head))
	}
}

// corrupt reports whether a message of ours came with other bytes than it was
// sent with. One without our header cannot be judged, and is not.
func (c *content) corrupt() bool {
	return c.sum != "" && c.sum != fmt.Sprintf("%08x", c.crc)
}

func (c *content) shaHex() string {
	if c.sha == nil {
		return ""
	}
	return hex.EncodeToString(c.sha.Sum(nil))
}

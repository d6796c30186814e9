package outbound

import (
	"io"
	"net"
	"time"
)

// content is a message as it is kept: dot-stuffed lines, each with its CRLF,
// without the final dot. *spool.Body is one.
type content interface {
	Buffers() net.Buffers // nil: it streams
	io.WriterTo
}

var dot = []byte(".\r\n")

// send writes the message and its final dot. It ends in one of three ways: nil;
// a fault of the connection; a fault of the message, whose bytes could not be
// had or do not end as they must: then the connection was cut before the dot, so
// that what the server has is no message.
func (w *wire) send(body content) *Fault {
	if bufs := body.Buffers(); bufs != nil {
		return w.sendBuffers(bufs)
	}
	b := blocks{w: w, tail: [2]byte{'\r', '\n'}}
	_, err := body.WriteTo(&b)
	switch {
	case b.err != nil:
		return w.cut(b.err)
	case err != nil:
		return w.unreadable(err.Error())
	case b.tail != [2]byte{'\r', '\n'}:
		return w.unreadable("its last line has no end")
	}
	if _, err := b.Write(dot); err != nil {
		return w.cut(err)
	}
	return nil
}

// sendBuffers writes a message that is in memory together with the dot.
func (w *wire) sendBuffers(bufs net.Buffers) *Fault {
	w.vec = w.vec[:0]
	tail := [2]byte{'\r', '\n'}
	for _, b := range bufs {
		w.vec = append(w.vec, b)
		shift(&tail, b)
	}
	if tail != [2]byte{'\r', '\n'} {
		return w.unreadable("its last line has no end")
	}
	w.vec = append(w.vec, dot)
	w.bufs = w.vec // WriteBuffers eats its argument; vec is the whole of it
	w.conn.Socket.SetWriteDeadline(deadline(w.set.DataTimeout))
	if _, err := w.conn.Socket.WriteBuffers(&w.bufs); err != nil {
		return w.cut(err)
	}
	return nil
}

// blocks is where a streamed message is written to: each block has its own time.
type blocks struct {
	w    *wire
	tail [2]byte // the last two bytes written
	err  error   // of the connection
}

func (b *blocks) Write(p []byte) (int, error) {
	b.w.conn.Socket.SetWriteDeadline(deadline(b.w.set.DataTimeout))
	n, err := b.w.conn.Socket.Write(p)
	shift(&b.tail, p[:n])
	if err != nil {
		b.err = err
	}
	return n, err
}

// shift moves the last bytes of p into tail.
func shift(tail *[2]byte, p []byte) {
	switch n := len(p); n {
	case 0:
	case 1:
		tail[0], tail[1] = tail[1], p[0]
	default:
		tail[0], tail[1] = p[n-2], p[n-1]
	}
}

// cut is a connection that ended before the dot was out. A server that refuses a
// message in the middle and closes has often said why.
func (w *wire) cut(err error) *Fault {
	f := w.lost(ScopeMessage, atBody, err)
	if f.Kind != "lost_connection" {
		return f
	}
	if a, err := w.reply(time.Second, nil); err == nil && a.Code >= 400 {
		if a.Code == 421 {
			return w.busy(ScopeMessage, atBody, a)
		}
		return refusal(&w.conn.Target, ScopeMessage, atBody, a)
	}
	return f
}

// unreadable cuts the connection because of our own message.
func (w *wire) unreadable(why string) *Fault {
	w.conn.Abort()
	if w.ctx.Err() != nil {
		return stopped(&w.conn.Target, atBody)
	}
	return &Fault{Scope: ScopeMessage, Kind: "spool", Text: clip("cannot read the message from the spool: " + why)}
}

package outbound

import (
	"context"
	"net"
	"sync"
	"time"

	"mtad/internal/smtp"
)

// wire is a connection while it is spoken on: commands are gathered, written in
// one piece, and their replies counted. It lasts for one Dial or Deliver; what
// memory it needs is lent to it, so that an idle connection has none.
type wire struct {
	ctx    context.Context
	conn   *Conn
	set    *Settings
	unhook func() bool // keeps ctx from closing the socket
	// patience is how long the reply to a command may take.
	patience time.Duration
	quick    bool // what is written next has its reply acknowledged at once
	*scratch
}

type scratch struct {
	replies smtp.ReplyReader
	out     []byte   // commands not yet written
	vec     [][]byte // the body on its way out
	bufs    net.Buffers
	faults  []*Fault
}

var scratches = sync.Pool{New: func() any { return &scratch{out: make([]byte, 0, 512)} }}

// take begins to speak on a connection; release ends it.
func take(ctx context.Context, c *Conn, s *Settings) *wire {
	w := &wire{ctx: ctx, conn: c, set: s, patience: s.CommandTimeout, scratch: scratches.Get().(*scratch)}
	w.unhook = context.AfterFunc(ctx, func() { c.Socket.Close() })
	return w
}

// release gives the memory back. A server that has said more than it was asked
// has a connection that nothing can be read from any more.
func (w *wire) release() {
	if !w.unhook() || w.replies.Buffered() > 0 {
		w.conn.failed = true
	}
	w.replies.Reset()
	w.out = w.out[:0]
	clear(w.vec)
	w.vec, w.bufs = w.vec[:0], nil
	clear(w.faults)
	if cap(w.out) <= 2*groupBytes && cap(w.vec) <= 1024 && cap(w.faults) <= 1024 {
		scratches.Put(w.scratch)
	}
	w.scratch = nil
}

// command writes one command and takes the reply to it. A reply other than 2xx
// is given back with the fault it is.
func (w *wire) command(scope Scope, line string, keyword func([]byte)) (smtp.Answer, *Fault) {
	if w.speaks() {
		return smtp.Answer{}, w.spoke(scope, line)
	}
	w.out = append(append(w.out, line...), "\r\n"...)
	if err := w.flush(); err != nil {
		return smtp.Answer{}, w.lost(scope, line, err)
	}
	return w.answer(scope, line, keyword)
}

func (w *wire) answer(scope Scope, after string, keyword func([]byte)) (smtp.Answer, *Fault) {
	a, err := w.reply(w.patience, keyword)
	switch {
	case err != nil:
		return a, w.lost(scope, after, err)
	case a.Code == 421:
		return a, w.busy(scope, after, a)
	case a.Code/100 == 3:
		return a, w.outOfStep(scope, after, a.String())
	case !a.Positive():
		return a, refusal(&w.conn.Target, scope, after, a)
	}
	return a, nil
}

// flush writes the commands gathered, in one piece.
func (w *wire) flush() error {
	w.conn.Socket.SetWriteDeadline(deadline(w.set.CommandTimeout))
	w.conn.transcript.client(w.out)
	_, err := w.conn.Socket.Write(w.out)
	w.out = w.out[:0]
	if w.quick {
		w.conn.Socket.QuickAck()
		w.quick = false
	}
	return err
}

// reply takes the next reply. Its time begins when it has to be waited for.
func (w *wire) reply(timeout time.Duration, keyword func([]byte)) (smtp.Answer, error) {
	if w.replies.Buffered() == 0 {
		w.conn.Socket.SetReadDeadline(deadline(timeout))
	}
	a, err := w.replies.Read(w.conn.Socket, keyword)
	w.conn.transcript.server(a, err)
	return a, err
}

// speaks reports that something waits to be read while we are the one to speak:
// it would be taken for the answer to what comes next. One system call.
func (w *wire) speaks() bool {
	return w.replies.Buffered() > 0 || w.conn.Socket.Pending()
}

// spoke is the fault of a server that speaks unasked.
func (w *wire) spoke(scope Scope, after string) *Fault {
	a, err := w.reply(time.Second, nil)
	switch {
	case err != nil:
		return w.lost(scope, after, err)
	case a.Code == 421:
		return w.busy(scope, after, a)
	}
	return w.outOfStep(scope, after, "it spoke unasked: "+a.String())
}

// lost, busy and outOfStep are the faults after which a connection is good for
// nothing.

func (w *wire) lost(scope Scope, after string, err error) *Fault {
	w.conn.failed = true
	if w.ctx.Err() != nil {
		return stopped(&w.conn.Target, after)
	}
	return broken(&w.conn.Target, scope, after, err)
}

func (w *wire) busy(scope Scope, after string, a smtp.Answer) *Fault {
	w.conn.failed = true
	return busy(&w.conn.Target, scope, after, a)
}

func (w *wire) outOfStep(scope Scope, after, what string) *Fault {
	w.conn.failed = true
	return outOfStep(&w.conn.Target, scope, after, what)
}

// deadline is the end of a time-out that begins now; 0 has none.
func deadline(timeout time.Duration) time.Time {
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

package inbound

import (
	"strconv"

	"mtad/internal/mainlog"
	"mtad/internal/smtp"
)

// chunks is a message that comes by BDAT (RFC 3030).
type chunks struct {
	msg   *message
	stuff smtp.Stuffer
}

// maxSwallow is how much of a refused chunk is read; a larger one ends the
// session.
const maxSwallow = 256 << 20

// bdat takes one chunk. Its bytes are never read as anything else: they are
// taken in, or swallowed to the last one, whatever the answer.
func bdat(s *session, arg []byte) smtp.Reply {
	size, last, err := smtp.ParseBdat(arg)
	if err != nil {
		return replyTo(err)
	}
	if r, refused := s.refuseChunk(size, last); refused {
		return s.swallow(size, r)
	}
	if s.txn.chunks == nil {
		s.txn.chunks = &chunks{msg: s.newMessage()}
	}
	c := s.txn.chunks
	if err := c.read(size); err != nil {
		return c.msg.cut(err)
	}
	if last || c.msg.refused() {
		return c.end()
	}
	return chunkOK.With(strconv.FormatInt(size, 10) + " octets received")
}

// refuseChunk decides before the chunk is read.
func (s *session) refuseChunk(size int64, last bool) (smtp.Reply, bool) {
	if r, missing := s.missing(needHello | needMail | needRcpt); missing {
		return r, true
	}
	if size < smallChunk && !last {
		s.tally.chunks++
	}
	switch {
	case !s.hello.chunking:
		return bdatUnoffered, true
	case size == 0 && !last:
		return zeroChunk, true
	case s.tally.chunks > maxSmallChunks:
		rejectedChunks.Inc()
		return s.dropped(tooManyChunks), true
	case size > s.cfg.MessageSizeLimit:
		rejectedDataSize.Inc()
		r := s.reject(mainlog.StageData, "", messageTooBig)
		s.forgetTransaction()
		return r, true
	}
	return smtp.Reply{}, false
}

// swallow reads a refused chunk, and returns the refusal.
func (s *session) swallow(size int64, r smtp.Reply) smtp.Reply {
	if size > maxSwallow {
		return r.ThenHangup()
	}
	m := &message{s: s}
	err := m.pieces(size, func([]byte) {})
	if err != nil {
		return m.cut(err)
	}
	return r
}

// read takes a chunk of the given size into the message.
func (c *chunks) read(size int64) error {
	return c.msg.pieces(size, func(p []byte) {
		m := c.msg
		m.head.scan(p)
		if m.refused() {
			return
		}
		if err := c.stuff.Stuff(m.draft, p); err != nil {
			m.fault(err)
		}
		m.check(&c.stuff.Text, 0)
	})
}

// pieces reads size bytes, and hands them on as they come.
func (m *message) pieces(size int64, take func([]byte)) error {
	m.s.beginBody()
	scratch := scratchPool.Get().(*[scratchSize]byte)
	defer scratchPool.Put(scratch)
	for size > 0 {
		n, err := m.s.readBody(scratch[:min(size, scratchSize)])
		if err != nil {
			return err
		}
		size -= int64(n)
		take(scratch[:n])
	}
	return nil
}

// end ends the message, by its last chunk or because it is refused.
func (c *chunks) end() smtp.Reply {
	if !c.msg.refused() {
		if err := c.stuff.Finish(c.msg.draft); err != nil {
			c.msg.fault(err)
		}
	}
	return c.msg.end(&c.stuff.Text)
}

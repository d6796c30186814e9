package inbound

import "mtad/internal/smtp"

// data takes a message up to CRLF.CRLF (RFC 5321 4.1.1.4).
func data(s *session, _ []byte) smtp.Reply {
	countCommand(byName["DATA"], goAhead.Code)
	s.answer(goAhead)
	m := s.newMessage()
	defer m.discard() // does nothing to one that was committed
	var scan smtp.DotScanner
	if err := m.readDots(&scan); err != nil {
		return m.cut(err)
	}
	return m.end(&scan.Text)
}

// readDots reads to the end of DATA. The socket is read straight into the
// draft, and the bytes stay as they came: dots and all.
func (m *message) readDots(scan *smtp.DotScanner) error {
	m.s.beginBody()
	var scratch *[scratchSize]byte
	defer func() {
		if scratch != nil {
			scratchPool.Put(scratch)
		}
	}()
	for {
		var space []byte
		if m.refused() {
			if scratch == nil {
				scratch = scratchPool.Get().(*[scratchSize]byte)
			}
			space = scratch[:]
		} else {
			space = m.draft.Space(minRead)
		}
		held := copy(space, ".\r"[:scan.Held()])
		n, err := m.s.readBody(space[held:])
		if err != nil {
			return err
		}
		if m.take(scan, space[:held+n], held) {
			return nil
		}
	}
}

// take looks at what was read, the first held bytes of it for the second time,
// and keeps what is text for certain. It reports the end of DATA; what stands
// behind that are commands.
func (m *message) take(scan *smtp.DotScanner, space []byte, held int) bool {
	n, end := scan.Scan(space[held:])
	keep := held + n - scan.Held()
	if end {
		m.s.in.Unread(space[held+n:])
		keep = held + n - len(".\r\n")
	}
	m.head.scan(space[:keep])
	m.check(&scan.Text, keep)
	if !m.refused() {
		if err := m.draft.Advance(keep); err != nil {
			m.fault(err)
		}
	}
	return end
}

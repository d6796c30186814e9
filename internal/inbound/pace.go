package inbound

import "time"

// pace holds a message to a rate: each window of smtp_receive_timeout has to
// bring minRate bytes a second. One deadline stands for a whole window, so that
// a fast client costs one a hundred thousand bytes, and one that sends a byte
// now and then gets no new one for it.
type pace struct {
	window time.Duration
	until  time.Time // the end of this window
	owed   int64     // bytes that this window has still to bring
}

// minRate is in bytes a second: Postfix's smtpd_min_data_rate.
const minRate = 500

// begin opens a window.
func (p *pace) begin(window time.Duration) {
	p.window = window
	p.until = time.Now().Add(window)
	p.owed = max(1, int64(window.Seconds()*minRate))
}

// progress takes note of n bytes and reports whether a new window has begun.
func (p *pace) progress(n int) bool {
	if p.owed -= int64(n); p.owed > 0 {
		return false
	}
	p.begin(p.window)
	return true
}

// readBody reads bytes of a message. Its deadline is the pace's.
func (s *session) readBody(p []byte) (int, error) {
	if s.in.Buffered() == 0 {
		if err := s.flush(); err != nil { // the client may wait for them
			return 0, err
		}
	}
	for {
		n, err := s.in.Read(s.sock, p)
		if n > 0 {
			if s.pace.progress(n) {
				s.sock.SetReadDeadline(s.pace.until)
			}
			return n, nil
		}
		if !isTimeout(err) || !time.Now().Before(s.pace.until) {
			return 0, err
		}
		s.sock.SetReadDeadline(s.pace.until) // Drain woke us, and this message may still end
	}
}

// beginBody opens the first window of a message, or of a chunk.
func (s *session) beginBody() {
	s.pace.begin(s.cfg.SMTPReceiveTimeout)
	s.sock.SetReadDeadline(s.pace.until)
}

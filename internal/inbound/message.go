package inbound

import (
	"errors"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"mtad/internal/mainlog"
	"mtad/internal/smtp"
	"mtad/spool"
)

// message is the text of a message on its way into a draft. Once it is refused
// its bytes go nowhere, but are still read to their end.
type message struct {
	s     *session
	draft *spool.Draft // nil: refused
	head  headers

	refusal smtp.Reply
	reason  *metrics.Counter // counts the refusal; nil: none yet
}

func (s *session) newMessage() *message {
	return &message{s: s, draft: s.srv.deps.Spool.NewDraft()}
}

// minRead is the least room for a read that is asked of the draft: what is left
// of its present chunk is used first, whatever the pieces that a client sends.
const minRead = 1 << 10

// scratchSize is the room for a read that goes into no draft.
const scratchSize = 64 << 10

var scratchPool = sync.Pool{New: func() any { return new([scratchSize]byte) }}

// refuse gives a message up; the first reason stands.
func (m *message) refuse(r smtp.Reply, reason *metrics.Counter) {
	if m.reason == nil {
		m.refusal, m.reason = r, reason
		m.discard()
	}
}

func (m *message) refused() bool { return m.reason != nil }

func (m *message) discard() {
	if m.draft != nil {
		m.draft.Discard()
		m.draft = nil
	}
}

// check judges what has been seen so far: the text's form, the header's size,
// and how large the message would be with n bytes more.
func (m *message) check(text *smtp.Text, n int) {
	switch {
	case m.refused():
	case text.Fault != smtp.NoFault:
		m.refuse(faultyText.With("message refused: it has "+text.Fault.String()), rejectedLineEnds)
	case m.draft.Len()+int64(n)-text.Stuffed > m.s.cfg.MessageSizeLimit:
		m.refuse(messageTooBig, rejectedDataSize)
	case m.head.tooBig():
		m.refuse(headerTooBig, rejectedHeader)
	}
}

// fault gives a message up that the spool could not keep.
func (m *message) fault(err error) {
	if errors.Is(err, spool.ErrFull) {
		m.refuse(spaceShortage, rejectedDataSpace)
	} else {
		m.refuse(localError, rejectedDataSpool)
	}
}

// end judges the whole message and, where it is good, makes it durable: only
// then is 250 the answer (RFC 5321 4.2.5). The transaction is over either way.
func (m *message) end(text *smtp.Text) smtp.Reply {
	s := m.s
	defer s.forgetTransaction()
	m.head.finish()
	m.check(text, 0)
	if m.head.received > s.cfg.ReceivedHeadersMax {
		m.refuse(tooManyReceived, rejectedLoop)
	}
	if !m.refused() {
		if err := m.commit(text); err != nil {
			m.fault(err)
		}
	}
	if m.refused() {
		m.reason.Inc()
		return s.reject(mainlog.StageAfterData, "", m.refusal)
	}
	return accepted.With(accepted.Text + s.txn.env.ID.String())
}

// commit: on stable storage first, told later.
func (m *message) commit(text *smtp.Text) error {
	s, env := m.s, m.s.txn.env
	m.fill(env, text)
	m.draft.Envelope = env
	if err := s.srv.deps.Spool.Commit(&spool.Batch{New: []*spool.Draft{m.draft}}); err != nil {
		return err
	}
	messagesReceived.Inc()
	bytesReceived.Add(int(env.Size))
	s.tally.messages++
	s.tally.junk, s.tally.chunks = 0, 0
	s.logReceived(env)
	s.srv.deps.Arrived(env)
	return nil
}

// fill completes the envelope, and puts our field on top of the message: where
// that has no header, with the empty line that parts it from the text.
func (m *message) fill(env *spool.Envelope, text *smtp.Text) {
	s := m.s
	env.ID = s.srv.deps.Spool.NextID()
	env.Received = time.Now()
	env.ClientAddr = s.client
	env.Helo = s.hello.name
	env.Protocol = s.protocol()
	env.AuthID = s.identity.id
	env.MessageID = m.head.messageID
	env.EightBit = env.EightBit || text.EightBit
	env.Size = m.draft.Len() - text.Stuffed // for $message_size
	header := s.receivedHeader(env)
	if s.submission() {
		header = m.appendMissing(header, env)
	}
	if !m.head.begins && m.draft.Len() > 0 {
		header = append(header, "\r\n"...)
	}
	m.draft.Header = header
	env.WireSize = int64(len(header)) + m.draft.Len()
	env.Size = env.WireSize - text.Stuffed
}

// appendMissing adds what a message must have, and a program that submits one
// may have left out (RFC 6409 8.2, 8.3; RFC 5322 3.6).
func (m *message) appendMissing(header []byte, env *spool.Envelope) []byte {
	if !m.head.date {
		header = append(env.Received.AppendFormat(append(header, "Date: "...), time.RFC1123Z), "\r\n"...)
	}
	if !m.head.id {
		env.MessageID = "E" + env.ID.String() + "@" + m.s.cfg.PrimaryHostname // as Exim's
		header = append(append(append(header, "Message-ID: <"...), env.MessageID...), ">\r\n"...)
	}
	return header
}

func (s *session) logReceived(env *spool.Envelope) {
	var tlsFacts mainlog.TLS
	if st := s.sock.State(); st.On {
		tlsFacts = mainlog.TLS{Cipher: st.CipherLog(), Verified: s.sock.PeerCertificates() != nil, PeerDN: st.PeerDN} // one is asked for only to be verified
	}
	s.srv.deps.Log.Received(mainlog.Reception{
		ID: env.ID, Sender: env.Sender, Client: s.who(), Protocol: env.Protocol,
		TLS: tlsFacts, Authenticator: s.identity.authenticator, AuthID: s.identity.id,
		Size: env.Size, MessageID: env.MessageID, Recipients: len(env.Recipients),
	})
}

// cut ends a session whose message was cut off: it never existed. Its draft is
// given back by who began it.
func (m *message) cut(err error) smtp.Reply {
	s := m.s
	if isTimeout(err) {
		rejectedDataTimeout.Inc()
		s.lost(mainlog.StageData, true)
		return s.named(dataTimeout)
	}
	s.lost(mainlog.StageData, false)
	s.fail(err)
	return smtp.Reply{Code: 421} // nobody hears it; it is counted
}

package resolver

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Sizes and patience of one exchange.
const (
	udpSize    = 1232 // what we announce by EDNS0: fits every path unfragmented (RFC 9715)
	udpRoom    = 4096 // what we read, for servers that do not listen
	maxStrays  = 20   // messages that answer nothing we asked, before UDP is given up
	pastMoment = 1    // seconds since 1970: a deadline that has passed
)

var (
	errDoubt   = errors.New("its answers over UDP are in doubt") // ask over TCP, where nobody can interpose blindly
	errGarbage = errors.New("answered what makes no sense")
)

// sent is a question as it went out, for answers to be held against.
type sent struct {
	id    uint16
	name  string // with the case of its letters as sent
	qtype uint16
	tcp   bool
}

// exchange asks one server once and returns its answer. The socket is new, so
// that the port is as hard to guess as the id and the case of the letters.
func (r *Resolver) exchange(ctx context.Context, network, addr string, q question, edns bool) (*message, error) {
	conn, err := r.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(pastMoment, 0)) })
	defer stop()

	out, s, err := pack(q, network == "tcp", edns)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(out); err != nil {
		return nil, err
	}
	if s.tcp {
		return s.readTCP(conn)
	}
	return s.readUDP(conn)
}

// pack writes a question, for TCP with its length before it.
func pack(q question, tcp, edns bool) ([]byte, sent, error) {
	s := sent{id: dns.Id(), name: mixCase(q.name + "."), qtype: q.qtype, tcp: tcp}
	m := dns.Msg{
		MsgHdr:   dns.MsgHdr{Id: s.id, RecursionDesired: true},
		Question: []dns.Question{{Name: s.name, Qtype: s.qtype, Qclass: dns.ClassINET}},
	}
	if edns {
		m.SetEdns0(udpSize, false)
	}
	out, err := m.Pack()
	if err != nil || !tcp {
		return out, s, err
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...), s, nil
}

// mixCase gives each letter of a lower case name one of its two forms by lot:
// bits that an answer must bring back (0x20, draft-vixie-dnsext-dns0x20).
func mixCase(name string) string {
	var lots [32]byte
	rand.Read(lots[:])
	mixed := []byte(name)
	for i, c := range mixed {
		if 'a' <= c && c <= 'z' && lots[i/8%len(lots)]>>(i%8)&1 == 1 {
			mixed[i] -= 'a' - 'A'
		}
	}
	return string(mixed)
}

// readUDP waits for the answer and passes over what is none.
func (s sent) readUDP(conn net.Conn) (*message, error) {
	buf := make([]byte, udpRoom)
	for range maxStrays {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		m, err := s.accept(buf[:n])
		if m != nil || err != nil {
			return m, err
		}
		ignoredTotal.Inc()
	}
	return nil, errDoubt
}

// readTCP reads the one answer.
func (s sent) readTCP(conn net.Conn) (*message, error) {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return nil, err
	}
	m, err := s.accept(buf)
	if m == nil && err == nil {
		return nil, fmt.Errorf("%w: another question's answer", errGarbage)
	}
	return m, err
}

// accept holds a message against the question (RFC 5452 9). Neither message nor
// error: it is not an answer to this.
func (s sent) accept(msg []byte) (*message, error) {
	h, ok := parseHeader(msg)
	if !ok || h.id != s.id || h.bits&bitResponse == 0 || h.bits&maskOpcode != 0 {
		return nil, nil
	}
	if h.counts[0] == 0 && h.bits&maskRcode != 0 { // some refuse without saying what
		return s.refusal(h)
	}
	name, qtype, qclass, end, err := parseQuestion(msg)
	if h.counts[0] != 1 || err != nil || qtype != s.qtype || qclass != dns.ClassINET || !strings.EqualFold(name, s.name) {
		return nil, nil
	}
	if name != s.name && !s.tcp {
		return nil, errDoubt
	}
	m, err := parseMessage(msg, h, end)
	if err != nil || m.truncated && s.tcp {
		return nil, fmt.Errorf("%w (%d bytes)", errGarbage, len(msg))
	}
	return m, nil
}

// refusal is an error reply that does not repeat the question: over UDP anybody
// who guesses the id could have sent it.
func (s sent) refusal(h header) (*message, error) {
	if !s.tcp {
		return nil, errDoubt
	}
	return &message{rcode: int(h.bits & maskRcode)}, nil
}

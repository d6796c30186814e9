package resolver

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Bits of the second word of a message's header: RFC 1035 4.1.1.
const (
	bitResponse      = 1 << 15
	maskOpcode       = 0xf << 11
	bitAuthoritative = 1 << 10
	bitTruncated     = 1 << 9
	bitRecursion     = 1 << 7 // recursion available
	maskRcode        = 0xf
	headerSize       = 12
)

// message is what of a DNS message concerns us. Records of types that nobody
// asks for are stepped over unread.
type message struct {
	rcode     int // the extended one (RFC 6891 6.1.3) where there is one
	truncated bool
	serves    bool     // the server is a recursive or an authoritative one for this
	answers   []record // of the answer section, class IN
	soaTTL    uint32   // how long "no" holds (RFC 2308 5); 0 without SOA
}

// record is one record of the answer section. Names are canonical: lower case,
// escaped as in zone files, without a dot at the end.
type record struct {
	owner      string
	rtype      uint16
	ttl        uint32     // seconds
	addr       netip.Addr // A, AAAA
	name       string     // CNAME, MX, PTR; "" is the root
	preference uint16     // MX
}

var errMalformed = errors.New("malformed message")

// header is the fixed part of a message.
type header struct {
	id, bits uint16
	counts   [4]int // question, answer, authority, additional
}

func parseHeader(msg []byte) (header, bool) {
	if len(msg) < headerSize {
		return header{}, false
	}
	word := func(i int) uint16 { return binary.BigEndian.Uint16(msg[2*i:]) }
	h := header{id: word(0), bits: word(1)}
	for i := range h.counts {
		h.counts[i] = int(word(2 + i))
	}
	return h, true
}

// parseQuestion returns the one question of a message, its name as it is
// written there, and where it ends.
func parseQuestion(msg []byte) (name string, qtype, qclass uint16, end int, err error) {
	name, end, err = dns.UnpackDomainName(msg, headerSize)
	if err != nil || end+4 > len(msg) {
		return "", 0, 0, 0, errMalformed
	}
	return name, binary.BigEndian.Uint16(msg[end:]), binary.BigEndian.Uint16(msg[end+2:]), end + 4, nil
}

// parseMessage reads a message whose header and question were found to be an
// answer to ours. off is where the question ends.
func parseMessage(msg []byte, h header, off int) (*message, error) {
	m := &message{
		rcode:     int(h.bits & maskRcode),
		truncated: h.bits&bitTruncated != 0,
		serves:    h.bits&(bitAuthoritative|bitRecursion) != 0,
	}
	if m.truncated {
		return m, nil // whatever is in it is to be had whole over TCP
	}
	for section := 1; section < len(h.counts); section++ {
		for range h.counts[section] {
			raw, end, err := parseRecord(msg, off)
			if err == nil {
				err = m.take(section, msg, raw)
			}
			if err != nil {
				return nil, err
			}
			off = end
		}
	}
	return m, nil
}

// rawRecord is a record whose data is still in the message.
type rawRecord struct {
	owner      string
	rtype      uint16
	class      uint16
	ttl        uint32
	start, end int // of its data
}

func parseRecord(msg []byte, off int) (rawRecord, int, error) {
	owner, off, err := dns.UnpackDomainName(msg, off)
	if err != nil || off+10 > len(msg) {
		return rawRecord{}, 0, errMalformed
	}
	r := rawRecord{
		owner: canonical(owner),
		rtype: binary.BigEndian.Uint16(msg[off:]),
		class: binary.BigEndian.Uint16(msg[off+2:]),
		ttl:   binary.BigEndian.Uint32(msg[off+4:]),
		start: off + 10,
	}
	r.end = r.start + int(binary.BigEndian.Uint16(msg[off+8:]))
	if r.end > len(msg) {
		return rawRecord{}, 0, errMalformed
	}
	return r, r.end, nil
}

const (
	sectionAnswer = 1 + iota
	sectionAuthority
	sectionAdditional
)

// take keeps what a record says, if it is of use where it stands.
func (m *message) take(section int, msg []byte, r rawRecord) error {
	switch {
	case section == sectionAdditional && r.rtype == dns.TypeOPT:
		m.rcode |= int(r.ttl>>24) << 4 // RFC 6891 6.1.3
	case r.class != dns.ClassINET:
	case section == sectionAuthority && r.rtype == dns.TypeSOA && r.end-r.start >= 22:
		m.soaTTL = min(lifetime(r.ttl), lifetime(binary.BigEndian.Uint32(msg[r.end-4:])))
	case section == sectionAnswer:
		return m.takeAnswer(msg, r)
	}
	return nil
}

func (m *message) takeAnswer(msg []byte, r rawRecord) error {
	rec := record{owner: r.owner, rtype: r.rtype, ttl: lifetime(r.ttl)}
	data, ok := msg[r.start:r.end], true
	switch r.rtype {
	case dns.TypeA:
		rec.addr, ok = netip.AddrFromSlice(data)
		ok = ok && rec.addr.Is4()
	case dns.TypeAAAA:
		rec.addr, ok = netip.AddrFromSlice(data)
		ok = ok && rec.addr.Is6()
		rec.addr = rec.addr.Unmap()
	case dns.TypeCNAME, dns.TypePTR:
		rec.name, ok = parseName(msg, r.start, r.end)
	case dns.TypeMX:
		if len(data) < 3 {
			return errMalformed
		}
		rec.preference = binary.BigEndian.Uint16(data)
		rec.name, ok = parseName(msg, r.start+2, r.end)
	default:
		return nil
	}
	if !ok {
		return errMalformed
	}
	m.answers = append(m.answers, rec)
	return nil
}

// parseName reads a name that fills a record's data from off to end.
func parseName(msg []byte, off, end int) (string, bool) {
	name, next, err := dns.UnpackDomainName(msg, off)
	return canonical(name), err == nil && next == end
}

// lifetime is a TTL in seconds; one with the top bit set counts as none: RFC
// 2181 8.
func lifetime(ttl uint32) uint32 {
	if ttl > 1<<31-1 {
		return 0
	}
	return ttl
}

// canonical is a name of a message as we compare it.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

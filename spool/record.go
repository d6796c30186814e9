package spool

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
	"unique"
)

// A record is type (1 byte), length of the value (4 bytes), value. A reader
// passes over types that it does not know. Records say what is, never what
// changed by how much, so that reading one twice is harmless.
const (
	recNew     = 1 + iota // a message; its bytes follow the records of its piece
	recOutcome            // the state of one recipient
	recFreeze             // the frozen mark of a message
	recHost               // what is known of a host
	recNextID             // counters below this one are taken
	recMoved              // the bytes of a message, written anew
	recMessage            // a message with all its state: checkpoints only
	recEnd                // the last record of a checkpoint: how many messages it has
	recGone               // a message was set aside
	recWarned             // how many delay warnings a message has had; behind its recMessage in checkpoints
	recReroute            // where an operator sends a recipient; in checkpoints as recWarned
)

var errRecord = errors.New("malformed record")

// record is any of them, decoded. Which fields count depends on typ. The
// byte slices point into what was decoded.
type record struct {
	typ    byte
	id     ID
	place  place       // recNew, recMoved: n and crc only; recMessage: all
	env    []byte      // recNew, recMessage: the packed envelope
	states []rcptState // recMessage: nil when nothing happened yet
	rcpt   int         // recOutcome, recReroute
	state  rcptState   // recOutcome
	frozen bool        // recFreeze, recMessage
	warned uint8       // recWarned
	to     string      // recReroute
	host   HostFact    // recHost
	n      uint64      // recNextID, recEnd
}

// place is where the bytes of a message are that stand in a segment: all of
// them, or, for a large message, its Header.
type place struct {
	seg uint32
	off uint32
	n   uint32
	crc uint32
}

// rcptState is what changes of a Recipient. Texts are shared: a million
// messages that wait for one host wait for one reason.
type rcptState struct {
	text     unique.Handle[string]
	first    int64 // nanoseconds since the epoch, 0 for never
	last     int64
	attempts uint32
	state    State
	warned   uint8 // of the message, in its first recipient's
}

// begin and end frame a record around what is appended between them.
func begin(dst []byte, typ byte) ([]byte, int) {
	dst = append(dst, typ, 0, 0, 0, 0)
	return dst, len(dst)
}

func end(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start-4:], uint32(len(dst)-start))
	return dst
}

func appendNew(dst []byte, id ID, n, crc uint32, e *Envelope, f *fileBody) []byte {
	dst, at := begin(dst, recNew)
	dst = append(dst, id[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, n)
	dst = binary.LittleEndian.AppendUint32(dst, crc)
	return end(appendEnvelope(dst, e, f), at)
}

func appendOutcome(dst []byte, o *Outcome) []byte {
	dst, at := begin(dst, recOutcome)
	dst = append(dst, o.ID[:]...)
	dst = binary.AppendUvarint(dst, uint64(o.Rcpt))
	return end(appendState(dst, stateOf(o)), at)
}

func stateOf(o *Outcome) rcptState {
	return rcptState{
		text: unique.Make(clean(o.Error)), first: nanos(o.FirstFail), last: nanos(o.At),
		attempts: uint32(o.Attempts), state: o.State,
	}
}

func appendState(dst []byte, st rcptState) []byte {
	dst = append(dst, byte(st.state))
	dst = binary.AppendUvarint(dst, uint64(st.attempts))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(st.first))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(st.last))
	return appendBytes(dst, st.text.Value())
}

func appendFreeze(dst []byte, f Freeze) []byte {
	dst, at := begin(dst, recFreeze)
	dst = append(dst, f.ID[:]...)
	return end(append(dst, flag(f.Frozen)), at)
}

func appendWarned(dst []byte, id ID, n uint8) []byte {
	dst, at := begin(dst, recWarned)
	dst = append(dst, id[:]...)
	return end(append(dst, n), at)
}

func appendReroute(dst []byte, id ID, rcpt int, to string) []byte {
	dst, at := begin(dst, recReroute)
	dst = append(dst, id[:]...)
	dst = binary.AppendUvarint(dst, uint64(rcpt))
	return end(append(dst, to...), at)
}

func appendHost(dst []byte, h HostFact) []byte {
	dst, at := begin(dst, recHost)
	dst = appendBytes(dst, h.Key)
	return end(appendBytes(dst, h.Value), at)
}

func appendNextID(dst []byte, n uint64) []byte { return appendCount(dst, recNextID, n) }

func appendCount(dst []byte, typ byte, n uint64) []byte {
	dst, at := begin(dst, typ)
	return end(binary.LittleEndian.AppendUint64(dst, n), at)
}

func appendMoved(dst []byte, id ID, n, crc uint32) []byte {
	dst, at := begin(dst, recMoved)
	dst = append(dst, id[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, n)
	return end(binary.LittleEndian.AppendUint32(dst, crc), at)
}

func appendGone(dst []byte, id ID) []byte {
	dst, at := begin(dst, recGone)
	return end(append(dst, id[:]...), at)
}

func appendMessage(dst []byte, id ID, e *entry) []byte {
	dst, at := begin(dst, recMessage)
	dst = append(dst, id[:]...)
	for _, v := range [...]uint32{e.seg, e.off, e.n, e.crc} {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	dst = append(dst, flag(e.frozen()))
	dst = binary.AppendUvarint(dst, uint64(len(e.states)))
	for i := range e.states {
		dst = appendState(dst, e.states[i])
	}
	return end(append(dst, e.env...), at)
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func appendBytes[T string | []byte](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// clean bounds a text for a log or a bounce to 1 KB and takes control bytes out.
func clean(s string) string {
	ok := len(s) <= 1024 && utf8.ValidString(s)
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] >= ' ' && s[i] != 127
	}
	if ok {
		return s
	}
	b := make([]byte, 0, min(len(s), 1024))
	for _, r := range s {
		if r < ' ' || r >= 127 && r < 160 {
			r = ' '
		}
		if len(b)+utf8.RuneLen(r) > 1024 {
			break
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b)
}

// nextRecord cuts the first record off b.
func nextRecord(b []byte) (typ byte, value, rest []byte, err error) {
	if len(b) < 5 {
		return 0, nil, nil, errRecord
	}
	n := binary.LittleEndian.Uint32(b[1:])
	if uint64(n) > uint64(len(b)-5) {
		return 0, nil, nil, errRecord
	}
	return b[0], b[5 : 5+n], b[5+n:], nil
}

// decodeRecord understands one value. A type that is not known gives a record
// of that type and nothing else.
func decodeRecord(typ byte, value []byte) (r record, err error) {
	d := decoder{b: value}
	r.typ = typ
	switch typ {
	case recNew:
		r.id, r.place.n, r.place.crc, r.env = d.id(), d.u32(), d.u32(), d.rest()
	case recOutcome:
		r.id, r.rcpt, r.state = d.id(), int(d.uvarint(1<<16)), d.state()
	case recFreeze:
		r.id, r.frozen = d.id(), d.u8() != 0
	case recWarned:
		r.id, r.warned = d.id(), d.u8()
	case recReroute:
		r.id, r.rcpt, r.to = d.id(), int(d.uvarint(1<<16)), string(d.rest())
	case recHost:
		r.host = HostFact{Key: string(d.bytes()), Value: d.bytes()}
	case recNextID, recEnd:
		r.n = d.u64()
	case recMoved:
		r.id, r.place.n, r.place.crc = d.id(), d.u32(), d.u32()
	case recGone:
		r.id = d.id()
	case recMessage:
		r.id = d.id()
		r.place = place{seg: d.u32(), off: d.u32(), n: d.u32(), crc: d.u32()}
		r.frozen = d.u8() != 0
		if n := d.uvarint(1 << 16); n > 0 && int(n)*18 <= len(d.b) {
			r.states = make([]rcptState, n)
			for i := range r.states {
				r.states[i] = d.state()
			}
		} else if n > 0 {
			d.bad = true
		}
		r.env = d.rest()
	}
	if d.bad {
		return record{}, errRecord
	}
	return r, nil
}

// decoder takes values off the front of b; after the first that is not there,
// bad is set and all are zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || n < 0 || n > len(d.b) {
		d.bad = true
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) id() (id ID) {
	copy(id[:], d.take(len(id)))
	if _, _, _, ok := id.split(); !ok {
		d.bad = true
	}
	return id
}

func (d *decoder) u8() byte {
	if p := d.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if p := d.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if p := d.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// uvarint takes a number that must not be over limit.
func (d *decoder) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > limit {
		d.bad = true
		return 0
	}
	d.take(n)
	return v
}

func (d *decoder) bytes() []byte { return d.take(int(d.uvarint(1 << 30))) }

func (d *decoder) rest() []byte { return d.take(len(d.b)) }

func (d *decoder) state() (st rcptState) {
	st.state = State(d.u8())
	st.attempts = uint32(d.uvarint(1<<32 - 1))
	st.first, st.last = int64(d.u64()), int64(d.u64())
	st.text = unique.Make(string(d.bytes()))
	if st.state > Discarded {
		d.bad = true
	}
	return st
}

package spool

import (
	"encoding/binary"
	"time"
)

// A packed envelope is what of an Envelope never changes, as it stands in
// records and, one string a message, in memory: fields of tag (1 byte), length
// (uvarint), value. A reader passes over tags that it does not know.
const (
	tagReceived = 1 + iota
	tagSender
	tagRecipient // once for each: NOTIFY, length and bytes of the address, ORCPT
	tagEnvID
	tagFlags // RET, 8BITMIME, frozen at birth
	tagSize
	tagWireSize
	tagClientAddr
	tagClientName
	tagHelo
	tagProtocol
	tagAuthID
	tagMessageID
	tagFile // a body in a file of its own: name, length, CRC
)

const (
	flagRet      = 3
	flagEightBit = 4
	flagFrozen   = 8
)

// fileBody is the part of a large message that stands in a file of its own.
type fileBody struct {
	name ID // an id of its own where the message had none yet when the file was begun
	n    int64
	crc  uint32
}

func appendEnvelope(dst []byte, e *Envelope, f *fileBody) []byte {
	dst = appendInt(dst, tagReceived, nanos(e.Received))
	dst = appendField(dst, tagSender, e.Sender)
	for i := range e.Recipients {
		dst = appendRecipient(dst, &e.Recipients[i])
	}
	dst = appendField(dst, tagEnvID, e.EnvID)
	flags := byte(e.Ret)&flagRet | flag(e.EightBit)*flagEightBit | flag(e.Frozen)*flagFrozen
	dst = append(dst, tagFlags, 1, flags)
	dst = appendInt(dst, tagSize, e.Size)
	dst = appendInt(dst, tagWireSize, e.WireSize)
	if addr, err := e.ClientAddr.MarshalBinary(); err == nil && e.ClientAddr.IsValid() {
		dst = appendField(dst, tagClientAddr, addr)
	}
	dst = appendField(dst, tagClientName, e.ClientName)
	dst = appendField(dst, tagHelo, e.Helo)
	dst = appendField(dst, tagProtocol, e.Protocol)
	dst = appendField(dst, tagAuthID, e.AuthID)
	dst = appendField(dst, tagMessageID, e.MessageID)
	if f != nil {
		dst = append(dst, tagFile, byte(len(f.name)+12))
		dst = append(dst, f.name[:]...)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(f.n))
		dst = binary.LittleEndian.AppendUint32(dst, f.crc)
	}
	return dst
}

func appendRecipient(dst []byte, r *Recipient) []byte {
	var size [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(size[:], uint64(len(r.Address)))
	dst = append(dst, tagRecipient)
	dst = binary.AppendUvarint(dst, uint64(1+n+len(r.Address)+len(r.Orcpt)))
	dst = append(dst, byte(r.Notify))
	dst = append(dst, size[:n]...)
	dst = append(dst, r.Address...)
	return append(dst, r.Orcpt...)
}

// appendField leaves out what is empty.
func appendField[T string | []byte](dst []byte, tag byte, v T) []byte {
	if len(v) == 0 {
		return dst
	}
	return appendBytes(append(dst, tag), v)
}

// appendInt writes a number of 8 bytes without the zeros at its top.
func appendInt(dst []byte, tag byte, v int64) []byte {
	if v == 0 {
		return dst
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(v))
	n := 8
	for b[n-1] == 0 {
		n--
	}
	return appendField(dst, tag, b[:n])
}

func readInt(p []byte) int64 {
	var b [8]byte
	copy(b[:], p)
	return int64(binary.LittleEndian.Uint64(b[:]))
}

// unpackEnvelope is the inverse of appendEnvelope; f is nil for a message
// without a file.
func unpackEnvelope(packed string) (e *Envelope, f *fileBody, err error) {
	e = &Envelope{}
	err = eachField(packed, func(tag byte, v string) bool {
		switch tag {
		case tagReceived:
			e.Received = moment(readInt([]byte(v)))
		case tagSender:
			e.Sender = v
		case tagRecipient:
			r, ok := unpackRecipient(v)
			e.Recipients = append(e.Recipients, r)
			return ok
		case tagEnvID:
			e.EnvID = v
		case tagFlags:
			if v != "" {
				e.Ret, e.EightBit, e.Frozen = Ret(v[0]&flagRet), v[0]&flagEightBit != 0, v[0]&flagFrozen != 0
			}
		case tagSize:
			e.Size = readInt([]byte(v))
		case tagWireSize:
			e.WireSize = readInt([]byte(v))
		case tagClientAddr:
			_ = e.ClientAddr.UnmarshalBinary([]byte(v)) // stays zero if it is none
		case tagClientName:
			e.ClientName = v
		case tagHelo:
			e.Helo = v
		case tagProtocol:
			e.Protocol = v
		case tagAuthID:
			e.AuthID = v
		case tagMessageID:
			e.MessageID = v
		case tagFile:
			f = unpackFile(v)
			return f != nil
		}
		return true
	})
	return e, f, err
}

func unpackRecipient(v string) (r Recipient, ok bool) {
	if v == "" {
		return r, false
	}
	n, width := uvarintString(v[1:])
	if width == 0 || n > uint64(len(v)-1-width) {
		return r, false
	}
	rest := v[1+width:]
	return Recipient{Notify: Notify(v[0]), Address: rest[:n], Orcpt: rest[n:]}, true
}

func unpackFile(v string) *fileBody {
	d := decoder{b: []byte(v)}
	f := &fileBody{name: d.id(), n: int64(d.u64()), crc: d.u32()}
	if d.bad || f.n < 0 {
		return nil
	}
	return f
}

// eachField calls f for each field until it says no.
func eachField(packed string, f func(tag byte, v string) bool) error {
	for len(packed) > 0 {
		tag := packed[0]
		n, width := uvarintString(packed[1:])
		if width <= 0 || n > uint64(len(packed)-1-width) {
			return errRecord
		}
		v := packed[1+width : 1+width+int(n)]
		packed = packed[1+width+int(n):]
		if !f(tag, v) {
			return errRecord
		}
	}
	return nil
}

// uvarintString is binary.Uvarint without a copy of the string.
func uvarintString(s string) (v uint64, width int) {
	for i := 0; i < len(s) && i < 5; i++ {
		v |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// peek finds what the index wants to know of a packed envelope without making
// an Envelope of it.
func peek(packed string) (rcpts int, frozen bool, f *fileBody, err error) {
	err = eachField(packed, func(tag byte, v string) bool {
		switch tag {
		case tagRecipient:
			rcpts++
			_, ok := unpackRecipient(v)
			return ok
		case tagFlags:
			frozen = v != "" && v[0]&flagFrozen != 0
		case tagFile:
			f = unpackFile(v)
			return f != nil
		}
		return true
	})
	if err == nil && (rcpts == 0 || rcpts > maxRecipients) {
		err = errRecord
	}
	return rcpts, frozen, f, err
}

// nanos and moment keep the zero time zero.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

package certs

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// SubjectHash is the name, without ".0", that `openssl x509 -hash` gives to the
// certificate with this subject (DER): SHA-1 over the canonical form, of which
// the first four bytes are a little-endian number.
func SubjectHash(rawSubject []byte) (string, error) {
	canonical, err := canonicalName(rawSubject)
	if err != nil {
		return "", err
	}
	sum := sha1.Sum(canonical)
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sum[:])), nil
}

// SubjectHashOld is the same for OpenSSL before 1.0.0 (-subject_hash_old): MD5
// over the DER.
func SubjectHashOld(rawSubject []byte) string {
	sum := md5.Sum(rawSubject)
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sum[:]))
}

type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type attributeSET []attribute // encoding/asn1 knows a SET by the end of its type's name

// canonicalName is a DN as OpenSSL compares it: its sets one after another,
// strings in UTF-8 and lower case, white space at the ends taken away and
// elsewhere one blank.
func canonicalName(raw []byte) ([]byte, error) {
	var name []attributeSET
	if rest, err := asn1.Unmarshal(raw, &name); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("faulty subject: %v", err)
	}
	var out []byte
	for _, set := range name {
		for i := range set {
			if s, ok := text(set[i].Value); ok {
				set[i].Value = asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(canonicalText(s))}
			}
		}
		der, err := asn1.Marshal(set)
		if err != nil {
			return nil, fmt.Errorf("faulty subject: %w", err)
		}
		out = append(out, der...)
	}
	return out, nil
}

const (
	tagVisibleString   = 26
	tagUniversalString = 28
)

// text returns a string of the kinds that OpenSSL makes canonical.
func text(v asn1.RawValue) (string, bool) {
	if v.Class != asn1.ClassUniversal {
		return "", false
	}
	var b strings.Builder
	switch v.Tag {
	case asn1.TagUTF8String:
		return string(v.Bytes), true
	case asn1.TagPrintableString, asn1.TagT61String, asn1.TagIA5String, tagVisibleString: // read as Latin-1
		for _, c := range v.Bytes {
			b.WriteRune(rune(c))
		}
	case asn1.TagBMPString:
		var units []uint16
		for p := v.Bytes; len(p) >= 2; p = p[2:] {
			units = append(units, binary.BigEndian.Uint16(p))
		}
		return string(utf16.Decode(units)), true
	case tagUniversalString:
		for p := v.Bytes; len(p) >= 4; p = p[4:] {
			b.WriteRune(rune(binary.BigEndian.Uint32(p)))
		}
	default:
		return "", false
	}
	return b.String(), true
}

func canonicalText(s string) string {
	const space = " \t\n\v\f\r"
	s = strings.Trim(s, space)
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case strings.IndexByte(space, c) >= 0:
			if out[len(out)-1] != ' ' {
				out = append(out, ' ')
			}
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

package mainlog

import (
	"unicode"
	"unicode/utf8"
)

// No byte of the network's choosing may break a line, fake one, or reach a
// terminal as a command. So every value is bounded and escaped by one of the
// two functions here: control bytes, bytes that are not UTF-8, and characters
// that are not for printing (among them U+202E and its kin, which turn text
// around) never get through.

// maxValue is how many bytes of a value are logged; maxStack is for stack traces.
const (
	maxValue = 2048
	maxStack = 8192
)

// cut stands at the end of a value that was too long.
const cut = "..."

// class says where in an Exim line a value stands, and so which printable
// ASCII bytes would end it and are escaped too.
type class uint8

const (
	inText    class = 1 << iota // a sentence: nothing more
	inQuotes                    // " \
	inWord                      // space " \
	inAddress                   // space < > \
	inParens                    // space ( ) < > " \
	inHost                      // as inParens, and [ ]
)

// unsafeASCII has, for each ASCII byte, the classes in which it is escaped.
var unsafeASCII = func() (t [utf8.RuneSelf]class) {
	for b := range t {
		if b < ' ' || b == 0x7f {
			t[b] = ^class(0)
		}
	}
	t['\\'] |= inQuotes | inWord | inAddress | inParens | inHost
	t['"'] |= inQuotes | inWord | inParens | inHost
	t[' '] |= inWord | inAddress | inParens | inHost
	for _, b := range "<>" {
		t[b] |= inAddress | inParens | inHost
	}
	for _, b := range "()" {
		t[b] |= inParens | inHost
	}
	for _, b := range "[]" {
		t[b] |= inHost
	}
	return t
}()

// Printable returns s as it may be shown on a terminal: what the commands
// print of addresses, names and errors goes through it.
func Printable(s string) string { return string(appendEscaped(nil, s, inText, maxValue)) }

// appendEscaped appends at most limit bytes of s as they may stand in a place
// of class c. But for inText, what was s can be read back from it.
func appendEscaped(b []byte, s string, c class, limit int) []byte {
	tail := ""
	if len(s) > limit {
		s, tail = s[:limit], cut
	}
	start := 0 // of what was looked at and needs no escape
	for i := 0; i < len(s); {
		size := 1
		if s[i] < utf8.RuneSelf {
			if unsafeASCII[s[i]]&c == 0 {
				i++
				continue
			}
		} else {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if (r != utf8.RuneError || size > 1) && unicode.IsPrint(r) {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		for _, x := range []byte(s[i : i+size]) {
			b = appendByte(b, x)
		}
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, tail...)
}

// appendByte appends one escaped byte, as Exim writes it: \n, \", \\, or octal.
func appendByte(b []byte, x byte) []byte {
	switch x {
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	case '"', '\\':
		return append(b, '\\', x)
	}
	return append(b, '\\', '0'+x>>6, '0'+x>>3&7, '0'+x&7)
}

// appendJSON appends at most limit bytes of s as a JSON string (RFC 8259 7).
// A byte that is not UTF-8 becomes U+FFFD: JSON cannot say it.
func appendJSON(b []byte, s string, limit int) []byte {
	tail := ""
	if len(s) > limit {
		s, tail = s[:limit], cut
	}
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r < utf8.RuneSelf {
			if unsafeASCII[r]&inQuotes == 0 {
				i++
				continue
			}
		} else {
			r, size = utf8.DecodeRuneInString(s[i:])
			if (r != utf8.RuneError || size > 1) && unicode.IsPrint(r) {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		b = appendRune(b, r)
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	b = append(b, tail...)
	return append(b, '"')
}

// appendRune appends one escaped character of a JSON string.
func appendRune(b []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case r == '\n':
		return append(b, '\\', 'n')
	case r == '\r':
		return append(b, '\\', 'r')
	case r == '\t':
		return append(b, '\\', 't')
	case r > 0xffff: // a surrogate pair
		r -= 0x10000
		return appendHex(appendHex(b, 0xd800+r>>10), 0xdc00+r&0x3ff)
	}
	return appendHex(b, r)
}

func appendHex(b []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

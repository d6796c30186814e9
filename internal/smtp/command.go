package smtp

import "bytes"

// What is wrong with a command's form, as the reply that it gets.
var (
	ErrSyntax    = &Reply{Code: 501, Enhanced: "5.5.4", Text: "Syntax error in parameters"}
	ErrParameter = &Reply{Code: 555, Enhanced: "5.5.4", Text: "MAIL or RCPT parameter not recognized"}
	ErrDuplicate = &Reply{Code: 501, Enhanced: "5.5.4", Text: "parameter given twice"}
	ErrSize      = &Reply{Code: 501, Enhanced: "5.5.4", Text: "SIZE takes 1 to 20 digits"}
	ErrXtext     = &Reply{Code: 501, Enhanced: "5.5.4", Text: "value is not in xtext form"}
	ErrHelo      = &Reply{Code: 501, Enhanced: "5.5.4", Text: "EHLO and HELO take the name of the client, or its address in brackets"}
	ErrBdat      = &Reply{Code: 501, Enhanced: "5.5.4", Text: "BDAT takes a size in bytes, and LAST", Hangup: true}
)

// SplitCommand parts a command line into verb and argument. White space at
// their ends does not count.
func SplitCommand(line []byte) (verb, arg []byte) {
	line = bytes.Trim(line, " \t")
	for i, c := range line {
		if c == ' ' || c == '\t' {
			return line[:i], bytes.TrimLeft(line[i:], " \t")
		}
	}
	return line, nil
}

// CutWord takes a keyword off the beginning of an argument, in any case:
// "FROM:". White space behind it is let pass, as everybody does (RFC 5321 3.3
// has none).
func CutWord(arg []byte, word string) (rest []byte, ok bool) {
	if len(arg) < len(word) || !bytes.EqualFold(arg[:len(word)], []byte(word)) {
		return arg, false
	}
	return bytes.TrimLeft(arg[len(word):], " \t"), true
}

// Params are the parameters of MAIL and RCPT that have not been read yet
// (RFC 5321 4.1.2: esmtp-param).
type Params []byte

// Next takes the next parameter; its value is nil where there is no "=". A nil
// key says that there is none left.
func (p *Params) Next() (key, value []byte, err error) {
	b := bytes.TrimLeft(*p, " \t")
	if len(b) == 0 {
		*p = nil
		return nil, nil, nil
	}
	end := bytes.IndexAny(b, " \t")
	if end < 0 {
		end = len(b)
	}
	*p = Params(b[end:])
	key, value = b[:end], nil
	if eq := bytes.IndexByte(key, '='); eq >= 0 {
		key, value = key[:eq], key[eq+1:]
		if len(value) == 0 {
			return nil, nil, ErrSyntax
		}
	}
	if !isKeyword(key) || !isParamValue(value) {
		return nil, nil, ErrSyntax
	}
	return key, value, nil
}

// isKeyword: esmtp-keyword of RFC 5321 4.1.2.
func isKeyword(b []byte) bool {
	if len(b) == 0 || b[0] == '-' {
		return false
	}
	for _, c := range b {
		if !isAlnum(c) && c != '-' {
			return false
		}
	}
	return true
}

// isParamValue: esmtp-value of RFC 5321 4.1.2. AUTH=<> and the like have "="
// nowhere.
func isParamValue(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == '=' || c > '~' {
			return false
		}
	}
	return true
}

// ParseSize reads the value of SIZE= (RFC 1870 6). A number too large for an
// int64 comes out as the largest there is: it is over every limit.
func ParseSize(b []byte) (int64, error) {
	if len(b) == 0 || len(b) > 20 {
		return 0, ErrSize
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, ErrSize
		}
		if n > (1<<63-1-9)/10 {
			n = 1<<63 - 1
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// ParseBdat reads the argument of BDAT (RFC 3030 2). An argument without a
// usable size is an ErrBdat, and hangs up: nobody knows where the chunk ends.
func ParseBdat(arg []byte) (size int64, last bool, err error) {
	digits, word := SplitCommand(arg)
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false, ErrBdat
	}
	size, err = ParseSize(digits)
	if err != nil {
		return 0, false, ErrBdat
	}
	if len(word) == 0 {
		return size, false, nil
	}
	if !bytes.EqualFold(word, []byte("LAST")) {
		return 0, false, ErrBdat
	}
	return size, true, nil
}

// maxHelo bounds the name that a client gives itself (RFC 5321 4.5.3.1.2).
const maxHelo = 255

// ParseHelo reads the argument of EHLO and HELO: one printable word. It is kept
// as data and believed by nobody, so that its grammar is not looked at.
func ParseHelo(arg []byte) (string, error) {
	if len(arg) == 0 || len(arg) > maxHelo {
		return "", ErrHelo
	}
	for _, c := range arg {
		if c <= ' ' || c > '~' {
			return "", ErrHelo
		}
	}
	return string(arg), nil
}

// CheckXtext checks a value in xtext (RFC 3461 4): at most max bytes, and what
// it stands for printable, so that no line end hides in it.
func CheckXtext(b []byte, max int) error {
	if len(b) == 0 || len(b) > max {
		return ErrXtext
	}
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '+':
			if i+2 >= len(b) {
				return ErrXtext
			}
			hi, lo := upperHex(b[i+1]), upperHex(b[i+2])
			if hi < 0 || lo < 0 || hi<<4|lo < ' ' || hi<<4|lo > '~' {
				return ErrXtext
			}
			i += 2
		case c <= ' ' || c == '=' || c > '~':
			return ErrXtext
		}
	}
	return nil
}

// upperHex is the value of a hexadecimal digit in capitals, -1 for all else.
func upperHex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

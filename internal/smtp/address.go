package smtp

import (
	"bytes"
	"net/netip"
	"strings"
)

// Path is a mailbox of MAIL or RCPT: local@domain with the domain in lower case
// and the local part byte for byte, quotes included. The zero value is the null
// path "<>".
type Path struct {
	Address string
	at      int // where the @ is; len(Address) where there is none
}

// Local returns what stands before the @, with its quotes.
func (p Path) Local() string { return p.Address[:p.at] }

// Domain returns what stands behind the @, "" for an unqualified path. An
// address literal keeps its brackets.
func (p Path) Domain() string {
	if p.at == len(p.Address) {
		return ""
	}
	return p.Address[p.at+1:]
}

// IsNull reports the path "<>".
func (p Path) IsNull() bool { return p.Address == "" }

// Qualified returns the path with a domain added to an unqualified one.
func (p Path) Qualified(domain string) Path {
	if p.IsNull() || p.at < len(p.Address) {
		return p
	}
	return Path{Address: p.Address + "@" + strings.ToLower(domain), at: p.at}
}

// Limits of RFC 5321 4.5.3.1. The one of a path counts its brackets.
const (
	maxLocal  = 64
	maxDomain = 255
	maxLabel  = 63
	maxPath   = 256
)

// What is wrong with an address, as the reply that it gets.
var (
	ErrBrackets = &Reply{Code: 501, Enhanced: "5.5.4", Text: "address must stand in angle brackets"}
	ErrLocal    = &Reply{Code: 501, Enhanced: "5.1.3", Text: "malformed local part in address"}
	ErrDomain   = &Reply{Code: 501, Enhanced: "5.1.3", Text: "malformed domain in address"}
	ErrTooLong  = &Reply{Code: 501, Enhanced: "5.1.3", Text: "address is too long"}
	ErrEightBit = &Reply{Code: 553, Enhanced: "5.6.7", Text: "address has characters beyond ASCII, which need SMTPUTF8"}
)

// ParsePath takes a path in angle brackets off the beginning of arg (RFC 5321
// 4.1.2: Path). A source route is checked and dropped (RFC 5321 appendix C). A
// path may be unqualified; what that is worth is for the caller to say.
func ParsePath(arg []byte) (p Path, rest []byte, err error) {
	if len(arg) < 2 || arg[0] != '<' {
		return Path{}, nil, ErrBrackets
	}
	b := arg[1:]
	if b[0] == '>' {
		rest, err = behindPath(b[1:])
		return Path{}, rest, err
	}
	if b[0] == '@' {
		if b, err = skipRoute(b); err != nil {
			return Path{}, nil, err
		}
	}
	local, err := localPart(b)
	if err != nil {
		return Path{}, nil, err
	}
	mailbox := b[:local]
	if local < len(b) && b[local] == '@' {
		n, err := domainPart(b[local+1:])
		if err != nil {
			return Path{}, nil, err
		}
		mailbox = b[:local+1+n]
	}
	b = b[len(mailbox):]
	if len(b) == 0 || b[0] != '>' {
		return Path{}, nil, unexpected(b)
	}
	if len(mailbox)+2 > maxPath {
		return Path{}, nil, ErrTooLong
	}
	if rest, err = behindPath(b[1:]); err != nil {
		return Path{}, nil, err
	}
	return Path{Address: foldDomain(mailbox, local), at: local}, rest, nil
}

// behindPath: parameters are parted from the path by white space.
func behindPath(b []byte) ([]byte, error) {
	if len(b) > 0 && b[0] != ' ' && b[0] != '\t' {
		return nil, ErrSyntax
	}
	return b, nil
}

// skipRoute drops "@a,@b:" (RFC 5321 4.1.2: A-d-l).
func skipRoute(b []byte) ([]byte, error) {
	for len(b) > 0 && b[0] == '@' {
		n, err := domainPart(b[1:])
		if err != nil {
			return nil, err
		}
		b = b[1+n:]
		if len(b) == 0 {
			break
		}
		if b[0] == ':' {
			return b[1:], nil
		}
		if b[0] != ',' {
			return nil, unexpected(b)
		}
		b = b[1:]
	}
	return nil, ErrDomain
}

// localPart returns the length of the local part that b begins with.
func localPart(b []byte) (int, error) {
	n := 0
	if len(b) > 0 && b[0] == '"' {
		n = quotedString(b)
	} else {
		n = dotString(b)
	}
	switch {
	case n == 0:
		return 0, orEightBit(b, ErrLocal)
	case n > maxLocal:
		return 0, ErrTooLong
	}
	return n, nil
}

// quotedString: RFC 5321 4.1.2. An empty one names nobody. 0 where it is none.
func quotedString(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			if i == 1 {
				return 0
			}
			return i + 1
		case c == '\\':
			i++
			if i == len(b) || b[i] < ' ' || b[i] > '~' {
				return 0
			}
		case c < ' ' || c > '~':
			return 0
		}
	}
	return 0
}

// dotString: RFC 5321 4.1.2. 0 where it is none.
func dotString(b []byte) int {
	n := 0
	for n < len(b) && (isAtext(b[n]) || b[n] == '.' && n > 0 && b[n-1] != '.') {
		n++
	}
	if n > 0 && b[n-1] == '.' {
		return 0
	}
	return n
}

// isAtext: RFC 5322 3.2.3.
func isAtext(c byte) bool {
	return isAlnum(c) || c > ' ' && c < 0x7f && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// domainPart returns the length of the domain or address literal that b begins with.
func domainPart(b []byte) (int, error) {
	if len(b) > 0 && b[0] == '[' {
		return addressLiteral(b)
	}
	n := 0
	for n < len(b) && (isAlnum(b[n]) || b[n] == '-' || b[n] == '_' || b[n] == '.') {
		n++
	}
	if n > maxDomain {
		return 0, ErrTooLong
	}
	if !isDomain(b[:n]) {
		return 0, orEightBit(b, ErrDomain)
	}
	return n, nil
}

// isDomain checks the labels. The last one is no number: what looks like an
// address and has no brackets must not be routed as one (RFC 3696 2).
func isDomain(b []byte) bool {
	for {
		label, rest, more := bytes.Cut(b, []byte{'.'})
		if len(label) == 0 || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if !more {
			return bytes.ContainsFunc(label, func(r rune) bool { return r < '0' || r > '9' })
		}
		b = rest
	}
}

// addressLiteral: [192.0.2.1] or [IPv6:2001:db8::1] (RFC 5321 4.1.3).
func addressLiteral(b []byte) (int, error) {
	end := bytes.IndexByte(b, ']')
	if end < 0 || end > maxDomain {
		return 0, ErrDomain
	}
	text := b[1:end]
	v6, is6 := CutWord(text, "IPv6:")
	if is6 {
		text = v6
	}
	addr, err := netip.ParseAddr(string(text))
	if err != nil || addr.Zone() != "" || addr.Is4() == is6 {
		return 0, ErrDomain
	}
	return end + 1, nil
}

// foldDomain returns the mailbox with its domain in lower case.
func foldDomain(mailbox []byte, local int) string {
	if bytes.IndexFunc(mailbox[local:], func(r rune) bool { return r >= 'A' && r <= 'Z' }) < 0 {
		return string(mailbox)
	}
	return string(mailbox[:local]) + strings.ToLower(string(mailbox[local:]))
}

// unexpected is the error of a path that does not go on as it should.
func unexpected(b []byte) error {
	if len(b) == 0 {
		return ErrBrackets
	}
	return orEightBit(b, ErrSyntax)
}

// orEightBit gives an address with bytes over 127 its own error, wherever the
// parser stumbled first (RFC 6531 3.5).
func orEightBit(b []byte, err error) error {
	for _, c := range b {
		if c >= 0x80 {
			return ErrEightBit
		}
	}
	return err
}

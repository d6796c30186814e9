package lists

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// A pattern says which names it means. Names come in lower case without a dot
// at the end; the string returned is the item that decided, or "".
type pattern interface {
	has(name string) (item string, ok bool)
}

// names is a run of names and of *.suffixes: one look-up, and one more for each
// dot of the name where there are suffixes.
type names struct {
	exact    map[string]string // name → item as written
	suffixes map[string]string // "example.com" for *.example.com
}

func (n *names) has(name string) (string, bool) {
	if item, ok := n.exact[name]; ok {
		return item, true
	}
	if len(n.suffixes) == 0 {
		return "", false
	}
	for rest := name; ; {
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			return "", false
		}
		rest = rest[dot+1:]
		if item, ok := n.suffixes[rest]; ok {
			return item, true
		}
	}
}

func (n *names) take(other *names) {
	merge := func(into *map[string]string, from map[string]string) {
		if *into == nil {
			*into = from
			return
		}
		for k, v := range from {
			if _, twice := (*into)[k]; !twice {
				(*into)[k] = v
			}
		}
	}
	merge(&n.exact, other.exact)
	merge(&n.suffixes, other.suffixes)
}

func (n *names) label(item string) {
	for k := range n.exact {
		n.exact[k] = item
	}
	for k := range n.suffixes {
		n.suffixes[k] = item
	}
}

// ending is *text: all names that end in the text.
type ending string

func (e ending) has(name string) (string, bool) { return "", strings.HasSuffix(name, string(e)) }

// expression is ^text: an RE2 regular expression, blind to case. Only ASCII can
// match: under folding, other alphabets have letters that pass for k and s.
type expression struct{ re *regexp.Regexp }

func (e expression) has(name string) (string, bool) {
	for i := 0; i < len(name); i++ {
		if name[i] >= 0x80 {
			return "", false
		}
	}
	return "", e.re.MatchString(name)
}

// maxPattern bounds the length of a regular expression.
const maxPattern = 1024

func parseExpression(item string) (expression, error) {
	if len(item) > maxPattern {
		return expression{}, fmt.Errorf("a regular expression of %d characters; the longest allowed has %d", len(item), maxPattern)
	}
	re, err := regexp.Compile("(?i)" + item)
	if err != nil {
		return expression{}, fmt.Errorf("faulty regular expression (RE2): %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return expression{re}, nil
}

// parsePattern reads a name, *.suffix, *ending or ^expression.
func parsePattern(item string) (pattern, error) {
	if strings.HasPrefix(item, "^") {
		return parseExpression(item)
	}
	name := canonical(item)
	star := strings.HasPrefix(name, "*")
	name = strings.TrimPrefix(name, "*")
	if strings.Contains(name, "*") {
		return nil, fmt.Errorf("a * stands at the beginning only (*.example.com); other patterns are regular expressions: ^...")
	}
	if err := checkName(strings.TrimPrefix(name, ".")); err != nil {
		return nil, err
	}
	switch {
	case !star && strings.HasPrefix(name, "."):
		return nil, fmt.Errorf("a name does not begin with a dot; all names below it are *%s", name)
	case !star:
		return &names{exact: map[string]string{name: item}}, nil
	case strings.HasPrefix(name, "."):
		return &names{suffixes: map[string]string{name[1:]: item}}, nil
	}
	return ending(name), nil
}

// checkName finds what cannot be part of a host or domain name.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("a name is missing")
	}
	if len(name) > 253 {
		return fmt.Errorf("a name of %d characters; a domain name has 253 at most", len(name))
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '-', c == '.', c == '_', '0' <= c && c <= '9', 'a' <= c && c <= 'z':
		case c >= 0x80:
			return fmt.Errorf("a domain name is written in ASCII (xn--...)")
		default:
			return fmt.Errorf("%q cannot stand in a name", c)
		}
	}
	if strings.Contains(name, "..") {
		return fmt.Errorf("two dots with nothing between them")
	}
	return nil
}

// canonical folds ASCII letters to lower case and takes a dot from the end. It
// allocates only where there is a capital letter.
func canonical(name string) string {
	name = strings.TrimSuffix(name, ".")
	for i := 0; i < len(name); i++ {
		if 'A' <= name[i] && name[i] <= 'Z' {
			return fold(name)
		}
	}
	return name
}

func fold(name string) string {
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// hostNamed is a name item in a host list.
type hostNamed struct{ pattern }

func (m hostNamed) match(h Host) (Answer, string) {
	if h.Name != "" {
		if item, ok := m.has(canonical(h.Name)); ok {
			return Yes, item
		}
	}
	if h.Names == nil {
		return No, ""
	}
	confirmed, err := h.Names()
	if err != nil {
		return Unknown, ""
	}
	for _, name := range confirmed {
		if item, ok := m.has(canonical(name)); ok {
			return Yes, item
		}
	}
	return No, ""
}

func (m hostNamed) label(item string) { labelNames(m.pattern, item) }

func (m hostNamed) absorb(next matcher[Host]) bool {
	other, ok := next.(hostNamed)
	return ok && absorbNames(m.pattern, other.pattern)
}

// domainNamed is a name item in a domain list.
type domainNamed struct{ pattern }

func (m domainNamed) match(domain string) (Answer, string) {
	item, ok := m.has(domain)
	return answer(ok), item
}

func (m domainNamed) label(item string) { labelNames(m.pattern, item) }

func (m domainNamed) absorb(next matcher[string]) bool {
	other, ok := next.(domainNamed)
	return ok && absorbNames(m.pattern, other.pattern)
}

func absorbNames(into, from pattern) bool {
	a, ok := into.(*names)
	b, both := from.(*names)
	if ok && both {
		a.take(b)
	}
	return ok && both
}

func labelNames(p pattern, item string) {
	if n, ok := p.(*names); ok {
		n.label(item)
	}
}

// localLiteral is @[] in a domain list: an address of this host in brackets.
type localLiteral struct{ addresses func() []netip.Addr }

func (m localLiteral) match(domain string) (Answer, string) {
	addr, ok := ParseLiteral(domain)
	if !ok {
		return No, ""
	}
	return localHost(m).match(Host{Addr: addr})
}

// ParseLiteral reads an address literal as it stands behind the @ of a mailbox:
// [192.0.2.1] or [IPv6:2001:db8::1] (RFC 5321 4.1.3).
func ParseLiteral(domain string) (netip.Addr, bool) {
	if len(domain) < 3 || domain[0] != '[' || domain[len(domain)-1] != ']' {
		return netip.Addr{}, false
	}
	text := domain[1 : len(domain)-1]
	if len(text) > 5 && strings.EqualFold(text[:5], "IPv6:") {
		text = text[5:]
	}
	addr, err := netip.ParseAddr(text)
	return addr.Unmap(), err == nil && addr.Zone() == ""
}

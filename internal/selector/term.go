package selector

import "net/netip"

// term is one comparison.
type term struct {
	field *field
	not   bool
	op    string // "=", "~", "<", "<=", ">", ">="
	any   []value
}

// value is one alternative of a term.
type value struct {
	pattern Pattern
	network netip.Prefix // instead, where a network was named
	number  int64
	written string
}

// holds reports whether the term is true of the facts, leaving not aside.
func (t *term) holds(f *facts) bool {
	if t.field.num != nil {
		n := t.field.num(f)
		for i := range t.any {
			if compare(n, t.op, t.any[i].number) {
				return true
			}
		}
		return false
	}
	for i := range t.any {
		if t.field.text(f, t.any[i].is) {
			return true
		}
	}
	return false
}

func (v *value) is(text string) bool {
	if v.network.IsValid() {
		addr, err := netip.ParseAddr(text)
		return err == nil && v.network.Contains(addr.Unmap())
	}
	return v.pattern.Match(text)
}

func compare(n int64, op string, with int64) bool {
	switch op {
	case "<":
		return n < with
	case "<=":
		return n <= with
	case ">":
		return n > with
	case ">=":
		return n >= with
	}
	return n == with
}

// Pattern is a text with * for any text and ? for one character. Case does not count.
type Pattern struct{ text string }

// NewPattern makes a pattern; contains: of a text that only has to hold it.
func NewPattern(text string, contains bool) Pattern {
	if contains {
		text = "*" + text + "*"
	}
	return Pattern{fold(text)}
}

// Plain reports whether the pattern means one text only, and which, in lower case.
func (p Pattern) Plain() (string, bool) {
	for i := 0; i < len(p.text); i++ {
		if p.text[i] == '*' || p.text[i] == '?' {
			return "", false
		}
	}
	return p.text, true
}

// Match compares in time of the product of both lengths at worst, without recursion.
func (p Pattern) Match(text string) bool {
	i, j := 0, 0        // places in text and pattern
	star, from := -1, 0 // the last star, and where its text may begin to be over
	for i < len(text) {
		switch {
		case j < len(p.text) && p.text[j] == '*':
			star, from = j, i
			j++
		case j < len(p.text) && (p.text[j] == '?' || p.text[j] == lower(text[i])):
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = from, star+1
		default:
			return false
		}
	}
	for j < len(p.text) && p.text[j] == '*' {
		j++
	}
	return j == len(p.text)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func fold(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = lower(b[i])
	}
	return string(b)
}

package lists

import "strings"

// Split takes an Exim list string apart: items are separated by ':', or by the
// character behind a '<' at the beginning; white space around an item does not
// count; a doubled separator stands for itself.
func Split(s string) []string {
	sep := byte(':')
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '<' && isPunct(s[1]) {
		sep, s = s[1], s[2:]
	}
	var items []string
	for rest, more := s, true; more && strings.TrimSpace(rest) != ""; {
		var item string
		item, rest, more = cutItem(rest, sep)
		items = append(items, strings.TrimSpace(item))
	}
	return items
}

// cutItem returns the text up to the first single separator, doubled ones made
// single, and what is behind it.
func cutItem(s string, sep byte) (item, rest string, more bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != sep {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) || s[i+1] != sep {
			return b.String(), s[i+1:], true
		}
		b.WriteByte(sep)
		i++
	}
	return b.String(), "", false
}

// isPunct reports whether c can be a separator.
func isPunct(c byte) bool {
	return c > ' ' && c < 0x7f && !('0' <= c && c <= '9') && !('a' <= c|0x20 && c|0x20 <= 'z')
}

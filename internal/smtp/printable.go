package smtp

import "strings"

// Printable returns text of a stranger's choosing in a form that can break no
// log line and no terminal, and fake none: printable ASCII stays, the rest is
// written as Exim does (\n, \r, \t, \\, octal \033). The result has at most max
// bytes and never ends inside an escape.
func Printable(text []byte, max int) string {
	clean := 0
	for clean < len(text) && plain(text[clean]) {
		clean++
	}
	if clean == len(text) && clean <= max {
		return string(text)
	}
	var b strings.Builder
	b.Grow(min(max, len(text)+16))
	for _, c := range text {
		if e := escape(c); b.Len()+len(e) <= max {
			b.WriteString(e)
		} else {
			break
		}
	}
	return b.String()
}

func plain(c byte) bool { return c >= ' ' && c < 0x7f && c != '\\' }

func escape(c byte) string {
	switch {
	case plain(c):
		return string(rune(c))
	case c == '\n':
		return `\n`
	case c == '\r':
		return `\r`
	case c == '\t':
		return `\t`
	case c == '\\':
		return `\\`
	}
	return string([]byte{'\\', '0' + c>>6, '0' + c>>3&7, '0' + c&7})
}

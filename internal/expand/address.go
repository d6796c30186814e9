package expand

import "strings"

// address is the mail address in what may stand in a header line (RFC 5322
// 3.4, with what Exim allows): comments, a name before <...>, a route in it. It
// is "" where there is no one address.
func address(s string) string {
	local, domain := splitAddress(s)
	if domain == "" {
		return local
	}
	return local + "@" + domain
}

// splitAddress returns both sides of the @; domain is "" for a bare local part,
// both are "" where there is no address.
func splitAddress(s string) (local, domain string) {
	words, ok := scanAddress(s)
	if !ok {
		return "", ""
	}
	words, ok = inAngles(words)
	if !ok {
		return "", ""
	}
	words, ok = behindRoute(words)
	if !ok {
		return "", ""
	}
	at := len(words)
	for i, w := range words {
		if w == "@" {
			at = i
			break
		}
	}
	local, ok = localPart(words[:at])
	if !ok || at == len(words) {
		return local, ""
	}
	if domain, ok = domainOf(words[at+1:]); !ok {
		return "", ""
	}
	return local, domain
}

// scanAddress takes an address apart into atoms, quoted strings, domain
// literals and special characters; comments and white space go, but leave a ""
// between two words that they part.
func scanAddress(s string) (words []string, ok bool) {
	for i := 0; i < len(s); {
		end := i + 1
		switch c := s[i]; {
		case strings.IndexByte(blanks, c) >= 0:
			i++
			continue
		case c == '(':
			if end = comment(s, i); end < 0 {
				return nil, false
			}
			i = end
			continue
		case c == '"':
			end = closing(s, i, '"')
		case c == '[':
			end = closing(s, i, ']')
		case strings.IndexByte(specials, c) < 0:
			end = atom(s, i)
		}
		if end < 0 {
			return nil, false
		}
		words = append(words, s[i:end])
		i = end
	}
	return words, true
}

const specials = "<>@,;:.)]"

// atom returns the end of an atom at i; \x in it is one character.
func atom(s string, i int) int {
	for ; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case strings.IndexByte(specials+blanks+`(["`, s[i]) >= 0 || s[i] < ' ' || s[i] == 0x7f:
			return i
		}
	}
	return min(i, len(s))
}

// closing returns the place behind the character that ends what begins at i, or -1.
func closing(s string, i int, end byte) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case end:
			return i + 1
		}
	}
	return -1
}

// comment returns the place behind a comment that begins at i, or -1.
func comment(s string, i int) int {
	for depth := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// inAngles returns what stands in <...>, where there is one such pair, at the
// end, behind words only.
func inAngles(words []string) ([]string, bool) {
	for i, w := range words {
		switch {
		case w == "<":
			last := len(words) - 1
			return words[i+1 : max(last, i+1)], words[last] == ">"
		case w == "." || !isSpecial(w):
		default: // an @: no name stands before it
			return words, true
		}
	}
	return words, true
}

func isSpecial(w string) bool { return len(w) == 1 && strings.Contains(specials, w) }

// behindRoute takes @a,@b: from the front (RFC 5321 appendix C).
func behindRoute(words []string) ([]string, bool) {
	if len(words) == 0 || words[0] != "@" {
		return words, true
	}
	for i, w := range words {
		if w != ":" {
			continue
		}
		for _, hop := range strings.Split(strings.Join(words[:i], ""), ",") {
			if name, ok := strings.CutPrefix(hop, "@"); !ok || name == "" {
				return nil, false
			}
		}
		return words[i+1:], true
	}
	return nil, false
}

// localPart joins the words before the @: atoms and quoted strings, dots
// between them.
func localPart(words []string) (string, bool) {
	joined, word := "", false
	for _, w := range words {
		if w != "." && (isSpecial(w) || w[0] == '[' || word) {
			return "", false
		}
		word = w != "."
		joined += w
	}
	return joined, joined != ""
}

// domainOf joins the words behind the @: a domain literal, or labels.
func domainOf(words []string) (string, bool) {
	if len(words) == 1 && words[0][0] == '[' {
		return words[0], len(words[0]) > 2
	}
	label, joined := false, ""
	for _, w := range words {
		if (w == ".") != label || w != "." && !isLabel(w) {
			return "", false
		}
		label = w != "."
		joined += w
	}
	return joined, label
}

func isLabel(w string) bool {
	for i := range len(w) {
		if !isAlnum(w[i]) && w[i] != '-' {
			return false
		}
	}
	return w[0] != '-' && w[len(w)-1] != '-'
}

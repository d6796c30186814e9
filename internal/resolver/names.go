package resolver

import "strings"

// Limits of names: RFC 1035 2.3.4, without the dot at the end.
const (
	maxName  = 253
	maxLabel = 63
)

// hostName returns name in lower case without a dot at its end, and whether it
// is one: labels of letters, digits, hyphens and underscores. Whatever else a
// DNS label can hold (control bytes, spaces, escapes of a dot) has no business
// in a log line, a header or a list, so it is no name. A name that is clean
// already is returned as it is, without a copy.
func hostName(name string) (string, bool) {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > maxName {
		return "", false
	}
	upper, label := false, 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.':
			if label == 0 {
				return "", false
			}
			label = 0
			continue
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case 'A' <= c && c <= 'Z':
			upper = true
		default:
			return "", false
		}
		if label++; label > maxLabel {
			return "", false
		}
	}
	if label == 0 {
		return "", false
	}
	if upper {
		name = strings.ToLower(name)
	}
	return name, true
}

// isAddress reports whether a host name is an IP address in disguise: all
// digits in its last label, which no top level domain has (RFC 3696 2).
func isAddress(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	return strings.Trim(last, "0123456789") == ""
}

// isLocalhost reports whether a name is the machine itself by definition, never
// to be asked of the DNS: RFC 6761 6.3.
func isLocalhost(name string) bool {
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

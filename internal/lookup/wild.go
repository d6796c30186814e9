package lookup

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// wild is a file whose keys are patterns; the first that matches decides.
type wild []wildRecord

type wildRecord struct {
	matches func(folded, key string) bool
	data    string
}

func (w wild) find(key string) (string, bool, error) {
	folded := fold(key)
	for i := range w {
		if w[i].matches(folded, key) {
			return w[i].data, true, nil
		}
	}
	return "", false, nil
}

// star finds nothing more: a * in such a file matches every key.
func (w wild) star() (string, bool) { return "", false }

func parseWild(lines []string) (table, error) {
	var w wild
	for _, r := range parseRecords(lines) {
		key, err := unescape(r.key)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", r.line, r.key, err)
		}
		m, err := parsePattern(key)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", r.line, r.key, err)
		}
		w = append(w, wildRecord{m, r.data})
	}
	return w, nil
}

// parsePattern reads ^regex (RE2, blind to case), *ending or a key.
func parsePattern(key string) (func(folded, key string) bool, error) {
	switch {
	case strings.HasPrefix(key, "^"):
		re, err := regexp.Compile("(?i)" + key)
		if err != nil {
			return nil, fmt.Errorf("faulty regular expression (RE2): %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		return func(_, key string) bool { return re.MatchString(key) }, nil
	case strings.HasPrefix(key, "*"):
		ending := fold(key[1:])
		return func(folded, _ string) bool { return strings.HasSuffix(folded, ending) }, nil
	}
	key = fold(key)
	return func(folded, _ string) bool { return folded == key }, nil
}

// unescape takes away what protects a key from expansion, which Exim's
// wildlsearch does to it: \N...\N and backslashes. Here no variable exists.
func unescape(key string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		c := key[i]
		switch {
		case c == '$':
			return "", errors.New(`keys are not expanded here: a $ is written \$, or the key as \N...\N`)
		case c != '\\' || i+1 == len(key):
			b.WriteByte(c)
		case key[i+1] == 'N':
			text, rest, _ := strings.Cut(key[i+2:], `\N`)
			b.WriteString(text)
			i = len(key) - len(rest) - 1
		default:
			i++
			b.WriteByte(key[i])
		}
	}
	return b.String(), nil
}

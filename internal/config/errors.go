package config

import (
	"fmt"
	"slices"
	"strings"

	"mtad/internal/spell"
)

// Mistake is one thing that is wrong with a configuration.
type Mistake struct {
	File string
	Line int    // from 1
	Key  string // the option, with its table: "transport.smtp.batch_max"; "" where none is concerned
	Text string // what is wrong, and what would be right
}

// String returns "config.toml:12: key: what is wrong".
func (m Mistake) String() string {
	if m.Key == "" {
		return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.Text)
	}
	return fmt.Sprintf("%s:%d: %s: %s", m.File, m.Line, m.Key, m.Text)
}

// Errors is every mistake of a configuration, by line.
type Errors struct{ Mistakes []Mistake }

// Error lists the mistakes, one a line.
func (e *Errors) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

func sortMistakes(all []Mistake) []Mistake {
	slices.SortStableFunc(all, func(a, b Mistake) int { return a.Line - b.Line })
	return all
}

// didYouMean returns ` (did you mean "x"?)` where one of the candidates is near
// enough to be what was meant.
func didYouMean(word string, candidates []string) string {
	best := spell.Nearest(word, candidates)
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

package config

import (
	"fmt"
	"slices"
	"strings"
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
	best, bound := "", len(word)/3+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), c, bound); d <= bound && (best == "" || d < bound) {
			best, bound = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// distance is the number of letters to insert, delete or change to make b of a,
// swapped neighbours counting once; more than bound where it is over bound.
func distance(a, b string, bound int) int {
	if len(a) > 64 || len(a)-len(b) > bound || len(b)-len(a) > bound {
		return bound + 1
	}
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// Package spell finds what was probably meant by a word that is none of those
// known: the hint behind "unknown …" in every configured format.
package spell

import "strings"

// Nearest returns the word of known that is nearest to word, the first of those
// equally near; "" where none is near enough to be what was meant. Case does not count.
func Nearest(word string, known []string) string {
	best, bound := "", len(word)/3+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k), bound); d <= bound && (best == "" || d < bound) {
			best, bound = k, d
		}
	}
	return best
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

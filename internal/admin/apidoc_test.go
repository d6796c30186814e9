package admin

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestAPIPageIsWhole: docs/api.md has a row for each request that is answered, and no other.
func TestAPIPageIsWhole(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:GET|POST) [^`]+)` \\|").FindAllSubmatch(text, -1) {
		written[string(m[1])] = true
	}
	s, _, _ := serve(t, newFake(), testToken)
	for _, r := range s.routes() {
		row := strings.Replace(r.pattern, "{$}", "", 1)
		if !written[row] {
			t.Errorf("docs/api.md has no row for %s", row)
		}
		delete(written, row)
	}
	for row := range written {
		t.Errorf("docs/api.md has %s, which nothing answers", row)
	}
}

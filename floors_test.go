// Package mtad holds no code; its test is the law that arrows point down.
package mtad

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// floors says on which floor a package stands. It may import packages of lower
// floors only: never upwards, never sideways. The picture with the reasons is
// docs/architecture.md.
var floors = map[string]int{
	"cmd/mtad":               7,
	"actors":                 6,
	"internal/admin":         6,
	"internal/explain":       6,
	"internal/load":          6,
	"internal/inbound":       5,
	"internal/outbound":      5,
	"internal/queue":         5,
	"internal/policy":        4,
	"internal/route":         4,
	"internal/auth":          4,
	"internal/dsn":           4,
	"internal/selector":      4,
	"spool":                  3,
	"internal/config":        3,
	"internal/mainlog":       3,
	"internal/resolver":      3,
	"internal/expand":        2,
	"internal/certs":         2,
	"internal/smtp":          1,
	"tlsstate":               1,
	"internal/lists":         1,
	"internal/clock":         0,
	"internal/spell":         0,
	"internal/lookup":        0,
	"internal/config/gen":    8, // a program: makes the manual
	"internal/config/manual": 4,
	"spool/spooltest":        4, // for tests only
	"bench":                  9, // programs that run mtad from outside
	"test/auth":              9,
	"test/threats":           9,
	"test/crash":             9,
	"test/interop":           9,
	"test/interop/tls":       9,
	"test/interop/handover":  9,
	"test/interop/auth":      9,
	"test/interop/peer":      7, // fetches and runs other people's programs
	".":                      9,

	"internal/resolver/resolvertest": 4, // for tests only
}

// only lists libraries that one floor alone may know.
var only = map[string]string{
	"github.com/asynkron/protoactor-go": "actors",
}

func TestArrowsPointDown(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		checkFile(t, filepath.ToSlash(path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkFile reads the imports of one source file itself: asking `go list` would
// let `go test` cache a stale pass.
func checkFile(t *testing.T, path string) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	from := filepath.ToSlash(filepath.Dir(path))
	floor, ok := floors[from]
	if !ok {
		t.Errorf("%s: package %s stands on no floor; give it one in floors_test.go and docs/architecture.md", path, from)
		return
	}
	for _, imp := range f.Imports {
		name, _ := strconv.Unquote(imp.Path.Value)
		for lib, owner := range only {
			if strings.HasPrefix(name, lib) && from != owner {
				t.Errorf("%s imports %s: only %s may", path, name, owner)
			}
		}
		to, ours := strings.CutPrefix(name, "mtad/")
		if !ours {
			continue
		}
		if to == from && strings.HasSuffix(path, "_test.go") {
			continue // an external test of its own package
		}
		below, ok := floors[to]
		if (to == "spool/spooltest" || to == "internal/resolver/resolvertest") && strings.HasSuffix(path, "_test.go") {
			continue
		}
		if !ok || below >= floor {
			t.Errorf("%s (floor %d) imports %s (floor %d): arrows point down only", path, floor, to, below)
		}
	}
}

package threats

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/security.md anew")

const (
	page  = "../../docs/security.md"
	begin = "<!-- index: written by go test ./test/threats -update -->\n"
	end   = "<!-- /index -->\n"
)

// A case is a class and a number, "ST-01", in the name of a test without the
// dash.
var (
	inText = regexp.MustCompile(`\b(ST|SM|CM|BD|AD|HD|CE|AU|DN|LO|DU|DO|LP|AM|OR)-(\d\d)\b`)
	ranges = regexp.MustCompile(`\b([A-Z]{2})-(\d\d)(?:\.\.| to |-)(?:[A-Z]{2}-)?(\d\d)\b`)
	inName = regexp.MustCompile(`(ST|SM|CM|BD|AD|HD|CE|AU|DN|LO|DU|DO|LP|AM|OR)(\d\d)`)
	figure = regexp.MustCompile(`\bTHREATS ([ABC]\d{1,2})\b`)
)

// The table says what the tests say. A test tries a case when it bears its
// number, or speaks of it.
func TestIndex(t *testing.T) {
	t.Parallel()
	table := table(t)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(text, []byte(begin))
	old, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", page)
	}
	if string(old) == table {
		return
	}
	if !*update {
		t.Fatalf("%s is stale: go test ./test/threats -update", page)
	}
	if err := os.WriteFile(page, slices.Concat(head, []byte(begin), []byte(table), []byte(end), tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// cases are the tests of each case, as "`folder/` TestName".
type cases map[string]map[string]bool

func (c cases) note(id, test string) {
	if c[id] == nil {
		c[id] = map[string]bool{}
	}
	c[id][test] = true
}

func table(t *testing.T) string {
	tests := cases{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2:
			return fs.SkipDir
		case strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, "threats/index_test.go"):
			return index(tests, path)
		case strings.Contains(path, "testdata") && strings.HasSuffix(path, ".txt"):
			return indexDialogue(tests, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("\n| case | tests |\n| --- | --- |\n")
	for _, id := range slices.Sorted(maps.Keys(tests)) {
		fmt.Fprintf(&b, "| %s | %s |\n", id, strings.Join(slices.Sorted(maps.Keys(tests[id])), ", "))
	}
	return b.String() + "\n"
}

// indexDialogue notes of which cases a dialogue or story of testdata speaks.
func indexDialogue(tests cases, path string) error {
	source, err := os.ReadFile(path)
	for _, id := range casesIn(source) {
		tests.note(id.name, "`"+strings.TrimPrefix(filepath.ToSlash(path), "../../")+"`")
	}
	return err
}

// found is a case and where in the text it is spoken of.
type found struct {
	name string
	at   int
}

func casesIn(text []byte) (all []found) {
	for _, m := range inText.FindAllSubmatchIndex(text, -1) {
		all = append(all, found{string(text[m[0]:m[1]]), m[0]})
	}
	for _, m := range ranges.FindAllSubmatchIndex(text, -1) { // SM-01..SM-12
		from, _ := strconv.Atoi(string(text[m[4]:m[5]]))
		to, _ := strconv.Atoi(string(text[m[6]:m[7]]))
		for n := from + 1; n < to; n++ {
			if name := fmt.Sprintf("%s-%02d", text[m[2]:m[3]], n); inText.MatchString(name) {
				all = append(all, found{name, m[0]})
			}
		}
	}
	for _, m := range figure.FindAllSubmatchIndex(text, -1) {
		all = append(all, found{string(text[m[2]:m[3]]), m[0]})
	}
	return all
}

// index notes which tests of a file speak of which cases. What stands outside of a
// test, as a table of cases does, is the file's.
func index(tests cases, path string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	rel := strings.TrimPrefix(filepath.ToSlash(path), "../../")
	place := rel[:strings.LastIndexByte(rel, '/')+1]
	where := func(pos int) string {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			from := f.Pos()
			if f.Doc != nil {
				from = f.Doc.Pos()
			}
			if pos >= set.Position(from).Offset && pos < set.Position(f.End()).Offset {
				return "`" + place + "` " + f.Name.Name
			}
		}
		return "`" + rel + "`"
	}
	for _, c := range casesIn(source) {
		tests.note(c.name, where(c.at))
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") {
			for _, m := range inName.FindAllStringSubmatch(f.Name.Name, -1) {
				tests.note(m[1]+"-"+m[2], where(set.Position(f.Pos()).Offset))
			}
		}
	}
	return nil
}

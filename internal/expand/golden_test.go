package expand

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write what comes out into testdata/*.txt; then ask the real Exim: go test -tags interop -run ExpandAsExim ./test/interop/")

func TestMain(m *testing.M) {
	os.Setenv("MTAD_EXPAND", "from the environment")
	os.Unsetenv("MTAD_NOT")
	os.Exit(m.Run())
}

// testValues are what the interop test gives Exim by its options.
var testValues = Values{
	PrimaryHostname: "relay.example.net", VersionNumber: "1.0",
	TodFull: "Mon, 23 Nov 2026 10:00:00 +0000", TodLog: "2026-11-23 10:00:00",
	SenderHostAddress: "192.0.2.1", SenderHostPort: "4321", SenderHostName: "client.x.example",
	InterfaceAddress: "198.51.100.1", InterfacePort: "25", ReceivedProtocol: "esmtps", SenderIdent: "ident",
	SenderAddress: "a.b@x.example", SenderAddressDomain: "x.example", SenderAddressLocalPart: "a.b",
	SenderHostAuthenticated: "plain", AuthenticatedID: "user",
}

func testOptions() Options {
	return Options{Vars: AllVars, Dir: "testdata", Hostname: "relay.example.net"}
}

// outcome is the text of a golden table: what comes out, quoted where a line
// cannot hold it as it is; "! forced"; or "! " and what is wrong.
func outcome(input string) string {
	s, err := Parse(input, testOptions())
	var v Value
	if err == nil {
		v, err = s.Eval(testValues)
	}
	switch out := v.String(); {
	case errors.Is(err, ErrForced):
		return "! forced"
	case err != nil:
		return "! " + err.Error()
	case !utf8.ValidString(out) || out != strings.TrimSpace(out) || strings.IndexFunc(out, unicode.IsControl) >= 0 || strings.HasPrefix(out, "!") || strings.HasPrefix(out, `"`):
		return strconv.Quote(out)
	default:
		return out
	}
}

var column = regexp.MustCompile(`column \d+`)

// TestGolden: each line of testdata/*.txt is "input => outcome"; DIR is the
// folder testdata. All but ours.txt is what Exim 4.96 gives as well.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no tables", err)
	}
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		for n, line := range lines {
			if line == "" || line[0] == '#' {
				continue
			}
			at := strings.LastIndex(line, " =>")
			if at < 0 {
				if at = len(line); !*update {
					t.Errorf("%s:%d: no => in %q", file, n+1, line)
				}
			}
			input, want := line[:at], strings.TrimPrefix(strings.TrimPrefix(line[at:], " =>"), " ")
			got := strings.ReplaceAll(outcome(strings.ReplaceAll(input, "DIR/", dir+"/")), dir+"/", "DIR/")
			if strings.Contains(input, "DIR/") {
				got = column.ReplaceAllString(got, "column N") // it depends on where this folder stands
			}
			if lines[n] = strings.TrimSuffix(input+" => "+got, " "); got != want && !*update {
				t.Errorf("%s:%d: %s\n got %s\nwant %s", file, n+1, input, got, want)
			}
		}
		if *update {
			if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

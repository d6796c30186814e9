//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"mtad/test/interop/peer"
)

// The real Exim is asked whether the golden tables of internal/expand are right.
// Run: go test -tags interop -run ExpandAsExim ./test/interop/

// expanderPackages are Exim 4.96 and what it needs here. nss_wrapper gives it the
// account that it was built for, which this machine need not have.
var expanderPackages = []string{"exim4-daemon-light", "libidn12", "libnss-wrapper"}

// eximExpander runs one expansion with the real Exim.
type eximExpander struct {
	binary string
	env    []string
	args   []string
}

func unpackPackage(t *testing.T, name string) string {
	t.Helper()
	tree, err := peer.Package(name)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func newEximExpander(t *testing.T) *eximExpander {
	dir := t.TempDir()
	var libs []string
	trees := map[string]string{}
	for _, p := range expanderPackages {
		trees[p] = unpackPackage(t, p)
		found, _ := filepath.Glob(filepath.Join(trees[p], "usr/lib/*-linux-gnu*"))
		libs = append(libs, found...)
	}
	wrapper, _ := filepath.Glob(filepath.Join(trees["libnss-wrapper"], "usr/lib/*/libnss_wrapper.so"))
	if len(wrapper) != 1 {
		t.Fatal("libnss-wrapper has no libnss_wrapper.so")
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	id := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	passwd := write("passwd", "me:x:"+id+"::/:/bin/false\nDebian-exim:x:10:10::/:/bin/false\n")
	group := write("group", fmt.Sprintf("me:x:%d:\nDebian-exim:x:10:\n", os.Getgid()))
	config := write("exim.conf", "primary_hostname = relay.example.net\nkeep_environment = MTAD_EXPAND\ntimezone = UTC\n"+
		"spool_directory = "+dir+"\nlog_file_path = "+dir+"/%s.log\n")
	return &eximExpander{
		binary: filepath.Join(trees["exim4-daemon-light"], "usr/sbin/exim4"),
		env: []string{
			"LD_LIBRARY_PATH=" + strings.Join(libs, ":"), "LD_PRELOAD=" + wrapper[0],
			"NSS_WRAPPER_PASSWD=" + passwd, "NSS_WRAPPER_GROUP=" + group,
			"MTAD_EXPAND=from the environment", "PATH=/usr/bin:/bin",
		},
		args: []string{
			"-C", config, "-f", "a.b@x.example", "-oMa", "192.0.2.1.4321", "-oMs", "client.x.example",
			"-oMi", "198.51.100.1.25", "-oMr", "esmtps", "-oMt", "ident", "-oMaa", "plain", "-oMai", "user", "-be",
		},
	}
}

// expand returns the outcome in the words of the tables, an error as "!".
func (e *eximExpander) expand(t *testing.T, input string) string {
	cmd := exec.Command(e.binary, append(e.args[:len(e.args):len(e.args)], input)...)
	cmd.Env = e.env
	raw, err := cmd.Output()
	if err != nil && len(raw) == 0 {
		return "! exim ended: " + err.Error()
	}
	out := strings.TrimSuffix(string(raw), "\n")
	switch {
	case strings.HasPrefix(out, "Failed: ") && strings.HasSuffix(out, `and "fail" requested`):
		return "! forced"
	case strings.HasPrefix(out, "Failed: "):
		return "!"
	case !utf8.ValidString(out) || out != strings.TrimSpace(out) || strings.IndexFunc(out, unicode.IsControl) >= 0 || strings.HasPrefix(out, "!") || strings.HasPrefix(out, `"`):
		return strconv.Quote(out)
	}
	return out
}

func TestExpandAsExim(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("exim -C with a configuration of our own needs root")
	}
	e := newEximExpander(t)
	dir, err := filepath.Abs("../../internal/expand/testdata")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, table := range tables {
		if filepath.Base(table) == "ours.txt" {
			continue
		}
		text, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(text), "\n") {
			at := strings.LastIndex(line, " =>")
			if at < 0 || line[0] == '#' {
				continue
			}
			input, want := line[:at], strings.TrimPrefix(line[at+3:], " ")
			if strings.HasPrefix(want, "! ") && want != "! forced" {
				want = "!"
			}
			got := strings.ReplaceAll(e.expand(t, strings.ReplaceAll(input, "DIR/", dir+"/")), dir+"/", "DIR/")
			asked++
			if got != want {
				t.Errorf("%s:%d: %s\nexim %s\nmtad %s", filepath.Base(table), n+1, input, got, want)
			}
		}
	}
	if asked < 250 {
		t.Errorf("only %d lines were asked", asked)
	}
	t.Logf("%d lines", asked)
}

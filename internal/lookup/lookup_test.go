package lookup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The formats line by line are held to Exim by the tables of internal/expand;
// here is what these cannot say.

func TestFirstKeyDecides(t *testing.T) {
	t.Parallel()
	var f Files
	path := write(t, "keys", "a: 1\nA: 2\nÄ: 3\n*: rest\n")
	for key, want := range map[string]string{"a": "1", "A": "1", "Ä": "3"} {
		if got, ok, err := f.Find(LSearch, path, key); got != want || !ok || err != nil {
			t.Errorf("%s: %q %v %v, want %q", key, got, ok, err, want)
		}
	}
	if _, ok, err := f.Find(LSearch, path, "ä"); ok || err != nil {
		t.Error("case is folded beyond ASCII", ok, err)
	}
	if got, ok, _ := f.Default(LSearch, path); !ok || got != "rest" {
		t.Error("default", got, ok)
	}
}

func TestFaultyLines(t *testing.T) {
	t.Parallel()
	var f Files
	for _, c := range []struct {
		kind       Kind
		text, want string
	}{
		{IPLSearch, "10.0.0.1 x\n10.0.0.0/40 y\n", `line 2: "10.0.0.0/40" is neither`},
		{IPLSearch, "host y\n", "line 1"},
		{WildLSearch, "a\n\n^( y\n", `line 3: "^(": faulty regular expression`},
		{WildLSearch, "$x y\n", "keys are not expanded"},
		{LSearch, strings.Repeat("x", maxLine+1), "line 1 is longer"},
	} {
		_, _, err := f.Find(c.kind, write(t, "keys", c.text), "10.0.0.1")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20q: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestFileChanges(t *testing.T) {
	t.Parallel()
	var f Files
	path := write(t, "keys", "a: 1\n")
	find := func() string {
		v, ok, err := f.Find(LSearch, path, "a")
		return fmt.Sprint(v, " ", ok, " ", err)
	}
	aSecondOn := func() {
		f.open[fileKey{LSearch, path}].checked.Store(time.Now().Add(-lookEvery).UnixNano())
	}
	if got := find(); got != "1 true <nil>" {
		t.Fatal(got)
	}
	if err := os.WriteFile(path, []byte("a: two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := find(); got != "1 true <nil>" {
		t.Error("looked at more than once a second:", got)
	}
	aSecondOn()
	if got := find(); got != "two true <nil>" {
		t.Error("another size:", got)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte("a: 333\n"), 0o600); err != nil { // same size
		t.Fatal(err)
	}
	if err := os.Chtimes(path+".new", info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	aSecondOn()
	if got := find(); got != "333 true <nil>" {
		t.Error("another inode:", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	aSecondOn()
	if got := find(); !strings.Contains(got, "there is no file") {
		t.Error("removed:", got)
	}
	if err := os.WriteFile(path, []byte("a: 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	aSecondOn()
	if got := find(); got != "5 true <nil>" {
		t.Error("back again:", got)
	}
}

func TestFilesKeptAreBounded(t *testing.T) {
	t.Parallel()
	var f Files
	dir := t.TempDir()
	for i := range maxOpen + 50 {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, []byte(fmt.Sprintf("k: %d\n", i)), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _, err := f.Find(LSearch, path, "k"); got != fmt.Sprint(i) || err != nil {
			t.Fatal(i, got, err)
		}
	}
	if len(f.open) != maxOpen {
		t.Errorf("%d files kept, want %d", len(f.open), maxOpen)
	}
}

func TestDSearchStaysInItsFolder(t *testing.T) {
	t.Parallel()
	var f Files
	path := write(t, "file", "x")
	dir := filepath.Dir(path)
	if got, ok, err := f.Find(DSearch, dir, "file"); got != "file" || !ok || err != nil {
		t.Error(got, ok, err)
	}
	for _, key := range []string{".", "..", "", "FILE", strings.Repeat("x", 300)} {
		if got, ok, err := f.Find(DSearch, dir, key); ok || err != nil {
			t.Errorf("%.10q: %q %v %v", key, got, ok, err)
		}
	}
	for _, key := range []string{"../" + filepath.Base(dir), "/etc/passwd", "file\x00", "a/b"} {
		if _, ok, err := f.Find(DSearch, dir, key); ok || err == nil {
			t.Errorf("%q: found %v, no error", key, ok)
		}
	}
}

func TestNotAFile(t *testing.T) {
	t.Parallel()
	var f Files
	for path, want := range map[string]string{
		t.TempDir(): "is not a file", "/dev/zero": "is not a file", "/nowhere/x": "there is no file", "a\x00b": "cannot read",
	} {
		if _, _, err := f.Find(LSearch, path, "k"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
	if _, err := ReadFile(write(t, "long", "12345"), 4); err == nil {
		t.Error("a file longer than allowed was read")
	}
}

func FuzzRecords(f *testing.F) {
	f.Add("a: b\n  c\n\"d\\\"e\": f\n", "d\"e")
	f.Add("^\\N(a\\N x\n*b y", "b")
	f.Add("10.0.0.0/8 x\n\"::/0\" y\n* z", "::1")
	f.Fuzz(func(t *testing.T, text, key string) {
		lines := strings.Split(text, "\n")
		for kind, parse := range parsers {
			table, err := parse(lines)
			if err != nil {
				continue
			}
			if v, ok, err := table.find(key); v != "" && (!ok || err != nil) {
				t.Errorf("kind %d: %q, but %v, %v", kind, v, ok, err)
			}
			table.star()
		}
	})
}

func BenchmarkFind(b *testing.B) {
	path := filepath.Join(b.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("a: 1\nmail.example.com: 2\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	var f Files
	b.ReportAllocs()
	for b.Loop() {
		if _, ok, _ := f.Find(LSearch, path, "mail.example.com"); !ok {
			b.Fatal("not found")
		}
	}
}

package lists

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var env = Env{
	Named: map[string][]string{
		"inside": {"10.0.0.0/8"}, "butone": {"!10.0.0.7"}, "loop": {"+ring"}, "ring": {"+loop"},
	},
	Hostname: "relay.example.net",
	Dir:      "testdata",
	Local:    func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("198.51.100.1")} },
}

// table calls check for each line of a file: list, subject, answer, item.
func table(t *testing.T, file string, check func(list, subject string) (Result, error)) {
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	for n, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.SplitN(line, "|", 4)
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		if len(f) != 4 {
			t.Fatalf("%s:%d: %q has not four columns", file, n+1, line)
		}
		got, err := check(f[0], f[1])
		switch {
		case f[2] == "error":
			if err == nil || !strings.Contains(err.Error(), f[3]) {
				t.Errorf("%s:%d: %s: error %v, want %q", file, n+1, f[0], err, f[3])
			}
		case err != nil:
			t.Errorf("%s:%d: %s: %v", file, n+1, f[0], err)
		case got.Answer.String() != f[2] || f[3] != "" && got.Item != f[3]:
			t.Errorf("%s:%d: %s in %q: %v by %q, want %s by %q", file, n+1, f[1], f[0], got.Answer, got.Item, f[2], f[3])
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	table(t, "hosts.txt", func(list, subject string) (Result, error) {
		l, err := ParseHosts(Split(list), env)
		if err != nil {
			return Result{}, err
		}
		addr, name, _ := strings.Cut(subject, " ")
		h := Host{Addr: netip.MustParseAddr(addr)}
		switch {
		case name == "?":
			h.Names = func() ([]string, error) { return nil, errors.New("timed out") }
		case strings.HasPrefix(name, "="):
			h.Name = name[1:]
			h.Names = func() ([]string, error) { t.Error("looked up a name that was given"); return nil, nil }
		case name != "~":
			h.Names = func() ([]string, error) { return []string{"other.example.org", name}, nil }
		}
		return l.Match(h), nil
	})
}

func TestDomains(t *testing.T) {
	t.Parallel()
	table(t, "domains.txt", func(list, subject string) (Result, error) {
		l, err := ParseDomains(Split(list), env)
		if err != nil {
			return Result{}, err
		}
		return l.Match(subject), nil
	})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	table(t, "addresses.txt", func(list, subject string) (Result, error) {
		l, err := ParseAddresses(Split(list), env)
		if err != nil {
			return Result{}, err
		}
		return l.Match(subject), nil
	})
}

func TestNilListsMatchNothing(t *testing.T) {
	t.Parallel()
	var h *HostList
	var d *DomainList
	var a *AddressList
	if h.Match(Host{}) != (Result{}) || d.Match("x") != (Result{}) || a.Match("x") != (Result{}) {
		t.Error("a nil list matched")
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"":                  nil,
		"a":                 {"a"},
		" a : b ":           {"a", "b"},
		"a::b":              {"a:b"},
		"a: :b":             {"a", "", "b"},
		"a:":                {"a"},
		"<; ::1 ; 10.0.0.1": {"::1", "10.0.0.1"},
		"<;a;;b;c":          {"a;b", "c"},
		"::::1 : 127.0.0.1": {"::1", "127.0.0.1"},
		"<":                 {"<"},
		"<a b":              {"<a b"},
		":a":                {"", "a"},
	} {
		if got := Split(in); !slices.Equal(got, want) {
			t.Errorf("Split(%q) = %q, want %q", in, got, want)
		}
	}
}

// All mistakes are told, each with its place.
func TestItemErrors(t *testing.T) {
	t.Parallel()
	_, err := ParseHosts([]string{"10.0.0.0/33", "10.0.0.1", "[::1"}, env)
	var places []int
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		places = append(places, e.(*ItemError).Index)
	}
	if !slices.Equal(places, []int{0, 2}) {
		t.Errorf("mistakes at %v: %v", places, err)
	}
}

// Only ASCII folds: KELVIN SIGN is no k.
func TestKelvin(t *testing.T) {
	t.Parallel()
	for _, item := range []string{"mk.example", "^mk\\.example$", "*k.example"} {
		l, err := ParseDomains([]string{item}, env)
		if err != nil {
			t.Fatal(err)
		}
		if l.Match("m\u212a.example").Answer != No || l.Match("MK.example").Answer != Yes {
			t.Errorf("%s folds more than ASCII, or less", item)
		}
	}
}

// Many items become tables, and answer as few do.
func TestLongLists(t *testing.T) {
	t.Parallel()
	var nets, names []string
	for i := range 200 {
		nets = append(nets, netip.AddrFrom4([4]byte{10, 0, byte(i), 0}).String()+"/24")
		names = append(names, "h"+strings.Repeat("x", i)+".example.com", "*.d"+strings.Repeat("y", i)+".example")
	}
	l, err := ParseHosts(append(nets, names...), env)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.entries) != 2 {
		t.Errorf("%d entries, want a table of networks and one of names", len(l.entries))
	}
	for i, item := range nets {
		if got := l.Match(Host{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i), 9})}); got != (Result{Yes, item}) {
			t.Errorf("%s: %v", item, got)
		}
	}
	for _, item := range names {
		name := strings.Replace(item, "*", "a.b", 1)
		if got := l.Match(Host{Addr: netip.MustParseAddr("192.0.2.1"), Name: name}); got != (Result{Yes, item}) {
			t.Errorf("%s: %v", item, got)
		}
	}
	if got := l.Match(Host{Addr: netip.MustParseAddr("10.0.200.1"), Name: "d.example"}); got.Answer != No {
		t.Errorf("a stranger: %v", got)
	}
}

// A file is read anew when it changes, and not known while it cannot be read.
func TestFileChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "domains")
	write := func(text string) {
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write("a.example\n")
	l, err := ParseDomains([]string{"./domains"}, Env{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	aSecondOn := l.entries[0].matcher.(file[string]).Look
	expect := func(domain string, want Answer) {
		t.Helper()
		if got := l.Match(domain); got.Answer != want {
			t.Errorf("%s: %v by %q, want %v", domain, got.Answer, got.Item, want)
		}
	}
	expect("a.example", Yes)
	write("b.example\n")
	expect("b.example", No) // not looked at again within a second
	aSecondOn()
	expect("b.example", Yes)
	expect("a.example", No)
	write("b..example\n")
	aSecondOn()
	expect("b.example", Unknown)
	os.Remove(path)
	aSecondOn()
	expect("a.example", Unknown)
	write("a.example\n")
	aSecondOn()
	expect("a.example", Yes)
}

func FuzzLists(f *testing.F) {
	for _, s := range []string{"*", "!10.0.0.0/8 : +inside", "<; ::1 ; @[]", "^a(b*)c", "*.x : net24-lsearch;keys", "a@b", "[::1", "./relay.hosts", "<;;;"} {
		f.Add(s, "mail.example.com")
	}
	f.Fuzz(func(t *testing.T, list, name string) {
		for _, item := range Split(list) {
			if strings.Contains(item, "/") && !strings.Contains(item, "testdata") {
				return // whatever files this machine has
			}
		}
		if l, err := ParseHosts(Split(list), env); err == nil {
			l.Match(Host{Addr: netip.MustParseAddr("10.0.0.7"), Name: name})
		}
		if l, err := ParseDomains(Split(list), env); err == nil {
			if a, b := l.Match(name), l.Match(fold(name)); a != b {
				t.Errorf("%q: case matters for %q: %v, %v", list, name, a, b)
			}
		}
		if l, err := ParseAddresses(Split(list), env); err == nil {
			l.Match(name)
		}
	})
}

// An array of what Split gave, put together again with doubled colons, says the same.
func FuzzSplit(f *testing.F) {
	f.Add("a : b::c : ")
	f.Fuzz(func(t *testing.T, s string) {
		items := Split(s)
		var again []string
		for _, i := range items {
			if i == "" || strings.HasPrefix(i, "<") || strings.HasPrefix(i, ":") || strings.HasSuffix(i, ":") {
				return
			}
			again = append(again, strings.ReplaceAll(i, ":", "::"))
		}
		if got := Split(strings.Join(again, " : ")); !slices.Equal(got, items) {
			t.Errorf("%q: %q, then %q", s, items, got)
		}
	})
}

// A match is done for each connection, and more than once.
func TestMatchDoesNotAllocate(t *testing.T) {
	l, err := ParseHosts([]string{"127.0.0.1", "!10.0.0.7", "10.0.0.0/8", "*.example.com", "./relay.hosts", "+inside"}, env)
	if err != nil {
		t.Fatal(err)
	}
	h := Host{Addr: netip.MustParseAddr("192.0.2.1"), Name: "mail.example.org"}
	if n := testing.AllocsPerRun(100, func() { l.Match(h) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	l, err := ParseHosts([]string{"127.0.0.1", "::1", "!10.0.0.7", "10.0.0.0/8", "192.168.0.0/16", "*.example.com", "./relay.hosts"}, env)
	if err != nil {
		b.Fatal(err)
	}
	h := Host{Addr: netip.MustParseAddr("192.0.2.1"), Name: "mail.example.org"}
	b.ReportAllocs()
	for b.Loop() {
		l.Match(h)
	}
}

func BenchmarkNetworks(b *testing.B) {
	for _, n := range []int{4, 7, 8, 100_000} {
		var items []string
		for i := range n {
			items = append(items, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String())
		}
		l, err := ParseHosts(items, env)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Match(Host{Addr: netip.MustParseAddr("192.0.2.1")})
			}
		})
	}
}

package expand

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustParse(t testing.TB, s string, vars Vars) *String {
	t.Helper()
	parsed, err := Parse(s, Options{Vars: vars, Dir: "testdata"})
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return parsed
}

// TestNetworkData: what the network said is neither expanded again nor names a
// file, however it comes there; as a key, or found by dsearch, it may.
func TestNetworkData(t *testing.T) {
	t.Parallel()
	env := Values{SenderHeloName: "abc", TLSSNI: "${readfile{text}}", SenderAddress: "keys@x", Host: "$primary_hostname", PrimaryHostname: "relay"}
	refused := []string{
		"${expand:$sender_helo_name}", "${expand:$tls_sni}", "${expand:x$tls_sni}", "${expand:${lc:$tls_sni}}",
		"${expand:${base64:$sender_helo_name}}", "${expand:${md5:$sender_helo_name}}", "${expand:${strlen:$sender_helo_name}}",
		"${expand:${tr{$tls_sni}{a}{b}}}", "${expand:${tr{a}{a}{$host}}}", "${expand:${sg{$tls_sni}{x}{y}}}", "${expand:${sg{a}{a}{$sender_helo_name}}}",
		"${expand:${extract{1}{:}{$sender_helo_name}}}", "${expand:${extract{a}{a=$tls_sni}}}", "${expand:${extract{1}{:}{$tls_sni}{$value}}}",
		"${expand:${if match{$sender_helo_name}{(b)}{$1}}}", "${expand:${hmac{md5}{k}{$tls_sni}}}", "${expand:${substr{0}{2}{$sender_helo_name}}}",
		"${expand:${local_part:$sender_address}}", "${expand:$host}", "${sg{a}{a}{$host}}", "${sg{abc}{b}{${lc:$tls_sni}}}",
		"${readfile{$sender_helo_name}}", "${readfile{folder/${lc:$sender_helo_name}}}", "${readfile{${local_part:$sender_address}}}",
		"${lookup{a}lsearch{${local_part:$sender_address}}}", "${lookup{a}dsearch{$sender_helo_name}}", "${if exists{$sender_helo_name}}",
		"${if match{$sender_helo_name}{.*}{${readfile{folder/$0}}}}",
	}
	for _, s := range refused {
		v, err := mustParse(t, s, AllVars).Eval(env)
		if err == nil || !strings.Contains(err.Error(), "came from the network") {
			t.Errorf("%s: %q, %v", s, v, err)
		}
	}
	for s, want := range map[string]string{
		"${readfile{folder/${lookup{$sender_helo_name}dsearch{folder}{$value}fail}}}":    "x\n",
		"${readfile{${if eq{$sender_helo_name}{abc}{text}fail}}{,}}":                     "one,two,,three",
		"${readfile{${lookup{${local_part:$sender_address}}dsearch{.}{$value}fail}}{;}}": "",
		"${expand:${lookup{$sender_helo_name}lsearch*{keys}}}":                           "all others",
		"${expand:${if def:tls_sni{\\$primary_hostname}}}":                               "relay",
		"$tls_sni":                                  "${readfile{text}}",
		"${sg{$tls_sni}{text}{\\$0s}}":              "${readfile{texts}}",
		"${sg{a$sender_helo_name}{b}{${lc:\\$0}!}}": "aab!c",
		"${if match{$tls_sni}{\\{text\\}}{y$0}{n}}": "y{text}",
		"${expand:${lookup{nobody}lsearch{keys}{a$tls_sni}{\\$primary_hostname}}}": "relay",
	} {
		v, err := mustParse(t, s, AllVars).Eval(env)
		if err != nil || want != "" && v.String() != want {
			t.Errorf("%s: %q, %v, want %q", s, v, err, want)
		}
	}
}

func TestMarkOfResult(t *testing.T) {
	t.Parallel()
	env := Values{SenderHeloName: "abc", PrimaryHostname: "relay"}
	for s, want := range map[string]bool{
		"/etc/$primary_hostname.pem": false, "/etc/$sender_helo_name.pem": true, "/etc/$tls_sni.pem": false, // not set
		"${lookup{$sender_helo_name}dsearch{folder}}": false, "${if def:sender_helo_name{a}{b}}": false, "${lc:$sender_helo_name}": true,
		"${sg{$sender_helo_name}{.*}{}}x": true, "plain": false, "$sender_helo_name$primary_hostname": true,
		"${lookup{a}lsearch{keys}{$sender_helo_name}}": true, "${if eq{$sender_helo_name}{x}{$sender_helo_name}{n}}": false,
	} {
		v, err := mustParse(t, s, AllVars).Eval(env)
		if err != nil || v.FromNetwork() != want {
			t.Errorf("%s: marked %v, %v, want %v", s, v.FromNetwork(), err, want)
		}
		if _, err := v.FileName(); (err != nil) != want {
			t.Errorf("%s: as the name of a file: %v", s, err)
		}
	}
}

func TestVariablesThatExist(t *testing.T) {
	t.Parallel()
	s := mustParse(t, "${if def:host{$host_address}}", HostVars)
	if s.Uses() != VarsOf(Host, HostAddress) {
		t.Errorf("uses %b", s.Uses())
	}
	for text, want := range map[string]string{
		"a $sender_address":        "column 4: the variable sender_address does not exist here; there are: value, host, host_address, primary_hostname",
		"${if def:tls_sni{x}}":     "column 10: the variable tls_sni does not exist here",
		"${sg{a}{a}{\\$tls_sni}}":  "column 12: in the replacement \"$tls_sni\": the variable tls_sni does not exist here",
		"$hots":                    "column 2: there is no variable \"hots\" (did you mean host?)",
		"${lc:${primary_hostnam}}": "column 8: there is no variable \"primary_hostnam\" (did you mean primary_hostname?)",
	} {
		_, err := Parse(text, Options{Vars: HostVars})
		var fault *SyntaxError
		if !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	again := mustParse(t, "${expand:\\$sender_address}", HostVars)
	if _, err := again.Eval(Values{}); err == nil || !strings.Contains(err.Error(), "does not exist here") {
		t.Error("expanded again it sees more:", err)
	}
	if MessageVars&VarsOf(Host, LocalPart) != 0 || MessageVars&SessionVars != SessionVars || HostVars.Len() != 6 {
		t.Error("the sets are not what they say")
	}
}

// TestLists: named lists, files and @ in match conditions; the folder for
// relative names.
func TestLists(t *testing.T) {
	t.Parallel()
	opts := Options{Vars: AllVars, Dir: "testdata", Hostname: "relay.example.net", Named: Lists{
		Hosts:     map[string][]string{"ours": {"192.0.2.0/24"}},
		Domains:   map[string][]string{"ours": {"*.example", "!no.example"}},
		Addresses: map[string][]string{"ours": {"*@x.example"}},
	}}
	for s, want := range map[string]string{
		"${if match_domain{a.example}{+ours}{y}{n}}":      "y",
		"${if match_domain{relay.example.net}{@}{y}{n}}":  "y",
		"${if match_ip{192.0.2.1}{./hosts.list}{y}{n}}":   "y",
		"${if match_ip{192.0.2.9}{+ours}{y}{n}}":          "y",
		"${if match_address{u@x.example}{+ours}{y}{n}}":   "y",
		"${if match_ip{192.0.2.2}{./hosts.list}{y}{n}}":   "n",
		"${if match_ip{192.0.2.2}{<, 10.0.0.1, *}{y}{n}}": "y",
	} {
		parsed, err := Parse(s, opts)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if v, err := parsed.Eval(nil); err != nil || v.String() != want {
			t.Errorf("%s: %q, %v, want %s", s, v, err, want)
		}
	}
	if _, err := Parse("${if match_ip{1.2.3.4}{/nowhere/x}{y}{n}}", opts); err == nil {
		t.Error("a list file that is missing is no error")
	}
}

func TestForced(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"a${if def:tls_sni{x}fail}", "${if def:tls_sni{x}{fail}}", "${lc:${lookup{no}lsearch{keys}{x}fail}}",
		"${expand:\\${if def:tls_sni{x\\}fail\\}}", "${if eq{${env{MTAD_NOT}{}fail}}{x}}"} {
		if v, err := mustParse(t, s, AllVars).Eval(Values{}); !errors.Is(err, ErrForced) || v.String() != "" {
			t.Errorf("%s: %q, %v", s, v, err)
		}
	}
	if _, err := mustParse(t, "${lookup{a}lsearch{nofile}{x}fail}", AllVars).Eval(Values{}); err == nil || errors.Is(err, ErrForced) {
		t.Error("a file that is missing counts as forced failure:", err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	if _, err := Parse(strings.Repeat("${lc:", 60)+strings.Repeat("}", 60), Options{}); err == nil || !strings.Contains(err.Error(), "deep") {
		t.Error("nested strings:", err)
	}
	if _, err := Parse("${if "+strings.Repeat("and{{", 60)+"bool{1}", Options{}); err == nil || !strings.Contains(err.Error(), "deep") {
		t.Error("nested conditions:", err)
	}
	if _, err := Parse(strings.Repeat("x", MaxSource+1), Options{}); err == nil {
		t.Error("a source too long")
	}
	kilo := strings.Repeat("x", 1000)
	million := "${sg{${sg{" + kilo + "}{x}{" + kilo + "}}}{y}{z}}"
	v, err := mustParse(t, million, 0).Eval(nil)
	if err != nil || len(v.String()) != 1e6 {
		t.Error("a megabyte:", len(v.String()), err)
	}
	for name, s := range map[string]string{
		"output":             "${sg{" + kilo + "}{x}{" + kilo + kilo + "}}",
		"output in pieces":   strings.Repeat(million, 2),
		"quadratic search":   "${sg{${sg{" + kilo + "}{x}{" + kilo[:100] + "}}}{(?:x.*y)|x}{z}}",
		"costly expression":  "${if match{${sg{" + kilo + "}{x}{" + kilo[:500] + "}}}{\\N(?:x?){500}b\\N}}",
		"work thrown away":   "${strlen:" + strings.Repeat("${if eq{"+million+"}{y}{y}}", 30) + "}",
		"strings in strings": "${sg{" + kilo + "}{x}{\\${strlen:\\${sg{" + kilo + "\\}{x\\}{" + kilo + "\\}\\}\\}}}",
	} {
		start := time.Now()
		v, err := mustParse(t, s, 0).Eval(nil)
		if err == nil || errors.Is(err, ErrForced) {
			t.Errorf("%s: %d bytes, %v", name, len(v.String()), err)
		} else if !strings.Contains(err.Error(), "MB") {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// TestLoop: a file can make a string that asks the file again.
func TestLoop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "keys"), []byte("a: ${expand:${lookup{a}lsearch{keys}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Parse("${expand:${lookup{a}lsearch{keys}}}", Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Eval(nil); err == nil || !strings.Contains(err.Error(), "more than 50 deep") {
		t.Error(err)
	}
}

// TestLongSubjects: lists take time by the labels of a name and by their items;
// what is no name is not looked for.
func TestLongSubjects(t *testing.T) {
	t.Parallel()
	long := Values{SenderHeloName: strings.Repeat("a.", maxSubject)}
	for _, kind := range []string{"match_domain", "match_address", "match_ip"} {
		_, err := mustParse(t, "${if "+kind+"{$sender_helo_name}{*}}", AllVars).Eval(long)
		if err == nil || !strings.Contains(err.Error(), "too long") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestHashesCost: a hash that takes long to compare counts as work.
func TestHashesCost(t *testing.T) {
	t.Parallel()
	for hash, want := range map[string]string{
		"$2b$13$abcdefghijklmnopqrstuuCi15uRb1eH7NAlJ/TgeJertyknQpYn2": "takes too long",
		"$5$rounds=400000$salt$x":                                      "takes too long",
		"$2b$14$abcdefghijklmnopqrstuuCi15uRb1eH7NAlJ/TgeJertyknQpYn2": "cost above 13",
		"$6$rounds=400001$salt$x":                                      "above 400000",
	} {
		e := evaluation{work: maxWork - 1000}
		if _, err := cryptEqual(&e, "abc", hash); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", hash, err, want)
		}
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	s := mustParse(t, "<${lc:$primary_hostname}>", AllVars)
	got, err := s.Append([]byte("a:"), Values{PrimaryHostname: "RELAY"})
	if err != nil || string(got) != "a:<relay>" {
		t.Errorf("%q, %v", got, err)
	}
	forced := mustParse(t, "x${if bool{no}{}fail}", 0)
	if got, err := forced.Append([]byte("a:"), nil); !errors.Is(err, ErrForced) || string(got) != "a:" {
		t.Errorf("%q, %v", got, err)
	}
	if text, ok := mustParse(t, "a\\$b", 0).Constant(); !ok || text != "a$b" {
		t.Error("constant:", text, ok)
	}
	if _, ok := s.Constant(); ok {
		t.Error("a string with variables is said to be constant")
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	s := mustParse(t, "$1 $value${if match{ab}{(b)}{ $1}} $1${lookup{$2}lsearch{keys}{ $value}}", 0)
	v, err := s.EvalFrom(nil, &Start{Clean("v"), [10]Value{1: FromNetwork("one"), 2: Clean("a")}})
	if err != nil || v.String() != "one v b one one" || !v.FromNetwork() {
		t.Errorf("%q, %v", v, err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := mustParse(t, "${if match{$sender_helo_name}{^$primary_hostname(.)}{$1${lookup{a}lsearch{keys}}}{n}}", AllVars)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c := string(rune('a' + i))
			for range 200 {
				v, err := s.Eval(Values{SenderHeloName: c + "x", PrimaryHostname: c})
				if err != nil || v.String() != "xone" {
					t.Errorf("%q, %v", v, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzExpand(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			input, _, _ := strings.Cut(line, " =>")
			f.Add(input, "a.b@x.example")
		}
	}
	f.Fuzz(func(t *testing.T, source, said string) {
		s, err := Parse(source, testOptions())
		if err != nil {
			if fault := new(SyntaxError); !errors.As(err, &fault) || fault.Column < 1 || fault.Column > len(source)+1 {
				t.Errorf("%q: %v", source, err)
			}
			return
		}
		env := Values{SenderHeloName: said, SenderAddress: said, TLSSNI: said}
		v, err := s.Eval(env)
		if err != nil && v.String() != "" || len(v.String()) > MaxOutput {
			t.Errorf("%q: %d bytes, %v", source, len(v.String()), err)
		}
		if s.Uses()&VarsOf(SenderHeloName, SenderAddress, TLSSNI) == 0 && v.FromNetwork() && !strings.Contains(source, "expand") && !strings.Contains(source, "sg") {
			for _, other := range []Var{SenderHostName, SenderRcvhost, SenderIdent, ReceivedFor, SenderAddressDomain, SenderAddressLocalPart, AuthenticatedID, TLSPeerDN, Host, LocalPart, Domain} {
				if s.Uses().Has(other) {
					return
				}
			}
			t.Errorf("%q: marked, though nothing came from the network", source)
		}
	})
}

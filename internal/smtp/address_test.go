package smtp

import (
	"strings"
	"testing"
	"time"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	long := strings.Repeat
	for in, want := range map[string]string{ // "!": refused; else address, and what follows behind "|"
		"<>": "|", "<> SIZE=1": "| SIZE=1", "<a@B.Example>": "a@b.example|", "<A@b> x": "A@b| x",
		"<postmaster>": "postmaster|", "<a.b@c>": "a.b@c|", "<a@b_c.d>": "a@b_c.d|",
		`<"a b"@c>`: `"a b"@c|`, `<"a@b"@c>`: `"a@b"@c|`, `<"a\"b"@c>`: `"a\"b"@c|`, `<"a\\"@c>`: `"a\\"@c|`, `<"a>b"@c>`: `"a>b"@c|`,
		"<@a,@b:u@c>": "u@c|", "<@[192.0.2.1]:u@c>": "u@c|", "<@a:u>": "u|",
		"<u@[192.0.2.9]>": "u@[192.0.2.9]|", "<u@[IPv6:2001:db8::1]>": "u@[ipv6:2001:db8::1]|", "<u@[IPv6:::ffff:192.0.2.9]>": "u@[ipv6:::ffff:192.0.2.9]|",

		"": "!", "<": "!", ">": "!", "a@b": "!", "<a@b": "!", "a@b>": "!", "<a@b>x": "!", "<a@b>>": "!", "<<a@b>>": "!", "< >": "!", "< a@b>": "!", "<a@b >": "!",
		"<@>": "!", "<a@>": "!", "<@b>": "!", "<a@@b>": "!", "<a@b@c>": "!", "<.a@b>": "!", "<a.@b>": "!", "<a..b@c>": "!",
		`<""@c>`: "!", `<"a@c>`: "!", `<a"b@c>`: "!", `<"a"b@c>`: "!", `<"a\`: "!", "<\"a\tb\"@c>": "!", "<\"a\x00\"@c>": "!",
		"<a\\b@c>": "!", "<a(x)@c>": "!", "<a@b(x)>": "!", "<a b@c>": "!", "<a@b.>": "!", "<a@.b>": "!", "<a@b..c>": "!", "<a@-b>": "!", "<a@b->": "!", "<a@b!c>": "!",
		"<a@1.2.3.4>": "!", "<a@[1.2.3.4.5]>": "!", "<a@[x]>": "!", "<a@[]>": "!", "<a@[::1]>": "!", "<a@[IPv6:1.2.3.4]>": "!", "<a@[IPv6:fe80::1%eth0]>": "!", "<a@[1.2.3.4>": "!", "<a@[1.2.3.4]x>": "!",
		"<@a:>": "!", "<@a,:u@c>": "!", "<@a,u@c>": "!", "<@a u@c>": "!", "<@,@a:u@c>": "!",
		"<\xc3\xbc@c>": "!", "<u@\xd0\xbeurs.test>": "!", "<u@\xef\xbd\x8furs.test>": "!",

		// AD-11: the limits, and one more.
		"<" + long("l", 64) + "@c>": long("l", 64) + "@c|", "<" + long("l", 65) + "@c>": "!",
		"<a@" + long("d", 63) + ">": "a@" + long("d", 63) + "|", "<a@" + long("d", 64) + ">": "!",
		"<a@" + long("d.", 125) + "dd>": "a@" + long("d.", 125) + "dd|", "<a@" + long("d.", 125) + "ddd>": "!",
		"<a@" + long("d.", 128) + "d>": "!",
	} {
		p, rest, err := ParsePath([]byte(in))
		got := p.Address + "|" + string(rest)
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q (%v), want %q", in, got, err, want)
		}
	}
}

func TestPathParts(t *testing.T) {
	t.Parallel()
	p, _, err := ParsePath([]byte(`<"a@b"@C.example>`))
	if err != nil || p.Local() != `"a@b"` || p.Domain() != "c.example" || p.IsNull() {
		t.Errorf("%+v %v: %q %q", p, err, p.Local(), p.Domain())
	}
	p, _, _ = ParsePath([]byte("<Postmaster>"))
	if q := p.Qualified("MX.ours.test"); p.Domain() != "" || q.Address != "Postmaster@mx.ours.test" || q.Domain() != "mx.ours.test" {
		t.Errorf("%+v: %+v", p, q)
	}
	p, _, _ = ParsePath([]byte("<>"))
	if !p.IsNull() || !p.Qualified("x").IsNull() || p.Domain() != "" {
		t.Errorf("%+v is not null", p)
	}
}

// CM-04: what needs SMTPUTF8 is told so.
func TestEightBitAddresses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"<\xc3\xbc@c>", "<a@\xc3\xbc>", "<a\xff@c>", "<\"\xc3\xbc\"@c>"} {
		if _, _, err := ParsePath([]byte(in)); err != ErrEightBit {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// AD-17: length costs no more than its square root of patience.
func TestParsePathIsLinear(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"[", "a.", "@a,", `"\`, "a@", "(", "<"} {
		in := []byte("<" + strings.Repeat(unit, 262144))
		began := time.Now()
		ParsePath(in)
		if took := time.Since(began); took > time.Second {
			t.Errorf("%q: took %v", unit, took)
		}
	}
}

// FuzzParsePath: what is accepted is plain ASCII, within its limits, and parses
// to itself again.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"<>", "<a@b> SIZE=1", `<"a b"@c>`, "<@a,@b:u@c>", "<u@[192.0.2.9]>", "<postmaster>", `<"x> NOTIFY=NEVER RCPT TO:<y"@c>`, "<;sh@c>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		p, rest, err := ParsePath(in)
		if err != nil {
			return
		}
		if len(p.Address) > 254 || !strings.HasSuffix(string(in), string(rest)) {
			t.Fatalf("%q: %q, then %q", in, p.Address, rest)
		}
		for _, c := range []byte(p.Address) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q: %q", in, p.Address)
			}
		}
		again, behind, err := ParsePath([]byte("<" + p.Address + ">"))
		if err != nil || again != p || len(behind) > 0 {
			t.Fatalf("%q: %q parses to %+v, %v", in, p.Address, again, err)
		}
	})
}

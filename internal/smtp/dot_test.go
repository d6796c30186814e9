package smtp

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// seen is what a scanner has found out.
type seen struct {
	n    int // bytes of the DATA with its end
	end  bool
	text Text
	held int
}

// naive reads DATA a byte at a time, from its definition: the reference.
func naive(p []byte) (s seen) {
	all := "\r\n" + string(p)
	if i := strings.Index(all, "\r\n.\r\n"); i >= 0 {
		s.n, s.end = i+3, true
	} else {
		s.n = len(p)
	}
	body := p[:s.n]
	if s.end {
		body = p[:s.n-3]
	}
	first := len(body)
	note := func(at int, f Fault) {
		if at < first {
			first, s.text.Fault = at, f
		}
	}
	for i, c := range body {
		switch {
		case c == '\r' && i+1 < len(body) && body[i+1] != '\n':
			note(i, BareCR)
		case c == '\n' && (i == 0 || body[i-1] != '\r'):
			note(i, BareLF)
		case c == 0:
			note(i, NUL)
		}
		s.text.EightBit = s.text.EightBit || c >= 0x80
	}
	lines := strings.Split(string(body), "\r\n")
	for i, line := range lines {
		last := i == len(lines)-1
		if strings.HasPrefix(line, ".") && !(last && !s.end && (line == "." || line == ".\r")) {
			s.text.Stuffed++
		}
	}
	if !s.end {
		if last := lines[len(lines)-1]; last == "." || last == ".\r" {
			s.held = len(last)
		}
	}
	return s
}

// scan reads DATA in pieces of the given size.
func scan(p []byte, size int) (s seen) {
	var d DotScanner
	for len(p) > 0 && !s.end {
		piece := p[:min(size, len(p))]
		var n int
		n, s.end = d.Scan(piece)
		s.n += n
		p = p[len(piece):]
	}
	s.text, s.held = d.Text, d.Held()
	s.text.at = 0
	return s
}

// compare ignores which fault came first: a piece is looked at for NUL as a whole.
func compare(t *testing.T, p []byte) {
	t.Helper()
	want := naive(p)
	for _, size := range []int{1, 2, 3, 7, len(p) + 1} {
		got := scan(p, size)
		if (got.text.Fault == NoFault) != (want.text.Fault == NoFault) {
			t.Fatalf("%q in pieces of %d: fault %q, want %q", p, size, got.text.Fault, want.text.Fault)
		}
		got.text.Fault = want.text.Fault
		if got != want {
			t.Fatalf("%q in pieces of %d: %+v, want %+v", p, size, got, want)
		}
	}
}

// SM-22: a share of the enumeration B2, against the reference; all of it is a
// matter of seconds.
func TestDotScannerEnumeration(t *testing.T) {
	t.Parallel()
	const alphabet = "\r\n.\x00 x"
	step := 7
	if testing.Short() {
		step = 67
	}
	var b [7]byte
	for n := 0; n < 279936; n += step { // 6^7
		for i, v := 0, n; i < len(b); i, v = i+1, v/len(alphabet) {
			b[i] = alphabet[v%len(alphabet)]
		}
		compare(t, b[:])
		compare(t, append([]byte("x\r\n"), b[:]...))
	}
}

func FuzzDotScanner(f *testing.F) {
	for _, s := range []string{"", ".\r\n", "a\r\n.\r\nNOOP\r\n", "..\r\n.\r\n", "\n.\n", "\r.\r", ".\r.\r\n", "x\r\r\n.\r\n", "\x80\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) { compare(t, p) })
}

// A text of nothing but faults costs as much time as any other.
func TestDotScannerIsLinear(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"\r", "\n", "\r\r\n", "\n\r", ".\r", "\x00"} {
		p := bytes.Repeat([]byte(unit), 4<<20/len(unit))
		began := time.Now()
		var d DotScanner
		d.Scan(p)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%q: 4 MB took %v", unit, took)
		}
	}
}

// FuzzStuffer: what DATA's receiver would make of the stuffed text is the text.
func FuzzStuffer(f *testing.F) {
	for _, s := range []string{"", ".", "..\r\n.", "a\r\n.b\r\n", "a\nb", "a\r", "no end"} {
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, p []byte, size uint8) {
		var s Stuffer
		var out bytes.Buffer
		for rest := p; len(rest) > 0; {
			n := min(len(rest), int(size)+1)
			s.Stuff(&out, rest[:n])
			rest = rest[n:]
		}
		s.Finish(&out)
		want := string(p)
		if want != "" && !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		clean := strings.ReplaceAll(string(p), "\r\n", "")
		if faulty := strings.ContainsAny(clean, "\r\n\x00"); faulty != (s.Fault != NoFault) {
			t.Fatalf("%q: fault %q", p, s.Fault)
		}
		if s.Fault != NoFault {
			return
		}
		wire := append(out.Bytes(), ".\r\n"...)
		var d DotScanner
		n, end := d.Scan(wire)
		if !end || n != len(wire) {
			t.Fatalf("%q became %q, which ends at %d", p, wire, n)
		}
		lines := strings.Split(out.String(), "\r\n")
		for i := range lines {
			lines[i] = strings.TrimPrefix(lines[i], ".")
		}
		if got := strings.Join(lines, "\r\n"); got != want {
			t.Fatalf("%q came out as %q", p, got)
		}
		if int64(out.Len()-len(want)) != s.Stuffed || d.Stuffed != s.Stuffed {
			t.Fatalf("%q: %d dots counted, %d there, %d seen", p, s.Stuffed, out.Len()-len(want), d.Stuffed)
		}
	})
}

func BenchmarkDotScanner(b *testing.B) {
	p := []byte(strings.Repeat(strings.Repeat("x", 70)+"\r\n", 142))
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		var d DotScanner
		d.Scan(p)
	}
}

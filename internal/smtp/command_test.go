package smtp

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) { // CM-09
	t.Parallel()
	for in, want := range map[string]int64{
		"0": 0, "1": 1, "00012": 12, "9223372036854775806": math.MaxInt64 - 1, "9223372036854775807": math.MaxInt64, "9223372036854775808": math.MaxInt64,
		"99999999999999999999": math.MaxInt64, "999999999999999999999": -1, "-1": -1, "+1": -1, "0x10": -1, "": -1, "1 ": -1, "1e3": -1,
	} {
		n, err := ParseSize([]byte(in))
		if err != nil {
			n = -1
		}
		// Near the top every number is over every limit; only its order counts.
		if n != want && !(want > 1e18 && n >= want) {
			t.Errorf("%q: %d, want %d", in, n, want)
		}
	}
}

func FuzzParseBdat(f *testing.F) { // BD-02
	for _, s := range []string{"0", "0 LAST", "12 last", "-1", "9223372036854775808", "99999999999999999999", "0x10", "1 LAST LAST", "", "LAST", "1 2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		n, last, err := ParseBdat(in)
		if err != nil {
			return
		}
		text := strings.ToUpper(strings.Join(strings.FieldsFunc(string(in), func(r rune) bool { return r == ' ' || r == '\t' }), " "))
		digits, word, _ := strings.Cut(text, " ")
		if n < 0 || strings.Trim(digits, "0123456789") != "" || len(digits) > 18 || last != (word == "LAST") || !last && word != "" {
			t.Fatalf("%q: %d %v", in, n, last)
		}
	})
}

func TestCheckXtext(t *testing.T) { // CM-12
	t.Parallel()
	for in, good := range map[string]bool{
		"a": true, "a+2Bb": true, "+20": true, "": false, "a b": false, "a=b": false, "+": false, "+2": false, "+2b": false, "+0A": false, "+0D": false,
		"+00": false, "+7F": false, "+FF": false, "a\n": false, "\xff": false, "12345678": true, "123456789": false,
	} {
		if err := CheckXtext([]byte(in), 8); (err == nil) != good {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func FuzzCheckXtext(f *testing.F) {
	f.Add([]byte("a+2Bb"))
	f.Add([]byte("+0A"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if CheckXtext(in, 100) == nil && (len(in) > 100 || bytes.ContainsAny(in, " =\r\n\x00") || bytes.Contains(in, []byte("+0"))) {
			t.Fatalf("took %q", in)
		}
	})
}

func TestParams(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "  ": "", " A": "A;", " A=1\tB-2=x  C": "A=1;B-2=x;C;", " A=": "A!", " =1": "!", " -A=1": "!", " A=1=2": "!", " A=\xff": "!", " A_B": "!", " A=1\x7f": "!",
	} {
		var got string
		p := Params(in)
		for {
			key, value, err := p.Next()
			if err != nil {
				got = strings.TrimSuffix(got, ";") + "!"
				break
			}
			if key == nil {
				break
			}
			got += string(key)
			if value != nil {
				got += "=" + string(value)
			}
			got += ";"
		}
		if strings.TrimLeft(got, "A") != strings.TrimLeft(want, "A") {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestReplyAppend(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r        Reply
		enhanced bool
		want     string
	}{
		{Reply{Code: 250, Text: "OK"}, true, "250 OK\r\n"},
		{Reply{Code: 250, Enhanced: "2.1.0", Text: "OK"}, true, "250 2.1.0 OK\r\n"},
		{Reply{Code: 250, Enhanced: "2.1.0", Text: "OK"}, false, "250 OK\r\n"},
		{Reply{Code: 214, Enhanced: "2.0.0", Text: "a\nb\nc"}, true, "214-2.0.0 a\r\n214-2.0.0 b\r\n214 2.0.0 c\r\n"},
		{Reply{Code: 550, Text: "<a\r\x1b\xff\x00>"}, false, "550 <a????>\r\n"},
		{Reply{Code: 550, Text: strings.Repeat("x", 600)}, false, "550 " + strings.Repeat("x", maxReplyOut) + "\r\n"},
	} {
		if got := string(c.r.Append(nil, c.enhanced)); got != c.want {
			t.Errorf("%+v: %q", c.r, got)
		}
	}
}

// trickle gives a stream in pieces.
type trickle struct {
	p    []byte
	size int
}

func (r *trickle) Read(p []byte) (int, error) {
	if len(r.p) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.size)], r.p)
	r.p = r.p[n:]
	return n, nil
}

// linesOf reads a stream with a LineReader up to its first unforgivable error.
func linesOf(in []byte, size int) (lines []string, end error) {
	var l LineReader
	src := &trickle{in, size}
	for {
		line, err := l.Next(src)
		switch err {
		case nil:
			lines = append(lines, string(line))
		case ErrLineTooLong:
			lines = append(lines, "too long")
		default:
			return lines, err
		}
	}
}

// naiveLines is the same from the definition.
func naiveLines(in string) (lines []string, end error) {
	for {
		line, rest, ok := strings.Cut(in, "\n")
		if !ok {
			return lines, io.EOF
		}
		if len(line)+1 > MaxLine {
			if !strings.HasSuffix(line, "\r") {
				return lines, ErrLineBare
			}
			lines = append(lines, "too long")
		} else if body, cr := strings.CutSuffix(line, "\r"); !cr || strings.ContainsAny(body, "\r\x00") {
			return lines, ErrLineBare
		} else {
			lines = append(lines, body)
		}
		in = rest
	}
}

func FuzzLineReader(f *testing.F) {
	f.Add([]byte("NOOP\r\nQUIT\r\n"), uint16(3))
	f.Add([]byte("a\rb\r\nc\r\n"), uint16(1))
	f.Add([]byte("a\nb\r\n"), uint16(9))
	f.Add([]byte(strings.Repeat("x", 3000)+"\r\nNOOP\r\n"), uint16(2047))
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		if len(in) > maxDiscard/2 {
			return
		}
		lines, end := linesOf(in, int(size)+1)
		want, wantEnd := naiveLines(string(in))
		if strings.Join(lines, "\n") != strings.Join(want, "\n") || len(lines) != len(want) || !errors.Is(end, wantEnd) {
			t.Fatalf("%q in pieces of %d: %q %v, want %q %v", in, size+1, lines, end, want, wantEnd)
		}
	})
}

// Raw bytes and lines take turns; what was read too far goes back.
func TestLineReaderUnread(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("y", 3*MaxLine)
	var l LineReader
	src := &trickle{[]byte("DATA\r\nbody|QUIT\r\n" + big + "|NOOP\r\nRSET\r\n" + big), 1 << 20}
	expect := func(want string) {
		t.Helper()
		if line, err := l.Next(src); err != nil || string(line) != want {
			t.Fatalf("line %q, %v; want %q", line, err, want)
		}
	}
	body := func(want string) {
		t.Helper()
		var all []byte
		for {
			p := make([]byte, 4*MaxLine)
			n, err := l.Read(src, p)
			if err != nil {
				t.Fatal(err)
			}
			if i := bytes.IndexByte(p[:n], '|'); i >= 0 {
				l.Unread(p[i+1 : n])
				if all = append(all, p[:i]...); string(all) != want {
					t.Fatalf("read %d bytes, want %d", len(all), len(want))
				}
				return
			}
			all = append(all, p[:n]...)
		}
	}
	expect("DATA")
	body("body")
	expect("QUIT")
	body(big)
	expect("NOOP")
	if !l.Complete() {
		t.Error("RSET is not there")
	}
	expect("RSET")
}

// Long lines and short ones take turns, in whatever pieces they come; the long
// buffer is given back.
func TestLineReaderLong(t *testing.T) {
	t.Parallel()
	const max = 5 * MaxLine
	longest := strings.Repeat("x", max-2)
	for _, size := range []int{1, 100, MaxLine - 1, MaxLine, MaxLine + 1, 1 << 20} {
		var l LineReader
		src := &trickle{[]byte("AUTH\r\n" + longest + "\r\nshort\r\n" + longest + "x\r\nNOOP\r\n" + longest + "\r\nQUIT\r\n"), size}
		for _, step := range []struct {
			max  int
			want string
			err  error
		}{
			{MaxLine, "AUTH", nil}, {max, longest, nil}, {max, "short", nil}, {max, "", ErrLineTooLong},
			{MaxLine, "NOOP", nil}, {MaxLine, "", ErrLineTooLong}, {max, "QUIT", nil},
		} {
			line, err := l.NextLong(src, step.max)
			if string(line) != step.want || err != step.err {
				t.Fatalf("in pieces of %d: %d bytes, %v; want %d, %v", size, len(line), err, len(step.want), step.err)
			}
		}
		if l.big != nil {
			t.Errorf("in pieces of %d: %d bytes are kept", size, len(l.big))
		}
	}
}

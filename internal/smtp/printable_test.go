package smtp

import (
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		max  int
		want string
	}{
		{"", 10, ""},
		{"plain text", 10, "plain text"},
		{"plain text", 5, "plain"},
		{"a\r\nb\tc\\d", 100, `a\r\nb\tc\\d`},
		{"\x00\x1b[2J\x7f\x80\xff", 100, `\000\033[2J\177\200\377`},
		{"é\u202e", 100, `\303\251\342\200\256`},
		{"ab\xff", 5, "ab"},
		{"ab\xff", 6, `ab\377`},
		{"x\\", 2, "x"},
	} {
		if got := Printable([]byte(c.in), c.max); got != c.want {
			t.Errorf("%q, %d: %q, want %q", c.in, c.max, got, c.want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add([]byte("a\r\n\\\xff"), 7)
	f.Fuzz(func(t *testing.T, in []byte, max int) {
		if max < 0 {
			return
		}
		got := Printable(in, max)
		if len(got) > max || strings.ContainsFunc(got, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("%q, %d: %q", in, max, got)
		}
	})
}

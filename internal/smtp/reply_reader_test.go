package smtp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReplyReader(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxReplyLine-len("250 \r\n"))
	for _, c := range []struct {
		name, in  string
		code      int
		text      string
		last      string
		err       error // nil, an error of io, or a *MalformedReply
		remaining string
	}{
		{name: "one line", in: "250 OK\r\n", code: 250, text: "250 OK", last: "250 OK"},
		{name: "code only", in: "354\r\n", code: 354, text: "354", last: "354"},
		{name: "three lines", in: "250-a\r\n250-\r\n250 c\r\n", code: 250, text: `250-a\n250-\n250 c`, last: "250 c"},
		{name: "bare LF", in: "250 OK\n", code: 250, text: "250 OK", last: "250 OK"},
		{name: "two replies", in: "250 a\r\n550 b\r\n", code: 250, text: "250 a", last: "250 a", remaining: "550 b\r\n"},
		{name: "CR inside", in: "250 a\rb\r\n", code: 250, text: `250 a\rb`, last: `250 a\rb`},
		{name: "longest line", in: "250 " + long + "\r\n", code: 250, text: "250 " + long[:maxReplyText-4], last: "250 " + long[:maxReplyText-4]},
		{name: "last line not kept", in: "250-" + long[:2000] + "\r\n250 z\r\n", code: 250, text: "250-" + long[:maxReplyText-4], last: "250-" + long[:maxReplyText-4]},
		{name: "nothing", in: "", err: io.EOF},
		{name: "no end", in: "250 OK", err: io.ErrUnexpectedEOF},
		{name: "no end of CR", in: "250 OK\r", err: io.ErrUnexpectedEOF},
		{name: "no last line", in: "250-OK\r\n", err: io.ErrUnexpectedEOF},
		{name: "line too long", in: "250 " + long + "x\r\n", err: &MalformedReply{}},
		{name: "too many lines", in: strings.Repeat("250-a\r\n", 64) + "250 b\r\n", err: &MalformedReply{}},
		{name: "most lines", in: strings.Repeat("250-a\r\n", 63) + "250 b\r\n", code: 250,
			text: strings.Repeat(`250-a\n`, 63) + "250 b", last: "250 b"},
		{name: "codes differ", in: "250-a\r\n550 b\r\n", err: &MalformedReply{}},
		{name: "1xx", in: "150 a\r\n", err: &MalformedReply{}},
		{name: "6xx", in: "600 a\r\n", err: &MalformedReply{}},
		{name: "four digits", in: "2500 a\r\n", err: &MalformedReply{}},
		{name: "two digits", in: "25 a\r\n", err: &MalformedReply{}},
		{name: "no digits", in: "SSH-2.0\r\n", err: &MalformedReply{}},
		{name: "empty line", in: "\r\n", err: &MalformedReply{}},
		{name: "tab", in: "250\tOK\r\n", err: &MalformedReply{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for how, src := range map[string]io.Reader{"whole": strings.NewReader(c.in), "by bytes": iotest.OneByteReader(strings.NewReader(c.in))} {
				var r ReplyReader
				a, err := r.Read(src, nil)
				var malformed *MalformedReply
				switch {
				case errors.As(c.err, &malformed):
					if !errors.As(err, &malformed) || len(malformed.Text) > maxReplyText {
						t.Errorf("%s: %v", how, err)
					}
				case err != c.err:
					t.Errorf("%s: %v, want %v", how, err, c.err)
				case err == nil && (a.Code != c.code || a.String() != clipped(c.text) || a.LastLine() != c.last):
					t.Errorf("%s: %d %q, last %q", how, a.Code, a.String(), a.LastLine())
				case err == nil && how == "whole" && r.Buffered() != len(c.remaining):
					t.Errorf("%d bytes buffered", r.Buffered())
				}
			}
		})
	}
}

// clipped is what is left of an escaped text of many lines.
func clipped(text string) string {
	text = text[:min(len(text), maxReplyText)]
	return text
}

func TestReplyKeywords(t *testing.T) {
	t.Parallel()
	var r ReplyReader
	var got []string
	_, err := r.Read(strings.NewReader("250-mx hello\r\n250-\r\n250-SIZE 5\r\n250 HELP\r\n"), func(text []byte) { got = append(got, string(text)) })
	if err != nil || strings.Join(got, "|") != "mx hello|SIZE 5|HELP" {
		t.Errorf("%q %v", got, err)
	}
}

// TestReplyReaderIsBounded: HD-05, CM-22: an endless line, and endless lines, are
// read no further than the bounds.
func TestReplyReaderIsBounded(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"x", "250-\xff\x1b\r\n"} {
		src := &endless{unit: unit}
		var r ReplyReader
		_, err := r.Read(src, nil)
		var malformed *MalformedReply
		if !errors.As(err, &malformed) || len(malformed.Text) > maxReplyText || src.given > 2*maxReplyLine {
			t.Errorf("%q: %d bytes read, %v", unit, src.given, err)
		}
	}
}

type endless struct {
	unit  string
	given int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, bytes.Repeat([]byte(e.unit), len(p)/len(e.unit)+1))
	e.given += n
	return n, nil
}

func FuzzReplyReader(f *testing.F) {
	for _, s := range []string{"250 OK\r\n", "250-a\r\n250 b\r\n", "354\r\n550-x\r\n551 y\r\n", "220 \xff\x1b\\\r\n", "\r\n", "250 no end"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, pieces := replies(t, bytes.NewReader(in)), replies(t, iotest.HalfReader(bytes.NewReader(in)))
		if whole != pieces {
			t.Errorf("%q\nin one piece: %s\nin pieces: %s", in, whole, pieces)
		}
	})
}

// replies tells all replies of src, and how it ended.
func replies(t *testing.T, src io.Reader) string {
	var r ReplyReader
	var b strings.Builder
	for {
		a, err := r.Read(src, func(text []byte) { new(Extensions).Add(text) })
		if err != nil {
			return b.String() + err.Error()
		}
		if a.Code < 200 || a.Code > 599 || !strings.HasPrefix(a.String(), string(rune('0'+a.Code/100))) {
			t.Fatalf("%d %q", a.Code, a)
		}
		for _, s := range []string{a.String(), a.LastLine()} {
			if len(s) > maxReplyText || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Fatalf("not printable: %q", s)
			}
		}
		b.WriteString(a.String() + "|")
	}
}

func BenchmarkReplyReader(b *testing.B) {
	in := []byte("250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go ahead\r\n")
	src := bytes.NewReader(in)
	var r ReplyReader
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(in)
		for range 3 {
			if a, err := r.Read(src, nil); err != nil || a.Code < 250 {
				b.Fatal(err)
			}
		}
	}
}

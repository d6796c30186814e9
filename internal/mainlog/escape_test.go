package mainlog

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

var deliveryLine = regexp.MustCompile(`^2026-11-23 12:00:00 1vNDqi-0000Gx-2A => (\S+) R=(\S+) T=(\S+) H=([^ \[\]()]+) \[([^ \[\]()]+)\]\* ` +
	`X=(\S+) CV=yes DN="((?:[^"\\]|\\.)*)" A=(\S+) C="((?:[^"\\]|\\.)*)"$`)

var rejectLine = regexp.MustCompile(`^2026-11-23 12:00:00 H=([^ \[\]()]+) \(([^ ()]+)\) \[192\.0\.2\.1\] F=<([^ <>]+)> rejected RCPT <([^ <>]+)>: (.+)$`)

// FuzzAnyString: whatever a peer sends stays within its field of its line, in
// both formats, and can be read back (HD-01 to HD-05, HD-11).
func FuzzAnyString(f *testing.F) {
	for _, s := range []string{"plain", "a b", "x\n2026-11-23 12:00:00 fake", "\r\n", "\x00", "\x1b[2J", "\u202e", "\u2028",
		"\xff\xfe", "\"", "\\", "\\\"", "()", "[]", "<>", "> <", "é", "😀", "\U000e0041", "\x7f", "\u0085", "%s%n", "$(id)",
		"a\tb", "\ufffd", "\xed\xa0\x80", strings.Repeat("é", maxValue)} {
		f.Add(s, "x")
		f.Add("x", s)
	}
	e, j := newFormatter(f, "exim"), newFormatter(f, "json")
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" {
			return
		}
		d := Delivery{ID: testID("1vNDqi-0000Gx-2A"), First: true, Address: a, Router: b, Transport: a, Host: Host{a, b}, HandedOn: true,
			TLS: TLS{a, true, b}, Authenticator: a, Reply: b}
		r := Rejection{Client: Client{Addr: netip.MustParseAddr("192.0.2.1"), Name: a, Helo: b}, Stage: StageRcpt, Sender: a, Recipient: b, Text: b}

		checkExim(t, e.lines(t, func(l *Log) { l.Delivered(d) }), deliveryLine, a, b, a, a, b, a, b, a, b)
		if a != b { // an EHLO that equals the name is left out
			checkExim(t, e.lines(t, func(l *Log) { l.Rejected(r) }), rejectLine, a, b, a, b)
		}
		checkJSON(t, j.lines(t, func(l *Log) { l.Delivered(d) }), map[string]string{"event": "delivered", "address": a, "router": b,
			"transport": a, "host": a, "host_address": b, "tls_cipher": a, "tls_peerdn": b, "authenticator": a, "reply": b})
		checkJSON(t, j.lines(t, func(l *Log) { l.Rejected(r) }), map[string]string{"event": "rejected", "client_name": a, "helo": b,
			"sender": a, "recipient": b, "reason": b})
	})
}

// formatter gives the line of an event without files or goroutines.
type formatter struct{ log *Log }

func newFormatter(t testing.TB, format string) formatter {
	l := &Log{json: format == "json", opt: Options{ShowPeerDN: true, FloodRate: 1 << 60, Now: func() time.Time { return noon }}}
	l.lines.New = func() any { return &line{log: l} }
	l.flood.init(l)
	l.main = newSink(nil, "", 1<<20, nil)
	l.reject, l.panic, l.stderr = l.main, l.main, l.main
	return formatter{l}
}

func (f formatter) lines(t *testing.T, say func(*Log)) string {
	t.Helper()
	f.log.main.pending = f.log.main.pending[:0]
	say(f.log)
	got := string(f.log.main.pending)
	text, ok := strings.CutSuffix(got, "\n")
	if !ok || !utf8.ValidString(text) {
		t.Fatalf("not a line of UTF-8: %q", got)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			t.Fatalf("%q reaches the terminal in %q", r, text)
		}
	}
	return text
}

func checkExim(t *testing.T, text string, form *regexp.Regexp, want ...string) {
	t.Helper()
	m := form.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("the line lost its form: %s", text)
	}
	for i, w := range want {
		got := unescape(t, m[i+1])
		if len(w) > maxValue {
			w = w[:maxValue] + cut
		}
		if got != w {
			t.Fatalf("field %d: %q reads back as %q", i+1, w, got)
		}
	}
}

// unescape is what a reader of the Exim format does.
func unescape(t *testing.T, s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case '"', '\\':
			b.WriteByte(c)
		default:
			x, err := strconv.ParseUint(s[i:i+3], 8, 8)
			if err != nil {
				t.Fatalf("faulty escape in %q", s)
			}
			b.WriteByte(byte(x))
			i += 2
		}
	}
	return b.String()
}

func checkJSON(t *testing.T, text string, want map[string]string) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for name, w := range want {
		if len(w) > maxValue {
			w = w[:maxValue] + cut
		}
		if w = string([]rune(w)); got[name] != w { // []rune: what is not UTF-8 becomes U+FFFD
			t.Fatalf("%s: %q reads back as %q", name, w, got[name])
		}
	}
}

// TestEveryEventIsStrictJSON: names are never given twice, values parse.
func TestEveryEventIsStrictJSON(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("testdata", "json-mainlog"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		d := json.NewDecoder(strings.NewReader(text))
		seen := map[json.Token]bool{}
		d.Token() // {
		for d.More() {
			name, err := d.Token()
			if err != nil || seen[name] {
				t.Fatalf("%v: %v twice: %s", err, name, text)
			}
			seen[name] = true
			if _, err := d.Token(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
		}
	}
}

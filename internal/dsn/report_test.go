package dsn

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtad/spool"
)

var update = flag.Bool("update", false, "rewrite the reports in testdata")

func id(s string) (id spool.ID) {
	copy(id[:], s)
	return id
}

func report(kind Kind) *Report {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	return &Report{
		Kind: kind, Host: "relay.example.net", ID: id("1vNFgx-0000Hq-9Z"), Now: at.Add(26*time.Hour + 5*time.Minute), Boundary: "=_b0undary",
		About: &spool.Envelope{
			ID: id("1vNDqi-0000Gx-2A"), Received: at, Sender: "a@x.example", MessageID: "abc@x.example", EnvID: "QQ314159+2B",
			Recipients: []spool.Recipient{
				{Address: "ok@y.example", State: spool.Delivered},
				{Address: "e@z.example", Orcpt: "rfc822;Bob+2BTed@z.example", LastTry: at.Add(time.Hour),
					LastError: "SMTP error from remote mailer after RCPT TO:<e@z.example>: host mx.z.example [192.0.2.8]: 550 5.1.1 no such user"},
				{Address: "f@w.example", LastTry: at.Add(96 * time.Hour), LastError: "H=mx.w.example [192.0.2.9]: Connection refused: retry timeout exceeded"},
				{Address: "g@v.example", LastError: "Unrouteable address"},
			},
		},
		Rcpts:    []int{1, 2, 3},
		Original: []byte("Received: from client.x.example\r\n\tby relay.example.net\r\nSubject: Hello =?utf-8?q?w=C3=B6rld?=\r\nDate: Mon, 23 Nov 2026 10:59:58 +0100\r\nMessage-ID: <abc@x.example>\r\n\r\nHow are you?\r\n..dot\r\n"),
	}
}

// TestReports compares with what stands in testdata.
func TestReports(t *testing.T) {
	t.Parallel()
	headersOnly := report(Failed)
	headersOnly.About.Ret = spool.RetHdrs
	for name, r := range map[string]*Report{"failed": report(Failed), "delayed": report(Delayed), "relayed": report(Relayed), "headers": headersOnly} {
		got := strings.ReplaceAll(string(r.Write().Bytes), "\r\n", "\n")
		file := filepath.Join("testdata", name+".txt")
		if *update {
			os.WriteFile(file, []byte(got), 0o644)
		}
		want, err := os.ReadFile(file)
		if err != nil || got != string(want) {
			t.Errorf("%s came out otherwise (-update accepts it), %v:\n%s", file, err, got)
		}
	}
}

// parsed is a report as a mail program sees it.
type parsed struct {
	header mail.Header
	types  []string
	parts  [][]byte
	groups []textproto.MIMEHeader // of message/delivery-status
}

// parse undoes the dot-stuffing and reads the parts; whatever went in, what comes out
// must be a message of legal lines.
func parse(m Message) (p parsed, err error) {
	var text []byte
	for line := range bytes.Lines(m.Bytes) {
		if !bytes.HasSuffix(line, []byte("\r\n")) || len(line) > 1000 {
			return p, fmt.Errorf("line %.60q of %d bytes", line, len(line))
		}
		if line[0] == '.' {
			line = line[1:]
		}
		text = append(text, line...)
	}
	if int64(len(text)) != m.Size {
		return p, fmt.Errorf("size is %d, said to be %d", len(text), m.Size)
	}
	msg, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return p, err
	}
	p.header = msg.Header
	typ, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || typ != "multipart/report" || params["report-type"] != "delivery-status" {
		return p, fmt.Errorf("%s %v: %v", typ, params, err)
	}
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return p, err
		}
		body, err := io.ReadAll(part)
		if err != nil {
			return p, err
		}
		p.types = append(p.types, part.Header.Get("Content-Type"))
		p.parts = append(p.parts, body)
	}
	if len(p.parts) != 3 {
		return p, fmt.Errorf("%d parts", len(p.parts))
	}
	for group := range bytes.SplitSeq(bytes.TrimSpace(p.parts[1]), []byte("\r\n\r\n")) {
		h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(group, "\r\n\r\n"...)))).ReadMIMEHeader()
		if err != nil {
			return p, err
		}
		p.groups = append(p.groups, h)
	}
	return p, nil
}

// The fields that programs go by.
func TestStatusFields(t *testing.T) {
	t.Parallel()
	p, err := parse(report(Failed).Write())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		group       int
		field, want string
	}{
		{0, "Reporting-MTA", "dns; relay.example.net"},
		{0, "Original-Envelope-Id", "QQ314159+"},
		{1, "Original-Recipient", "rfc822;Bob+Ted@z.example"},
		{1, "Final-Recipient", "rfc822;e@z.example"},
		{1, "Action", "failed"},
		{1, "Status", "5.1.1"},
		{1, "Remote-MTA", "dns; mx.z.example"},
		{1, "Diagnostic-Code", "smtp; 550 5.1.1 no such user"},
		{2, "Status", "4.4.7"},
		{2, "Diagnostic-Code", "X-mtad; Connection refused"},
		{3, "Status", "5.0.0"},
		{3, "Remote-MTA", ""},
	} {
		if got := p.groups[c.group].Get(c.field); got != c.want {
			t.Errorf("group %d: %s: %q, want %q", c.group, c.field, got, c.want)
		}
	}
	if p.header.Get("Auto-Submitted") != "auto-replied" || p.header.Get("To") != "a@x.example" {
		t.Errorf("header %v", p.header)
	}
	if date, err := p.header.Date(); err != nil || !date.Equal(report(Failed).Now) {
		t.Errorf("date %v, %v", date, err)
	}
	if got := string(p.parts[2]); !strings.HasSuffix(got, "How are you?\r\n.dot\r\n") {
		t.Errorf("the message came back as %q", got)
	}
}

func TestStatusOfReplies(t *testing.T) {
	t.Parallel()
	after := func(reply string) string {
		return "SMTP error from remote mailer after RCPT TO:<a@b>: host mx [192.0.2.1]: " + reply
	}
	for _, c := range []struct {
		kind          Kind
		trouble, want string
	}{
		{Failed, after("550 no"), "5.0.0"},
		{Failed, after("550 5.7.1 no"), "5.7.1"},
		{Failed, after("550 5.7.1"), "5.7.1"},
		{Failed, after("550-5.7.1 no"), "5.7.1"},
		{Failed, after("550"), "5.0.0"},
		{Failed, after("550 4.7.1 who knows"), "5.0.0"},
		{Failed, after("550 5.1234.1 no"), "5.0.0"},
		{Failed, after("450 4.2.1 later: retry timeout exceeded"), "4.4.7"},
		{Failed, "retry timeout exceeded", "4.4.7"},
		{Delayed, after("450 4.2.1 later"), "4.2.1"},
		{Delayed, after("450 later"), "4.0.0"},
		{Delayed, "", "4.0.0"},
		{Failed, "550 5.7.1 without a host it is no reply", "5.0.0"},
		{Relayed, after("250 2.0.0 ok"), "2.1.9"},
	} {
		if got := diagnose(c.kind, c.trouble, maxText); got.status != c.want {
			t.Errorf("%s %q: %+v, want %s", c.kind, c.trouble, got, c.want)
		}
	}
}

// THREATS LO-07: a large message is not sent back.
func TestLO07LargeMessage(t *testing.T) {
	t.Parallel()
	r := report(Failed)
	r.Original = append(r.Original, bytes.Repeat([]byte("0123456789\r\n"), MaxReturned/12+1)...)
	p, err := parse(r.Write())
	if err != nil {
		t.Fatal(err)
	}
	if p.types[2] != "text/rfc822-headers" || !bytes.HasSuffix(p.parts[2], []byte("Message-ID: <abc@x.example>\r\n")) {
		t.Errorf("%s %.300q", p.types[2], p.parts[2])
	}
	r = report(Failed)
	r.Original = []byte(strings.Repeat("X-Long: "+strings.Repeat("y", 700)+"\r\n folded\r\n", 200) + "\r\nbody\r\n")
	m := r.Write()
	if p, err = parse(m); err != nil || len(m.Bytes) > 2*maxHeader || !bytes.HasSuffix(p.parts[2], []byte("\r\n folded\r\n")) {
		t.Errorf("%d bytes, %v", len(m.Bytes), err)
	}
}

// THREATS LO-05: a thousand recipients are one report, and all are in it.
func TestLO05ManyRecipients(t *testing.T) {
	t.Parallel()
	r := report(Failed)
	r.About.Recipients, r.Rcpts = nil, nil
	for i := range 1000 {
		r.About.Recipients = append(r.About.Recipients, spool.Recipient{Address: fmt.Sprintf("u%d@z.example", i), LastError: "Unrouteable address"})
		r.Rcpts = append(r.Rcpts, i)
	}
	p, err := parse(r.Write())
	if err != nil || len(p.groups) != 1001 || p.groups[1000].Get("Final-Recipient") != "rfc822;u999@z.example" {
		t.Errorf("%d groups, %v", len(p.groups), err)
	}
	if n := strings.Count(p.header.Get("X-Failed-Recipients"), "@"); n != maxNamed {
		t.Errorf("%d in X-Failed-Recipients", n)
	}
}

// THREATS LO-08: who gets no warning.
func TestLO08Automatic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"Subject: x\r\n\r\nPrecedence: bulk\r\n":      false,
		"Precedence: Bulk\r\n\r\n":                    true,
		"Subject: x\r\nprecedence:\r\n\tlist\r\n\r\n": true,
		"Precedence: junk\r\n":                        true,
		"Precedence: first-class\r\n\r\n":             false,
		"Auto-Submitted: auto-replied\r\n\r\n":        true,
		"Auto-Submitted: auto-generated (x)\r\n":      true,
		"Auto-Submitted: no\r\n\r\n":                  false,
		"List-Id: <x.example>\r\n\r\n":                true,
		"List-Unsubscribe: <x>\r\n\r\n":               false,
		"\r\nPrecedence: bulk\r\n":                    false,
		"":                                            false,
	} {
		if got := Automatic([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestEightBit(t *testing.T) {
	t.Parallel()
	r := report(Failed)
	r.Original = append(r.Original, "sm\xc3\xb6rg\xe5s\r\n"...)
	r.About.Recipients[1].LastError = "SMTP error: host mx [192.0.2.1]: 550 n\xc3\xa4\r\nBcc: x\x1b[31m"
	m := r.Write()
	p, err := parse(m)
	if err != nil || !m.EightBit || p.header.Get("Content-Transfer-Encoding") != "8bit" {
		t.Fatalf("%v %+v", err, p.header)
	}
	if eightBit(p.parts[0]) || eightBit(p.parts[1]) || bytes.Contains(p.parts[0], []byte("\nBcc")) {
		t.Errorf("%q", p.parts[0])
	}
}

// FuzzReport: whatever peers said, a report is a message of legal lines with its three
// parts, and nothing of theirs stands at the beginning of a line of its header.
func FuzzReport(f *testing.F) {
	f.Add("550 no", "rfc822;a+2Bb", "env", "a@b", "Subject: x\r\n\r\nbody\r\n")
	f.Add(strings.Repeat("x", 1024), "", "", strings.Repeat("y", 200)+"@b", ".\r\n")
	f.Add("a: host x [1]: "+strings.Repeat("550 ", 200), "x;+0D+0A", "+", "b", "\r\n--=_b0undary--\r\n")
	f.Add("a: host x [192.0.2.1]: 550 \x1b[2J\x00\r\nBcc: x", "rfc822;\x07\x80", "+00+1B", "c", "Subject: \x1b[2J\r\nDate: \xff\r\n\r\n")
	f.Fuzz(func(t *testing.T, trouble, orcpt, envid, msgid, original string) {
		r := report(Failed)
		r.Boundary = "=_nobody-foresees-this"
		r.About.EnvID, r.About.MessageID = envid, strings.ToValidUTF8(strings.Map(printable, msgid), "")
		rcpt := &r.About.Recipients[1]
		rcpt.LastError, rcpt.Orcpt = trouble, orcpt
		r.Original = stuffed(original)
		for _, kind := range []Kind{Failed, Delayed, Relayed} {
			r.Kind = kind
			m := r.Write()
			p, err := parse(m)
			if err != nil {
				t.Fatalf("%s: %v\n%s", kind, err, m.Bytes)
			}
			for _, part := range p.parts[:2] {
				if i := bytes.IndexFunc(part, func(c rune) bool { return c < ' ' && !strings.ContainsRune("\r\n\t", c) || c > '~' }); i >= 0 {
					t.Fatalf("%s: a byte that is not printable in %q", kind, part)
				}
			}
			if len(p.groups) != 4 || p.header.Get("Bcc") != "" {
				t.Fatalf("%s: %v\n%s", kind, p.groups, m.Bytes)
			}
		}
	})
}

func printable(r rune) rune {
	if r <= ' ' || r > '~' {
		return -1
	}
	return r
}

// stuffed makes lines of any text, as the spool keeps them.
func stuffed(text string) []byte {
	var b bytes.Buffer
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.ReplaceAll(line, "\r", "")
		line = line[:min(len(line), 900)]
		if strings.HasPrefix(line, ".") {
			line = "." + line
		}
		b.WriteString(line + "\r\n")
	}
	return b.Bytes()
}

func TestAge(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]string{
		0: "0 minutes", time.Minute: "1 minute", 119 * time.Minute: "119 minutes", 2 * time.Hour: "2 hours",
		119 * time.Hour: "119 hours", 120 * time.Hour: "5 days",
	} {
		r := report(Delayed)
		r.Now = r.About.Received.Add(age)
		if got := r.age(); got != want {
			t.Errorf("%s is %q, want %q", age, got, want)
		}
	}
}

// A failure that nobody has words for leaves no line of blanks.
func TestNoReason(t *testing.T) {
	t.Parallel()
	r := report(Failed)
	r.About.Recipients[3].LastError = ""
	if p, err := parse(r.Write()); err != nil || bytes.Contains(p.parts[0], []byte("  \r\n")) {
		t.Errorf("%v\n%q", err, p.parts[0])
	}
}

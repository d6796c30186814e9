package inbound

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"mtad/spool"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.txt")

// A dialogue is a transcript. The test sends its C: lines to a real session and
// compares everything else with what comes of it.
//
//	config: option = value     on top: added to the configuration
//	client: 192.0.2.1          on top: the client's address
//	# …                        comment
//	C: line                    sent with CRLF; C: lines in a row go in one piece
//	C= "text"                  sent as it is, in a Go string
//	C. end                     the client ends its side
//	S: line                    answered
//	S. closed                  the session has ended
//	L: …                       said to the operator
//	M: …                       kept in the spool, at the end
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := perform(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s goes another way:\n%s", file, got)
			}
		})
	}
}

// perform plays a dialogue and returns its transcript.
func perform(t *testing.T, script string) string {
	lines := strings.Split(strings.TrimRight(script, "\n"), "\n")
	var out []string
	client, extra := "192.0.2.1", ""
	for len(lines) > 0 && !strings.HasPrefix(lines[0], "S: ") && !strings.HasPrefix(lines[0], "C") {
		if v, ok := strings.CutPrefix(lines[0], "client: "); ok {
			client = v
		} else if v, ok := strings.CutPrefix(lines[0], "config: "); ok {
			extra += v + "\n"
		}
		out = append(out, lines[0])
		lines = lines[1:]
	}
	r := newRig(t, extra)
	w, banner := r.dial(client)
	out = r.note(out, w, banner)
	for len(lines) > 0 {
		kind, rest, _ := strings.Cut(lines[0], " ")
		switch kind {
		case "C:", "C=":
			piece := ""
			for len(lines) > 0 && (strings.HasPrefix(lines[0], "C: ") || strings.HasPrefix(lines[0], "C= ")) {
				out = append(out, lines[0])
				piece += sent(t, lines[0])
				lines = lines[1:]
			}
			out = r.note(out, w, w.send([]byte(piece)))
			continue
		case "C.":
			out = r.note(append(out, lines[0]), w, w.end())
		case "#", "":
			out = append(out, lines[0])
		case "S:", "S.", "L:", "M:":
		default:
			t.Fatalf("no such line: %s %s", kind, rest)
		}
		lines = lines[1:]
	}
	w.end()
	return strings.Join(r.noteMessages(out), "\n") + "\n"
}

func sent(t *testing.T, line string) string {
	if text, ok := strings.CutPrefix(line, "C: "); ok {
		return text + "\r\n"
	}
	text, err := strconv.Unquote(strings.TrimPrefix(line, "C= "))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return text
}

var (
	anID   = regexp.MustCompile(`[0-9A-Za-z]{6}-[0-9A-Za-z]{6}-[0-9A-Za-z]{2}`)
	aDate  = regexp.MustCompile(`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}`)
	fixed  = "1vNDqi-0000Gx-2A"
	noDate = "Mon, 23 Nov 2026 10:00:00 +0000"
)

func masked(s string) string { return aDate.ReplaceAllString(anID.ReplaceAllString(s, fixed), noDate) }

// note adds what a piece has brought: answers, words to the operator, the end.
func (r *rig) note(out []string, w *wire, answer string) []string {
	for line := range strings.SplitSeq(strings.TrimSuffix(answer, "\r\n"), "\r\n") {
		if line != "" {
			out = append(out, "S: "+masked(line))
		}
	}
	for _, line := range r.log.take() {
		out = append(out, "L: "+masked(line))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		out = append(out, "S. closed")
	}
	return out
}

func (r *rig) noteMessages(out []string) []string {
	envs, texts := r.stored()
	for i, env := range envs {
		var to []string
		for _, rcpt := range env.Recipients {
			to = append(to, rcpt.Address)
		}
		out = append(out, fmt.Sprintf("M: F=<%s> T=%s P=%s S=%d W=%d 8bit=%v", env.Sender, strings.Join(to, ","), env.Protocol, env.Size, env.WireSize, env.EightBit)+wishes(env))
		for line := range strings.SplitAfterSeq(texts[i], "\r\n") {
			if line != "" {
				out = append(out, "M: "+strings.Trim(strconv.Quote(masked(line)), `"`))
			}
		}
	}
	return out
}

// wishes is what the sender wants to hear (RFC 3461), "" where nothing was said.
func wishes(env *spool.Envelope) string {
	var b strings.Builder
	if env.Ret != spool.RetUnset || env.EnvID != "" {
		fmt.Fprintf(&b, " ret=%d envid=%s", env.Ret, env.EnvID)
	}
	for _, r := range env.Recipients {
		if r.Notify != 0 || r.Orcpt != "" {
			fmt.Fprintf(&b, " %s:notify=%d,orcpt=%s", r.Address, r.Notify, r.Orcpt)
		}
	}
	return b.String()
}

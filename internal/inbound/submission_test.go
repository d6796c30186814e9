package inbound

import (
	"regexp"
	"strings"
	"testing"

	"mtad/tlsstate"
)

// submit dials a door for submission. domains are its sender_domains, "" for all.
func (r *rig) submit(domains string) *wire {
	r.t.Helper()
	door := Listener{Name: "test", TLS: "starttls", Protocol: "submission"}
	if domains != "" {
		cfg := ourConfig(r.t, authOptions(r.t, "")+"[[listen]]\naddress = \"127.0.0.1:587\"\nprotocol = \"submission\"\nsender_domains = \""+domains+"\"\n")
		door.SenderDomains = cfg.Listen[0].SenderDomains
	}
	w := newWire("10.0.0.1") // who may relay by its address may not submit by it
	go func() {
		defer w.Close()
		r.srv.Serve(tlsstate.New(w), door)
	}()
	w.send()
	w.say("EHLO c.test")
	return w
}

// RFC 6409 4.3: nobody submits without AUTH, whatever else it may.
func TestSubmissionNeedsAuth(t *testing.T) {
	t.Parallel()
	w := authRig(t, "").submit("")
	w.expect(t, "MAIL FROM:<a@ours.test>", "530 Authentication required", "RCPT TO:<u@ours.test>", "503",
		"HELO c.test", "250", "MAIL FROM:<a@ours.test>", "530", "EHLO c.test", "250",
		plainBob, "235", "MAIL FROM:<a@ours.test>", "250", "RCPT TO:<u@ext.test>", "250")
	w.end()
}

func TestSubmissionSenders(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	w := r.submit("")
	w.expect(t, plainBob, "235",
		"MAIL FROM:<a@localhost>", "550 sender <a@localhost> not allowed: its domain is not fully qualified",
		"MAIL FROM:<a@anywhere.test>", "250", "RSET", "250", "MAIL FROM:<a@[192.0.2.1]>", "250", "RSET", "250", "MAIL FROM:<>", "250")
	w.end()
	w = r.submit("ours.test : *.ours.test")
	w.expect(t, plainBob, "235",
		"MAIL FROM:<a@ext.test>", "550 sender <a@ext.test> not allowed: its domain is not in sender_domains",
		"MAIL FROM:<a@ours.test>", "250", "RSET", "250", "MAIL FROM:<a@sub.ours.test>", "250", "RSET", "250", "MAIL FROM:<>", "250")
	w.end()
	w, _ = r.begin("192.0.2.1") // other doors do not mind
	w.expect(t, "MAIL FROM:<a@localhost>", "250")
	w.end()
}

// RFC 6409 8: what a message must have is added, once and on top; what it has stays.
func TestSubmissionAddsWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	w := r.submit("")
	w.expect(t, plainBob, "235")
	const date, id = "Date: last Monday", "Message-ID: <its@own>"
	for _, message := range []string{"Subject: x\r\n\r\nDate: no field", date + "\r\n\r\nx", id + "\r\n\r\nx", "message-id:\r\n <its@own>\r\nDATE: x\r\n\r\nx", "no header"} {
		w.expect(t, "MAIL FROM:<a@ours.test>", "250", "RCPT TO:<u@ours.test>", "250", "DATA", "354", message+"\r\n.", "250")
	}
	w.end()
	envs, texts := r.stored()
	for i, want := range []string{
		"Date: D\r\nMessage-ID: <EI@mx.ours.test>\r\nSubject: x\r\n\r\nDate: no field\r\n",
		"Message-ID: <EI@mx.ours.test>\r\n" + date + "\r\n\r\nx\r\n",
		"Date: D\r\n" + id + "\r\n\r\nx\r\n",
		"message-id:\r\n <its@own>\r\nDATE: x\r\n\r\nx\r\n",
		"Date: D\r\nMessage-ID: <EI@mx.ours.test>\r\n\r\nno header\r\n",
	} {
		_, text, _ := strings.Cut(texts[i], " +0000\r\n") // behind Received:
		text = strings.ReplaceAll(text, "E"+envs[i].ID.String(), "EI")
		text = regexp.MustCompile(`^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}`).ReplaceAllString(text, "Date: D")
		if text != want {
			t.Errorf("message %d:\n%q, want\n%q", i, text, want)
		}
		if wantID := strings.Contains(want, "its@own"); envs[i].MessageID != map[bool]string{true: "its@own", false: "E" + envs[i].ID.String() + "@mx.ours.test"}[wantID] {
			t.Errorf("message %d is logged as %s", i, envs[i].MessageID)
		}
	}
}

// A door for mail between servers adds nothing.
func TestRelayAddsNothing(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	w, _ := r.begin("10.0.0.1")
	w.expect(t, plainBob, "235", "MAIL FROM:<a@ours.test>", "250", "RCPT TO:<u@ours.test>", "250", "DATA", "354", "Subject: x\r\n\r\nx\r\n.", "250")
	w.end()
	if _, texts := r.stored(); bodyOf(t, texts[0]) != "Subject: x\r\n\r\nx\r\n" {
		t.Errorf("%q", texts[0])
	}
}

package inbound

import (
	"strings"
	"testing"
)

// The open-relay list of THREATS: a stranger at 192.0.2.1, mx.ours.test at
// 192.0.2.25. Each is refused at RCPT or MAIL, and DATA behind it too.
var openRelay = []struct{ id, helo, from, to string }{
	{"OR-01", "c", "<spamtest@ext.test>", "<relaytest@ext.test>"},
	{"OR-02", "c", "<spamtest>", "<relaytest@ext.test>"},
	{"OR-03", "c", "<>", "<relaytest@ext.test>"},
	{"OR-04", "c", "<spamtest@mx.ours.test>", "<relaytest@ext.test>"},
	{"OR-05", "c", "<spamtest@[192.0.2.25]>", "<relaytest@ext.test>"},
	{"OR-06", "c", "<spamtest@[192.0.2.25]>", "<relaytest%ext.test@[192.0.2.25]>"},
	{"OR-07", "c", "<spamtest@[192.0.2.25]>", "<relaytest%ext.test@mx.ours.test>"},
	{"OR-08", "c", "<spamtest@[192.0.2.25]>", `<"relaytest@ext.test">`},
	{"OR-09", "c", "<spamtest@[192.0.2.25]>", `<"relaytest%ext.test">`},
	{"OR-10", "c", "<spamtest@[192.0.2.25]>", "<relaytest@ext.test@[192.0.2.25]>"},
	{"OR-11", "c", "<spamtest@[192.0.2.25]>", `<"relaytest@ext.test"@[192.0.2.25]>`},
	{"OR-12", "c", "<spamtest@[192.0.2.25]>", "<relaytest@ext.test@mx.ours.test>"},
	{"OR-13", "c", "<spamtest@[192.0.2.25]>", "<@[192.0.2.25]:relaytest@ext.test>"},
	{"OR-14", "c", "<spamtest@[192.0.2.25]>", "<@mx.ours.test:relaytest@ext.test>"},
	{"OR-15", "c", "<spamtest@[192.0.2.25]>", "<ext.test!relaytest>"},
	{"OR-16", "c", "<spamtest@[192.0.2.25]>", "<ext.test!relaytest@[192.0.2.25]>"},
	{"OR-17", "c", "<spamtest@[192.0.2.25]>", "<ext.test!relaytest@mx.ours.test>"},
	{"OR-18", "c", "<spamtest@localhost>", "<relaytest@ext.test>"},
	{"OR-19", "c", "<x@rnd.ext.test>", "<relaytest@ext.test>"},
	{"OR-20", "c", "<postmaster@mx.ours.test>", "<relaytest@ext.test>"},
	{"OR-21", "c", "<user@ours.test>", "<relaytest@ext.test>"},
	{"OR-22", "c", "<spamtest@ours.test>", `<"relaytest@ext.test"@ours.test>`},
	{"OR-23", "c", "<spamtest@ours.test>", "<ext.test!relaytest%ext.test@ours.test>"},
	{"OR-24", "c", "<spamtest@ours.test>", "<a%b%ext.test@ours.test>"},
	{"OR-25", "c", "<spamtest@ours.test>", "<@ours.test,@ext.test:u@ext2.test>"},
	{"OR-26", "c", "<a@ext.test>", "<u@[192.0.2.9]>"},
	{"OR-27", "c", "<a@ext.test>", "<u@[IPv6:::ffff:192.0.2.9]>"},
	{"OR-28 dot", "c", "<a@ext.test>", "<u@ours.test.>"},
	{"OR-28 prefix", "c", "<a@ext.test>", "<u@xours.test>"},
	{"OR-28 suffix", "c", "<a@ext.test>", "<u@ours.test.ext.test>"},
	{"OR-28 sub", "c", "<a@ext.test>", "<u@sub.ours.test>"},
	{"OR-29", "c", "<a@ext.test>", "<u@xn--urs-tqc.test>"},
	{"OR-29 raw", "c", "<a@ext.test>", "<u@\xd0\xbeurs.test>"},
	{"OR-30 name", "mx.ours.test", "<a@ext.test>", "<relaytest@ext.test>"},
	{"OR-30 IP", "[10.0.0.1]", "<a@ext.test>", "<relaytest@ext.test>"},
	{"AD-03 pipe", "c", "<a@ext.test>", "<|/bin/id@ours.test>"},
	{"AD-03 quoted pipe", "c", "<a@ext.test>", `<"|id"@ours.test>`},
	{"AD-03 file", "c", "<a@ext.test>", "</etc/passwd@ours.test>"},
	{"AD-03 include", "c", "<a@ext.test>", "<:include:/etc/passwd@ours.test>"},
	{"AD-04", "c", "<a@ext.test>", "<../../etc/passwd@ours.test>"},
}

func TestOpenRelayIsNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	for _, hello := range []string{"HELO ", "EHLO "} {
		for _, c := range openRelay {
			w, _ := r.dial("192.0.2.1")
			w.say(hello + c.helo)
			mail := w.say("MAIL FROM:" + c.from)
			rcpt := w.say("RCPT TO:" + c.to)
			if !strings.HasPrefix(rcpt, "5") {
				t.Errorf("%s: RCPT TO:%s answered %q (MAIL: %q)", c.id, c.to, rcpt, mail)
			}
			if data := w.say("DATA"); !strings.HasPrefix(data, "503") {
				t.Errorf("%s: DATA answered %q", c.id, data)
			}
			w.end()
		}
	}
	if r.store.commits != 0 {
		t.Errorf("%d messages were taken", r.store.commits)
	}
}

// OR-35: each recipient is judged alone; and what is ours is taken.
func TestRecipientsAreJudgedAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	w, _ := r.dial("192.0.2.1")
	w.say("EHLO c")
	got := w.say("MAIL FROM:<a@ext.test>", "RCPT TO:<u@OURS.TEST>", "RCPT TO:<v@ext.test>", "RCPT TO:<w@ours.test>",
		"RSET", "MAIL FROM:<a@ext.test>", "RCPT TO:<v@ext.test>", "RCPT TO:<@ext.test:u@ours.test>", "RCPT TO:<postmaster>")
	want := "250 OK\r\n250 Accepted\r\n550 relaying to <v@ext.test> prohibited\r\n250 Accepted\r\n" +
		"250 Reset OK\r\n250 OK\r\n550 relaying to <v@ext.test> prohibited\r\n250 Accepted\r\n250 Accepted\r\n"
	if got != want {
		t.Errorf("got %q", got)
	}
	w.end()
}

// CM-24: a stranger who tries names is not listened to for ever.
func TestRefusedRecipientsEndTheSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	w, _ := r.dial("192.0.2.1")
	w.say("EHLO c")
	w.say("MAIL FROM:<a@ext.test>")
	got := w.say(strings.Split(strings.TrimSuffix(strings.Repeat("RCPT TO:<x@ext.test>\n", 1000), "\n"), "\n")...)
	if n := strings.Count(got, "550 "); n != maxRefusals || !strings.Contains(got, "421 mx.ours.test too many refused recipients\r\n") {
		t.Errorf("%d refusals, then %q", n, got[max(0, len(got)-80):])
	}
}

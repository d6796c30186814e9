package inbound

import (
	"strings"
	"testing"

	"mtad/internal/smtp"
)

// FuzzSession: whatever a client sends, the session answers in whole lines of
// its own and ends when the client does.
func FuzzSession(f *testing.F) {
	f.Add([]byte("EHLO c\r\n" + group + "a: b\r\n.\r\nQUIT\r\n"))
	f.Add([]byte("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\n\r\n"))
	f.Add([]byte("HELO c\r\nMAIL FROM:<\r\n\r\n\x00"))
	r := newRig(f, "smtp_max_errors = 1000000\nmessage_size_limit = \"1K\"\n")
	f.Fuzz(func(t *testing.T, in []byte) {
		w, _ := r.dial(trusted)
		got := w.send(in) + w.end()
		if !w.closed {
			t.Fatal("did not end with the client")
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(got, "\r\n"), "\r\n") {
			if got != "" && (len(line) < 4 || line[0] < '2' || line[0] > '5' || strings.ContainsAny(line, "\r\n\x00\x1b")) {
				t.Fatalf("answered %q", got)
			}
		}
	})
}

// FuzzParams: a parameter is stored only if it is plain text.
func FuzzParams(f *testing.F) {
	for _, s := range []string{
		"SIZE=1 BODY=8BITMIME RET=HDRS ENVID=a+2Bb", "ENVID=+0A", "ENVID=a+0D+0AMAIL", "ENVID=+00",
		"NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+40b", "NOTIFY=NEVER,SUCCESS", "ORCPT=x", "ORCPT=;x", "ORCPT=rfc822;+0d",
	} {
		f.Add(s)
	}
	s := &session{hello: hello{dsn: true}}
	f.Fuzz(func(t *testing.T, in string) {
		var m mailArgs
		if readParams([]byte(in), mailParams, s, &m) == nil && (m.size < 0 || smtp.CheckXtext([]byte(m.envID+"x"), 101) != nil) {
			t.Errorf("MAIL took %q: %+v", in, m)
		}
		var r rcptArgs
		if readParams([]byte(in), rcptParams, s, &r) == nil {
			_, addr, _ := strings.Cut(r.orcpt, ";")
			if r.notify&1 != 0 && r.notify != 1 || smtp.CheckXtext([]byte(addr+"x"), 501) != nil {
				t.Errorf("RCPT took %q: %+v", in, r)
			}
		}
	})
}

// CM-12, CM-13: what may not stand in DSN parameters.
func TestDSNParameters(t *testing.T) {
	t.Parallel()
	s := &session{hello: hello{dsn: true}}
	for in, good := range map[string]bool{
		"NOTIFY=NEVER": true, "NOTIFY=success,FAILURE,Delay": true, "NOTIFY=NEVER,SUCCESS": false, "NOTIFY=": false, "NOTIFY=X": false,
		"ORCPT=rfc822;a+40b": true, "ORCPT=a@b": false, "ORCPT=rfc822;": false, "ORCPT=rfc822;+0A": false, "ORCPT=rfc822;+0D+0A": false,
		"ORCPT=rfc822;+00": false, "ORCPT=rfc822;+4": false, "ORCPT=rfc822;+zz": false, "ORCPT=rfc822;a\nb": false,
		"ORCPT=rfc822;" + strings.Repeat("x", 494): false, "ORCPT=rfc822;" + strings.Repeat("x", 493): true,
	} {
		var r rcptArgs
		if err := readParams([]byte(in), rcptParams, s, &r); (err == nil) != good {
			t.Errorf("%q: %v", in, err)
		}
	}
	for in, good := range map[string]bool{
		"RET=FULL ENVID=x": true, "ret=hdrs": true, "RET=BOTH": false, "ENVID=a+0Ab": false, "ENVID=+00": false,
		"ENVID=" + strings.Repeat("x", 100): true, "ENVID=" + strings.Repeat("x", 101): false, "ENVID=a ENVID=b": false,
	} {
		var m mailArgs
		if err := readParams([]byte(in), mailParams, s, &m); (err == nil) != good {
			t.Errorf("%q: %v", in, err)
		}
	}
}

//go:build interop

package interop

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mtad/internal/dsn"
	"mtad/spool"
)

// readReport has Python's email package read a report: no defects, the parts, the status of
// each recipient, the subject of what came back.
const readReport = `
import sys, email
from email import policy
m = email.message_from_binary_file(sys.stdin.buffer, policy=policy.default)
defects = [str(d) for p in m.walk() for d in p.defects]
parts = list(m.iter_parts())
print(m.get_content_type(), m.get_param("report-type"), m["Auto-Submitted"], m["From"].addresses[0].addr_spec, defects)
for p in parts:
    print(p.get_content_type())
for group in parts[1].get_payload()[1:]:
    print(group["Final-Recipient"], group["Action"], group["Status"])
last = parts[2].get_payload()
print(last[0]["Subject"] if isinstance(last, list) else email.message_from_string(last)["Subject"])
`

// TestPythonReadsReports: bounces and warnings are what Python's email package takes them for.
func TestPythonReadsReports(t *testing.T) {
	t.Parallel()
	for kind, want := range map[dsn.Kind]string{
		dsn.Failed:  "multipart/report delivery-status auto-replied MAILER-DAEMON@relay.example.net []\ntext/plain\nmessage/delivery-status\nmessage/rfc822\nrfc822;e@z.example failed 5.1.1\nrfc822;f@w.example failed 4.4.7\nHello\n",
		dsn.Delayed: "multipart/report delivery-status auto-replied MAILER-DAEMON@relay.example.net []\ntext/plain\nmessage/delivery-status\ntext/rfc822-headers\nrfc822;e@z.example delayed 4.0.0\nrfc822;f@w.example delayed 4.4.7\nHello\n",
	} {
		cmd := exec.Command("python3", "-c", readReport)
		cmd.Stdin = bytes.NewReader(written(kind))
		out, err := cmd.CombinedOutput()
		if got := strings.ReplaceAll(string(out), "; ", ";"); err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", kind, err, got, want)
		}
	}
}

// written is a report on two recipients, dots taken out.
func written(kind dsn.Kind) []byte {
	about := &spool.Envelope{
		Sender: "a@x.example", MessageID: "abc@x.example", Received: time.Now().Add(-25 * time.Hour),
		Recipients: []spool.Recipient{
			{Address: "e@z.example", Orcpt: "rfc822;e+2Bx@z.example", LastError: "SMTP error from remote mailer after RCPT TO:<e@z.example>: host mx [192.0.2.8]: 550 5.1.1 no such user"},
			{Address: "f@w.example", LastError: "H=mx.w.example [192.0.2.9]: Connection refused: retry timeout exceeded"},
		},
	}
	r := dsn.Report{
		Kind: kind, Host: "relay.example.net", Now: time.Now(), Boundary: "=_between", About: about, Rcpts: []int{0, 1},
		Original: []byte("Subject: Hello\r\nFrom: a@x.example\r\n\r\nbody\r\n..dot\r\n"),
	}
	copy(r.ID[:], "1vNFgx-0000Hq-9Z")
	return bytes.ReplaceAll(r.Write().Bytes, []byte("\r\n.."), []byte("\r\n."))
}

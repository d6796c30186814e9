package outbound

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtad/internal/config"
	"mtad/internal/route"
	"mtad/internal/smtp"
)

// What can go wrong, and the rule of [[retry]] that is for it: rule n waits for n minutes.
func TestRuleForEachFault(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("[[router]]\nname = \"r\"\ndriver = \"domainlist\"\nhosts = [\"192.0.2.1\"]\n")
	waits := map[string]time.Duration{"": 15 * time.Minute}
	for i, kind := range []string{"quota", "rcpt_452", "rcpt_45x", "rcpt_4xx", "mail_42x", "mail_4xx", "data_450", "data_4xx",
		"connect", "timeout", "refused", "lost_connection", "tls", "auth", "dns", "protocol"} {
		waits[kind] = time.Duration(i+16) * time.Minute
		fmt.Fprintf(&text, "[[retry]]\nerrors = [%q]\nrule = \"F,1d,%dm\"\n", kind, i+16)
	}
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	rules := route.NewRetry(cfg.Retry)

	target := &Target{Name: "mx.z.example", IP: "192.0.2.8"}
	refused := func(scope Scope, after, reply string) *Fault {
		a, err := new(smtp.ReplyReader).Read(strings.NewReader(reply+"\r\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return refusal(target, scope, after, a)
	}
	w := &wire{conn: &Conn{Target: *target}}
	dial := func(err error) *Fault { return unreachable(target, &net.OpError{Op: "dial", Err: err}) }
	for _, tt := range []struct {
		want  string
		fault *Fault
	}{
		{"rcpt_452", refused(ScopeRecipient, "RCPT TO:<a@b>", "452 4.3.1 no room")},
		{"rcpt_45x", refused(ScopeRecipient, "RCPT TO:<a@b>", "450 4.2.0 greylisted")},
		{"rcpt_4xx", refused(ScopeRecipient, "RCPT TO:<a@b>", "471 later")},
		{"quota", refused(ScopeRecipient, "RCPT TO:<a@b>", "452 4.2.2 mailbox full")},
		{"mail_42x", refused(ScopeHost, "MAIL FROM:<a@b>", "421 too much")},
		{"mail_4xx", refused(ScopeHost, "MAIL FROM:<a@b>", "451 later")},
		{"mail_4xx", refused(ScopeHost, "MAIL FROM:<a@b>", "550 not from you")},
		{"data_450", refused(ScopeMessage, atDot, "450 later")},
		{"data_4xx", refused(ScopeMessage, atData, "451 later")},
		{"data_4xx", refused(ScopeMessage, atBody, "452 later")},
		{"quota", refused(ScopeMessage, atDot, "452-4.2.2 full\r\n452 4.2.2 full")},
		{"connect", refused(ScopeHost, atGreeting, "554 go away")},
		{"connect", refused(ScopeHost, "EHLO relay.test", "450 later")},
		{"connect", dial(syscall.ENETUNREACH)},
		{"connect", Unready(target, errors.New("no interface"))},
		{"timeout", dial(syscall.ETIMEDOUT)},
		{"timeout", dial(os.ErrDeadlineExceeded)},
		{"refused", dial(syscall.ECONNREFUSED)},
		{"timeout", broken(target, ScopeHost, "EHLO", os.ErrDeadlineExceeded)},
		{"lost_connection", broken(target, ScopeHost, "EHLO", io.EOF)},
		{"lost_connection", broken(target, ScopeHost, "EHLO", syscall.ECONNRESET)},
		{"protocol", broken(target, ScopeHost, "EHLO", &smtp.MalformedReply{Text: "?"})},
		{"protocol", outOfStep(target, ScopeHost, "EHLO", "it spoke unasked")},
		{"tls", w.without(&progress{tls: TLSFacts{Require: "*"}})},
		{"auth", w.withoutAuth(&progress{auth: AuthFacts{Require: "*"}})},
		{"", stopped(target, "EHLO")},
	} {
		now := time.Now()
		next, ok := rules.Next("b", "a@b", Fates(tt.fault, []int{0})[0].ErrNo, now, now, now, 1)
		if !ok || next.Sub(now) != waits[tt.want] {
			t.Errorf("%q, kind %q, waits for %s; the rule for %q says %s", tt.fault.Text, tt.fault.Kind, next.Sub(now), tt.want, waits[tt.want])
		}
	}
}

package inbound

import (
	"testing"

	"mtad/internal/auth"
)

// AU-06: where nobody gets a turn to hash, the right secret, a wrong one and an
// unknown user are all answered alike: each is to cost one hash, and none is judged
// without. What costs no hash is judged as ever.
func TestAU06EachGuessIsHashed(t *testing.T) {
	t.Parallel()
	r := authRig(t, "")
	r.srv.authenticators.costs = auth.NewCosts(0, 0, 0)
	for _, said := range []string{b64("\x00bob\x00" + canary), b64("\x00bob\x00wrong"), b64("\x00nobody\x00" + canary), b64("\x00nobody\x00wrong")} {
		w, _ := r.begin("198.51.100.1")
		w.expect(t, "AUTH PLAIN "+said, "454 Temporary authentication failure\r\n", "MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", "550 relaying")
		w.end()
	}
	w, _ := r.begin("198.51.100.1")
	w.expect(t, "AUTH PLAIN "+b64("\x00bob\x00"), "535", "AUTH PLAIN AAAA", "501", "AUTH LOGIN", "334", "*", "501")
	w.end()
}

package inbound

import (
	"reflect"
	"strings"
	"testing"

	"mtad/tlsstate"
)

// AU-11: a secret that was said does not stay in the session's buffer, however
// long the line was and whatever came of it.
func TestAU11WipedBuffer(t *testing.T) {
	t.Parallel()
	plain := b64("\x00bob\x00" + canary)
	long := b64(strings.Repeat("x", 3000) + canary)
	for name, said := range map[string][]string{
		"initial response": {"AUTH PLAIN " + plain, "235"},
		"PLAIN":            {"AUTH PLAIN", "334", plain, "235"},
		"LOGIN":            {"AUTH LOGIN", "334", b64("bob"), "334", b64(canary), "235"},
		"wrong":            {"AUTH PLAIN " + plain + "AAAA", "501"},
		"no base64":        {"AUTH PLAIN", "334", canary, "501"},
		"long":             {"AUTH PLAIN", "334", long, "501", "NOOP", "250"},
		"twice":            {"AUTH PLAIN " + plain, "235", "AUTH PLAIN " + plain, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := authRig(t, "")
			w := newWire("192.0.2.1")
			s := newSession(r.srv, tlsstate.New(w), Listener{Name: "test", TLS: "starttls"})
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer w.Close()
				s.run()
			}()
			w.send()
			w.expect(t, append([]string{"EHLO c.test", "250"}, said...)...)
			w.expect(t, "QUIT", "221")
			<-done
			in := reflect.ValueOf(&s.in).Elem()
			held := string(in.FieldByName("small").Bytes()) + string(in.FieldByName("big").Bytes())
			if !strings.Contains(held, "QUIT") {
				t.Fatalf("this is not the buffer: %q", held)
			}
			for _, form := range []string{canary, b64(canary), plain, plain[8:], long[3000:]} {
				if strings.Contains(held, form) {
					t.Errorf("the buffer has %q: %q", form, held)
				}
			}
		})
	}
}

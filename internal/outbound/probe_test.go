package outbound

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mtad/internal/certs"
	"mtad/internal/smtp"
)

func told(lines []Line) []string {
	var all []string
	for _, l := range lines {
		all = append(all, l.From+" "+l.Text)
	}
	return all
}

// A probe says what a delivery says up to MAIL, and QUIT in its place.
func TestProbe(t *testing.T) {
	inBoth(t, func(t *testing.T, version uint16) {
		target := stage(t, serverTLS(version, world().mx), func(p *peer) {
			p.say("220 mx \x1b[31mred\x07")
			p.ehlo("STARTTLS", "SIZE 5")
			p.startTLS()
			p.ehlo("8BITMIME")
			p.want("QUIT")
			p.say("221 bye")
		})
		p := Probe(t.Context(), target, tlsSettings(t, func(o *certs.Client) { trustCA(true)(t, o) }))
		if p.Fault != nil {
			t.Fatal(p.Fault)
		}
		want := []string{
			"* connecting to " + target.Addr.String(),
			`S 220 mx \033[31mred\007`,
			"C EHLO relay.example.net", "S 250-mx", "S 250-STARTTLS", "S 250 SIZE 5",
			"C STARTTLS", "S 220 go ahead", "* TLS is on: " + p.TLS.CipherLog(),
			"C EHLO relay.example.net", "S 250-mx", "S 250 8BITMIME",
			"C QUIT", "S 221 bye",
		}
		if got := told(p.Transcript); !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if !p.TLS.On || !p.Verified || p.Refused != nil || len(p.Certificates) == 0 || !p.Offers.EightBitMIME || p.Offers.Size {
			t.Errorf("%+v", p)
		}
	})
}

// A server whose certificate is not accepted shows it all the same.
func TestProbeRefuses(t *testing.T) {
	inBoth(t, func(t *testing.T, version uint16) {
		s := tlsSettings(t, func(o *certs.Client) { trustCA(true)(t, o) })
		p := Probe(t.Context(), stage(t, serverTLS(version, world().other), refusedHandshake), s)
		if p.Fault == nil || p.Fault.Kind != "tls" || p.Refused == nil || !strings.Contains(p.Refused.Error(), `is not for "mx.y.example"`) {
			t.Errorf("%v; refused: %v", p.Fault, p.Refused)
		}
		if len(p.Certificates) == 0 || p.Certificates[0].DNSNames[0] != "other.y.example" {
			t.Errorf("certificates: %v", p.Certificates)
		}
	})
}

// A probe is no part of what deliveries know: it neither resumes their sessions
// nor leaves one behind.
func TestProbeResumesNothing(t *testing.T) {
	inBoth(t, func(t *testing.T, version uint16) {
		script := func(p *peer) { p.secure(); p.quit() }
		target := stage(t, serverTLS(version, world().mx), script, script)
		s := tlsSettings(t, nil)
		for range 2 {
			if p := Probe(t.Context(), target, s); p.Fault != nil || p.TLS.Resumed || len(p.Certificates) == 0 {
				t.Errorf("%v, resumed %t, %d certificates", p.Fault, p.TLS.Resumed, len(p.Certificates))
			}
		}
	})
}

func TestTranscriptHidesSecrets(t *testing.T) {
	t.Parallel()
	const secret = "AHVzZXIAcGFzcw=="
	heard := &transcript{}
	reply := func(text string) {
		var r smtp.ReplyReader
		heard.server(r.Read(strings.NewReader(text), nil))
	}
	heard.client([]byte("AUTH PLAIN " + secret + "\r\n"))
	reply("235 ok\r\n")
	heard.client([]byte("auth login\r\n"))
	reply("334 " + secret + "\r\n")
	heard.client([]byte(secret + "\r\n"))
	reply("334-more\r\n334 " + secret + "\r\n")
	heard.client([]byte(secret + "\r\n"))
	reply("535 no\r\n")
	heard.client([]byte("QUIT\r\n"))
	got := told(heard.lines)
	if text := fmt.Sprint(got); strings.Contains(text, secret) || !strings.Contains(text, "C AUTH PLAIN (not shown)") || got[len(got)-1] != "C QUIT" {
		t.Errorf("%q", got)
	}
	var nobody *transcript // what deliveries have
	nobody.client([]byte("x"))
	nobody.server(smtp.Answer{}, nil)
}

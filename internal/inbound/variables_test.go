package inbound

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mtad/internal/expand"
	"mtad/spool"
	"mtad/tlsstate"
)

// The field that is written out is the one that the manual of expansions has.
func TestReceivedIsTheDefault(t *testing.T) {
	t.Parallel()
	text, err := expand.Parse(expand.DefaultReceivedHeader, expand.Options{Vars: expand.MessageVars})
	if err != nil {
		t.Fatal(err)
	}
	for _, rcpts := range []int{1, 2} {
		r := newRig(t, "")
		s := newSession(r.srv, socketOf("192.0.2.1"), Listener{})
		s.hello = hello{name: `c(x)"y\z`, extended: true}
		env := &spool.Envelope{ID: r.store.NextID(), Sender: "a@b.example", Protocol: "esmtp", Received: aTime}
		for range rcpts {
			env.Recipients = append(env.Recipients, spool.Recipient{Address: "u@ours.test"})
		}
		s.txn.env = env
		v, err := text.Eval(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(s.receivedHeader(env)), string(asField(v.String())); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// received_header_text, for each message; what is no field is replaced.
func TestReceivedHeaderText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"Received: from $sender_helo_name [$sender_host_address]:$sender_host_port\n\tby $interface_address $interface_port for <$received_for> of <$sender_address>"`: "Received: from c.test [192.0.2.1]:4321\r\n\tby 192.0.2.25 25 for <u@ours.test> of <a@x.example>\r\n",
		`"X: $sender_address_local_part $sender_address_domain $recipients_count $message_size $received_protocol\n$sender_rcvhost\n\n"`:                                "X: a x.example 1 14 esmtp\r\n\t[192.0.2.1] (helo=c.test)\r\n",
		`"${if eq{1}{2}{}fail}"`:            "Received: from c.test ([192.0.2.1] helo=c.test)\r\n\tby mx.ours.test with esmtp\r\n",
		`"no field"`:                        "Received: from c.test (",
		`"${lookup{x}lsearch{/no/such/f}}"`: "Received: from c.test (",
	} {
		r := newRig(t, "received_header_text = "+text)
		w, _ := r.dial("192.0.2.1")
		w.say("EHLO c.test")
		w.say("MAIL FROM:<a@x.example>", "RCPT TO:<u@ours.test>", "DATA")
		if got := w.say("Subject: x", "", "."); !strings.HasPrefix(got, "250 ") {
			t.Fatal(got)
		}
		if _, texts := r.stored(); !strings.HasPrefix(texts[0], want) {
			t.Errorf("%s: got %q, want %q", text, texts[0], want)
		}
		w.end()
	}
}

// socketOf is a socket of a client that says nothing.
func socketOf(client string) *tlsstate.Socket { return tlsstate.New(newWire(client)) }

var aTime = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func TestBanner(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"$primary_hostname ready for $sender_host_address"`: "220 mx.ours.test ready for 192.0.2.1\r\n",
		`"one\ntwo"`:                        "220-one\r\n220 two\r\n",
		`"${if eq{1}{2}{}fail}"`:            "220 mx.ours.test ESMTP mtad 1.0\r\n",
		`"${lookup{x}lsearch{/no/such/f}}"`: "220 mx.ours.test ESMTP mtad 1.0\r\n",
	} {
		r := newRig(t, "smtp_banner = "+text)
		w, banner := r.dial("192.0.2.1")
		if banner != want {
			t.Errorf("%s: %q", text, banner)
		}
		w.end()
	}
}

// Lists of names: asked once and only where a name stands, three-valued with
// the stricter side. CE-09.
func TestNames(t *testing.T) {
	t.Parallel()
	const lists = `
tls_advertise_hosts = "*.partner.test"
tls_hosts           = "%s"
enhanced_status_advertise_hosts = "*.partner.test"
tls_certificate     = "self-signed"
`
	for _, c := range []struct {
		name, hosts                string
		names                      []string
		err                        error
		offered, required, granted bool
	}{
		{"named", "mx.partner.test", []string{"mx.partner.test"}, nil, true, true, true},
		{"another", "mx.other.test", []string{"mx.partner.test"}, nil, true, false, true},
		{"a stranger", "mx.partner.test", []string{"x.test"}, nil, false, false, false},
		{"nameless", "mx.partner.test", nil, nil, false, false, false},
		{"not now", "mx.partner.test", nil, errors.New("SERVFAIL"), true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, strings.Replace(lists, "%s", c.hosts, 1))
			asked := 0
			r.srv.deps.Names = func(_ context.Context, a netip.Addr) ([]string, error) {
				asked++
				return c.names, c.err
			}
			w, _ := r.dial("192.0.2.1")
			hello := w.say("EHLO c.test")
			if offered := strings.Contains(hello, "250-STARTTLS\r\n"); offered != c.offered {
				t.Errorf("offered: %v", offered)
			}
			if granted := strings.Contains(hello, "ENHANCEDSTATUSCODES"); granted != c.granted {
				t.Errorf("granted: %v", granted)
			}
			if required := strings.Contains(w.say("MAIL FROM:<a@x.example>"), "Use of TLS required"); required != c.required {
				t.Errorf("required: %v", required)
			}
			w.end()
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// A client's name is in the log and in variables where it was looked up, and
// nobody is asked for it otherwise.
func TestHostName(t *testing.T) {
	t.Parallel()
	asked := 0
	names := func(context.Context, netip.Addr) ([]string, error) { asked++; return []string{"mx.partner.test"}, nil }
	r := newRig(t, "")
	r.srv.deps.Names = names
	s := newSession(r.srv, socketOf("192.0.2.1"), Listener{})
	s.hello.name = "c.test"
	if s.host(); asked != 0 || s.who().Name != "" {
		t.Errorf("asked %d times, %q", asked, s.who().Name)
	}
	if got := string(s.AppendVar(nil, expand.SenderRcvhost)); got != "mx.partner.test ([192.0.2.1] helo=c.test)" {
		t.Errorf("sender_rcvhost is %q", got)
	}
	if got := string(s.AppendVar(nil, expand.SenderHostName)); got != "mx.partner.test" || asked != 1 || s.who().Name != got {
		t.Errorf("sender_host_name is %q, log %q, asked %d times", got, s.who().Name, asked)
	}
}

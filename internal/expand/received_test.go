package expand

import (
	"strings"
	"testing"
	"time"
)

// session is an Env as a session has it: values of several types.
type session struct{ helo, cipher, to string }

func (s *session) AppendVar(dst []byte, v Var) []byte {
	switch v {
	case PrimaryHostname:
		return append(dst, "relay.example.net"...)
	case VersionNumber:
		return append(dst, "1.0"...)
	case TodFull:
		return AppendTodFull(dst, time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	case SenderHostAddress:
		return append(dst, "192.0.2.1"...)
	case SenderHeloName:
		return append(dst, s.helo...)
	case ReceivedProtocol:
		return append(dst, "esmtps"...)
	case TLSCipher:
		return append(dst, s.cipher...)
	case MessageID:
		return append(dst, "1vNDqi-0000Gx-2A"...)
	case ReceivedFor:
		return append(dst, s.to...)
	}
	return dst
}

// TestDefaultReceivedHeader: SPEC section 8, as the SMTP server builds it.
func TestDefaultReceivedHeader(t *testing.T) {
	t.Parallel()
	s := mustParse(t, DefaultReceivedHeader, MessageVars)
	for _, c := range []struct {
		name string
		env  session
		want string
	}{
		{"all", session{"client.x.example", "TLSv1.3:TLS_AES_128_GCM_SHA256:128", "b@y.example"},
			"Received: from client.x.example ([192.0.2.1] helo=client.x.example)\n" +
				"\tby relay.example.net with esmtps (TLSv1.3:TLS_AES_128_GCM_SHA256:128)\n" +
				"\t(mtad 1.0)\n\tid 1vNDqi-0000Gx-2A\n\tfor b@y.example; Mon, 23 Nov 2026 10:00:00 +0000"},
		{"in clear, to many", session{helo: "[192.0.2.1]"},
			"Received: from [192.0.2.1] ([192.0.2.1] helo=[192.0.2.1])\n" +
				"\tby relay.example.net with esmtps\n" +
				"\t(mtad 1.0)\n\tid 1vNDqi-0000Gx-2A; Mon, 23 Nov 2026 10:00:00 +0000"},
		{"a hostile name", session{helo: "a)\r\nX: <\"b\\,;(>\x7f $1${x}!~"},
			"Received: from a???X:???b???????$1${x}!~ ([192.0.2.1] helo=a???X:???b???????$1${x}!~)\n" +
				"\tby relay.example.net with esmtps\n" +
				"\t(mtad 1.0)\n\tid 1vNDqi-0000Gx-2A; Mon, 23 Nov 2026 10:00:00 +0000"},
	} {
		v, err := s.Eval(&c.env)
		if err != nil || v.String() != c.want {
			t.Errorf("%s: %v\n got %q\nwant %q", c.name, err, v, c.want)
		}
		if strings.Count(v.String(), "\r") > 0 {
			t.Errorf("%s: a CR of the client's", c.name)
		}
	}
}

func BenchmarkPlain(b *testing.B)  { benchmark(b, "/etc/mtad/relay.pem") }
func BenchmarkBanner(b *testing.B) { benchmark(b, "$primary_hostname ESMTP") }

func benchmark(b *testing.B, text string) {
	s := mustParse(b, text, AllVars)
	env := &session{}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := s.Eval(env); err != nil || v.String() == "" {
			b.Fatal(err)
		}
	}
}

func BenchmarkReceived(b *testing.B) {
	s := mustParse(b, DefaultReceivedHeader, MessageVars)
	env := &session{"client.x.example", "TLSv1.3:TLS_AES_128_GCM_SHA256:128", "b@y.example"}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = s.Append(buf[:0], env); err != nil {
			b.Fatal(err)
		}
	}
}

// TestPlainAllocatesNothing holds the promise for strings without a $.
func TestPlainAllocatesNothing(t *testing.T) {
	s := mustParse(t, "/etc/mtad/relay.pem", AllVars)
	env := &session{}
	if n := testing.AllocsPerRun(100, func() { s.Eval(env) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

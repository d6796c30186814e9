package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"

	"mtad/tlsstate"
)

func TestReasonOf(t *testing.T) {
	t.Parallel()
	alert := func(text string) error { return &net.OpError{Op: "remote error", Err: errors.New("tls: " + text)} }
	for _, c := range []struct {
		err  error
		want Reason
	}{
		{nil, ""},
		{fmt.Errorf("TLS handshake: %w", &Refusal{WrongName, "x"}), WrongName},
		{fmt.Errorf("TLS handshake: %w", os.ErrDeadlineExceeded), TimedOut},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, TimedOut},
		{fmt.Errorf("TLS handshake: %w", tlsstate.ErrCut), Closed},
		{io.EOF, Closed},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, Closed},
		{fmt.Errorf("cannot start TLS: %w", tlsstate.ErrClearBehind), ClearText},
		{alert("handshake failure"), NoCommonCipher},
		{alert("protocol version not supported"), NoCommonVersion},
		{alert("certificate required"), NoCertificate},
		{alert("unknown certificate authority"), PeerRefused},
		{alert("bad certificate"), PeerRefused},
		{alert("unexpected message"), Protocol},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, Protocol},
		{errors.New("tls: no key exchanges supported by both client and server"), NoCommonCipher},
	} {
		got := ReasonOf(c.err)
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
		if got != "" && !slices.Contains(Reasons(), got) {
			t.Errorf("%q is not among Reasons", got)
		}
	}
}

// What the peer says of our certificate, from a real handshake; other groups too.
func TestReasonOfAlerts(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	for _, v := range versions {
		stranger := f.peer(v, func(c *tls.Config) { c.ServerName = "other.test" })
		if r := shake(t, f.server(t, plain), stranger); ReasonOf(r.serverErr) != PeerRefused {
			t.Errorf("%x: %v", v, r.serverErr)
		}
		o := plain
		o.Groups = "P-384"
		elsewhere := f.peer(v, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} })
		r := shake(t, f.server(t, o), elsewhere)
		if ReasonOf(r.serverErr) != NoCommonCipher || ReasonOf(r.clientErr) != NoCommonCipher {
			t.Errorf("%x: %v; %v", v, r.serverErr, r.clientErr)
		}
	}
}

package explain

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// authServer takes AUTH PLAIN, and says back what it was given.
func authServer(t *testing.T, code string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(conn, "220 mx\r\n")
		for in := bufio.NewScanner(conn); in.Scan(); {
			switch verb, rest, _ := strings.Cut(in.Text(), " "); verb {
			case "EHLO":
				io.WriteString(conn, "250-mx\r\n250 AUTH PLAIN\r\n")
			case "AUTH":
				word := strings.TrimPrefix(rest, "PLAIN ")
				plain, _ := base64.StdEncoding.DecodeString(word)
				said := strings.Split(string(plain), "\x00")
				io.WriteString(conn, code+"-you said "+word+"\r\n"+code+" that is "+strings.Join(said, "/")+"\r\n")
			case "QUIT":
				io.WriteString(conn, "221 bye\r\n")
			default:
				t.Errorf("the probe says %q", in.Text())
			}
		}
	}()
	return l.Addr().String()
}

// A probe does AUTH as a delivery does, says what came of it, and shows no secret:
// neither what it says nor what the server says back.
func TestProbeDoesAUTH(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code, option, outcome string
		fine                  bool
	}{
		{"235", "hosts_require_auth", "| mail would go IN CLEAR; authenticated by weak\n", true},
		{"535", "hosts_require_auth", "| NO MAIL COULD BE SENT: H=127.0.0.1 [127.0.0.1]: AUTH: AUTH PLAIN: 535 that is /(hidden)/(hidden); the host is in hosts_require_auth (\"*\")\n", false},
		{"535", "hosts_try_auth", "| mail would go IN CLEAR; UNAUTHENTICATED: AUTH PLAIN: 535 that is /(hidden)/(hidden)\n", true},
	} {
		t.Run(c.code+" "+c.option, func(t *testing.T) {
			t.Parallel()
			e := explainer(t, t.TempDir(), "[[authenticator]]\nname = \"weak\"\ndriver = \"plaintext\"\npublic_name = \"PLAIN\"\nclient_name = \"relay\"\nclient_secret = \""+secret+
				"\"\nclient_allow_clear = true\n[[router]]\nname = \"r\"\ndriver = \"domainlist\"\nhosts = \""+authServer(t, c.code)+"\"\n[transport.smtp]\n"+c.option+" = \"*\"\n")
			e.Probe = true
			r := e.Explain(t.Context(), path(t, "b@y.example"))
			var text, both strings.Builder
			if err := errors.Join(r.Print(&text, time.Now()), json.NewEncoder(&both).Encode(r)); err != nil {
				t.Fatal(err)
			}
			both.WriteString(text.String())
			for _, s := range []string{secret, base64.StdEncoding.EncodeToString([]byte("\x00relay\x00" + secret))} {
				if strings.Contains(both.String(), s) {
					t.Errorf("%q is told", s)
				}
			}
			if r.Deliverable() != c.fine || !strings.Contains(text.String(), "     | C AUTH PLAIN (not shown)\n     | S "+c.code+"-you said (hidden)\n") || !strings.Contains(text.String(), c.outcome) {
				t.Errorf("deliverable=%t\n%s", r.Deliverable(), text.String())
			}
		})
	}
}

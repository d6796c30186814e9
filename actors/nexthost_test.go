package actors

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// withoutTLS is a host that offers STARTTLS where starttls is a reply to it, and
// has no TLS. Nothing but greetings may come to it.
func withoutTLS(t *testing.T, starttls string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go refuseTLS(t, conn, starttls)
		}
	}()
	return l.Addr().String()
}

func refuseTLS(t *testing.T, conn net.Conn, starttls string) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * patience))
	fmt.Fprint(conn, "220 first.test\r\n")
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return
		case strings.HasPrefix(line, "EHLO") && starttls == "":
			fmt.Fprint(conn, "250 first.test\r\n")
		case strings.HasPrefix(line, "EHLO"):
			fmt.Fprint(conn, "250-first.test\r\n250 STARTTLS\r\n")
		case line == "STARTTLS\r\n":
			fmt.Fprint(conn, starttls+"\r\n")
			if strings.HasPrefix(starttls, "220") {
				in.ReadByte()
				conn.Write([]byte{21, 3, 3, 0, 2, 2, 40}) // alert: handshake_failure
				return
			}
		case line == "QUIT\r\n":
			fmt.Fprint(conn, "221 bye\r\n")
		default:
			t.Errorf("in clear: %q", line)
			return
		}
	}
}

// C3, C5, ST-16, ST-17: a host whose TLS fails is left, and the next one gets the
// message at once, in TLS; where there is none the message waits. In clear it
// goes to neither.
func TestST16NextHost(t *testing.T) {
	for _, c := range []struct{ name, starttls, code, text string }{
		{"4xx to STARTTLS", "454 4.7.0 not now", "-38", `TLS: 454 4\.7\.0 not now`},
		{"the handshake fails", "220 go", "-37", `TLS: handshake failed: `},
		{"5xx where TLS is required", "502 no", "-38", `TLS: STARTTLS was refused: 502 no; the host is in hosts_require_tls`},
		{"not offered where it is required", "", "-38", `TLS: STARTTLS is not offered; the host is in hosts_require_tls`},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, h *tlsHop) {
				first := withoutTLS(t, c.starttls)
				options := []string{"hosts_override = true"}
				if c.code == "-38" && c.starttls != "454 4.7.0 not now" {
					options = append(options, `hosts_require_tls = "*"`)
				}
				r := relayOn(t, t.TempDir(), h.hop, nil, append(options, fmt.Sprintf("hosts = [%q, %q]", first, h.addr))...)
				r.submit("m")
				r.idle()
				r.exactly("m")
				r.logged(1, `H=127\.0\.0\.1 \[127\.0\.0\.1\]: `+c.text)
				r.logged(1, `=> .* H=127\.0\.0\.1 \[127\.0\.0\.1\] X=TLS`)
				r.logged(0, ` == `)

				alone := relayOn(t, t.TempDir(), newHop(t), nil, append(options, fmt.Sprintf("hosts = [%q]", first))...)
				alone.submit("m")
				alone.logged(1, ` == .* defer \(`+c.code+`\): H=127\.0\.0\.1 \[127\.0\.0\.1\]: `+c.text)
			})
		})
	}
}

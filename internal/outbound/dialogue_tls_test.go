package outbound

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"mtad/internal/certs"
	"mtad/tlsstate"
)

// TestDialoguesInTLS plays the dialogues of THREATS (ST-22, DU-10 to DU-16) once
// more, with STARTTLS between the greeting and the EHLO that they begin with.
func TestDialoguesInTLS(t *testing.T) {
	t.Parallel()
	played := 0
	for _, d := range dialogues(t) {
		if name := d.name(); d.on == "pipe" || !strings.HasPrefix(name, "du1") && !strings.HasPrefix(name, "st22") {
			continue
		}
		played++
		for version, number := range versions {
			t.Run(d.name()+"/"+version, func(t *testing.T) {
				t.Parallel()
				s := settings(d.set)
				s.TLS.Client = func(h Target) (*tls.Config, bool, error) {
					cfg, err := certs.NewStore(certs.Options{Dir: t.TempDir()}).Client(certs.Client{}, certs.Host{Name: h.Name, Addr: h.Addr})
					return cfg, false, err
				}
				client, server := tcpPair(t)
				d.checkWith(t, client, s, func() error { return d.serveTLS(server, serverTLS(number, world().mx)) }, strings.NewReplacer())
			})
		}
	}
	if played < 15 {
		t.Errorf("%d dialogues", played)
	}
}

// serveTLS is serve behind STARTTLS.
func (d *dialogue) serveTLS(tcp net.Conn, cfg *tls.Config) error {
	script := slices.Clone(d.script)
	hello := slices.IndexFunc(script, func(line string) bool {
		return strings.HasPrefix(line, "C: EHLO") || strings.HasPrefix(line, "C: LHLO")
	})
	if hello < 0 {
		return serve(tcp, script)
	}
	sock := tlsstate.New(plain{tcp})
	end := &tlsEnd{Conn: tcp, sock: sock}
	in := bufio.NewReader(end)
	before := append(script[:hello:hello], script[hello], "S: 250-mx", "S: 250 STARTTLS", "C: STARTTLS", "S: 220 go ahead")
	if err := follow(end, in, before); err != nil {
		tcp.Close()
		return err
	}
	if err := sock.StartServer(cfg, time.Now().Add(10*time.Second), nil); err != nil {
		tcp.Close()
		return err
	}
	return serveFrom(end, in, script[hello:])
}

// tlsEnd is the server's end of a connection that changes to TLS.
type tlsEnd struct {
	net.Conn
	sock  *tlsstate.Socket
	reset bool
}

func (e *tlsEnd) Read(p []byte) (int, error) {
	n, err := e.sock.Read(p)
	if err == tlsstate.ErrCloseNotify {
		err = io.EOF
	}
	return n, err
}
func (e *tlsEnd) Write(p []byte) (int, error) { return e.sock.Write(p) }

// Close ends TLS in order, as a FIN ends a connection in clear; a reset does not.
func (e *tlsEnd) Close() error {
	if !e.reset {
		e.sock.Shutdown()
	}
	return e.sock.Close()
}

func (e *tlsEnd) SetLinger(sec int) error {
	e.reset = true
	return e.Conn.(*net.TCPConn).SetLinger(sec)
}

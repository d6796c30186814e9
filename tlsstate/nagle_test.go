package tlsstate

import (
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// pieces writes each record by itself, with Nagle's algorithm on: each but the
// first waits until all before it were acknowledged.
type pieces struct{ *net.TCPConn }

func (p pieces) Write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		record := b[done:]
		record = record[:5+int(record[3])<<8+int(record[4])]
		if _, err := p.TCPConn.Write(record); err != nil {
			return done, err
		}
		done += len(record)
	}
	return len(b), nil
}

// The kernel would put each acknowledgement off for 40 ms.
func TestHandshakeInPiecesWaitsForNoAcknowledgement(t *testing.T) {
	const handshakes = 5
	for name, version := range versions {
		for _, server := range []bool{true, false} { // who writes in pieces
			t.Run(map[bool]string{true: "server ", false: "client "}[server]+name, func(t *testing.T) {
				t.Parallel()
				var took time.Duration
				for range handshakes {
					took += handshakeInPieces(t, version, server)
				}
				if took > handshakes*30*time.Millisecond {
					t.Errorf("%d handshakes took %s", handshakes, took)
				}
			})
		}
	}
}

// handshakeInPieces returns how long a handshake took between our socket and a
// peer in pieces.
func handshakeInPieces(t *testing.T, version uint16, server bool) time.Duration {
	t.Helper()
	sock, theirs := tcpPair(t)
	theirs.SetNoDelay(false)
	defer sock.Close()
	peer := tls.Client(pieces{theirs}, clientConfig(version))
	start := func() error { return sock.StartServer(serverConfig(version), time.Now().Add(10*time.Second), nil) }
	if server {
		peer = tls.Server(pieces{theirs}, serverConfig(version))
		start = func() error { return sock.StartClient(clientConfig(version), time.Now().Add(10*time.Second), nil) }
	}
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- peer.Handshake() }()
	if err := start(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

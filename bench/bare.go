package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"

	"mtad/internal/certs"
)

// The least that a server has to do to answer the lines of a session in TLS:
// crypto/tls and a buffer. It is what mtad's handshakes are measured against,
// and a process of its own, so that its CPU can be told from its client's.

// bareFlag makes this program that server.
const bareFlag = "bare-server"

// bareServer serves at addr for ever with the key in a file; "" as groups is
// the engine's default.
func bareServer(addr, file, groups string) error {
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		return err
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}}
	if cfg.CurvePreferences, err = certs.ParseGroups(groups); err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			if err := bareSession(conn, cfg); err != nil && err != io.EOF {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

// bareReplies are what mtad answers, to the byte.
var bareReplies = map[string]string{
	"":         "220 relay.test ESMTP mtad 1.0.0-dev\r\n",
	"EHLO":     "250-relay.test Hello load.test [127.0.0.1]\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-DSN\r\n250-STARTTLS\r\n250 HELP\r\n",
	"STARTTLS": "220 TLS go ahead\r\n",
	"QUIT":     "221 relay.test closing connection\r\n",
}

func bareSession(conn net.Conn, cfg *tls.Config) error {
	defer func() { conn.Close() }() // with close_notify, once it is in TLS
	in := bufio.NewReaderSize(conn, 4096)
	for verb := ""; ; {
		if _, err := io.WriteString(conn, bareReplies[verb]); err != nil || verb == "QUIT" {
			return err
		}
		if verb == "STARTTLS" {
			inTLS := tls.Server(conn, cfg)
			if err := inTLS.Handshake(); err != nil {
				return err
			}
			conn = inTLS
			in.Reset(conn)
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		word, _, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(" "))
		if verb = string(word); bareReplies[verb] == "" {
			return fmt.Errorf("unexpected line %q", line)
		}
	}
}

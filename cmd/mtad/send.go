package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	loads "mtad/internal/load"
)

// runSend is `mtad send`: a test client that submits mail.
func runSend(args []string, stdout, stderr io.Writer) int {
	var s loads.Sender
	var size, rate, file, ledger, login string
	var startTLS bool
	f := flags("send", "[options]    submits mail and says how fast it was taken", stderr)
	f.StringVar(&s.To, "to", "127.0.0.1:2525", "`address` of the server")
	f.IntVar(&s.Sessions, "sessions", 1, "connections at a time")
	f.IntVar(&s.Messages, "messages", 1, "messages in all")
	f.StringVar(&size, "size", "10K", "`size` of a message")
	f.IntVar(&s.Rcpts, "rcpts", 1, "recipients a message")
	f.StringVar(&s.From, "from", "sender@load.test", "envelope sender; empty is the null sender")
	f.StringVar(&s.Rcpt, "rcpt", "user%d@load.test", "recipient; %d is its number")
	f.IntVar(&s.Domains, "domains", 0, "spread recipients over d0.test, d1.test and so on to this `number`")
	f.StringVar(&rate, "rate", "", "messages a second, `N/s` (default: as fast as it goes)")
	f.IntVar(&s.PerConnection, "per-connection", 0, "messages a connection; 0 is no limit")
	f.BoolVar(&s.Pipelining, "pipelining", false, "send MAIL, RCPT and DATA in one go where the server offers it")
	f.BoolVar(&s.BDAT, "bdat", false, "send BDAT instead of DATA where the server offers CHUNKING")
	f.StringVar(&file, "file", "", "send this message instead of a made one")
	f.StringVar(&ledger, "ledger", "", "append what was sent, and what became of it, to this `file`")
	f.StringVar(&s.Helo, "helo", "load.test", "name for EHLO")
	f.BoolVar(&startTLS, "tls", false, "say STARTTLS; the server's certificate is not verified")
	f.BoolVar(&s.Restart, "tls-restart", false, "shut TLS down after each message, and begin anew on the same connection")
	f.StringVar(&login, "auth", "", "authenticate by PLAIN as `name:file`, with -tls; the secret is the first line of the file, since everybody on a machine can see a command line")
	f.DurationVar(&s.Wait, "wait", 0, "keep trying to connect for so long")
	if status, done := parse(f, args, stdout); done {
		return status
	}
	var err error
	if f.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if err == nil {
		s.Size, err = loads.ParseSize(size)
	}
	if err == nil && rate != "" {
		if s.Rate, err = strconv.ParseFloat(strings.TrimSuffix(rate, "/s"), 64); err != nil {
			err = fmt.Errorf("-rate %s: want messages a second, as 50/s", rate)
		}
	}
	if err == nil && (s.Sessions < 1 || s.Messages < 1 || s.Rcpts < 1 || s.Rate < 0) {
		err = fmt.Errorf("-sessions, -messages and -rcpts are at least 1, -rate is not negative")
	}
	if err == nil && login != "" && !startTLS && !s.Restart {
		err = fmt.Errorf("-auth needs -tls: the secret would go over the network in clear")
	}
	if err == nil && login != "" {
		s.Auth, err = plainLogin(login)
	}
	if err != nil {
		fmt.Fprintf(stderr, "mtad send: %v\n", err)
		return exitUsage
	}
	if startTLS || s.Restart {
		s.TLS = &tls.Config{InsecureSkipVerify: true, ServerName: "load.test", ClientSessionCache: tls.NewLRUClientSessionCache(0), DynamicRecordSizingDisabled: true}
	}
	return send(&s, file, ledger, stdout, stderr)
}

// plainLogin makes what AUTH PLAIN says of "name:file" (RFC 4616 2).
func plainLogin(login string) (string, error) {
	name, file, ok := strings.Cut(login, ":")
	if !ok || name == "" {
		return "", fmt.Errorf("-auth %s: want name:file", login)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("-auth: %w", err)
	}
	secret, _, _ := strings.Cut(string(text), "\n")
	return base64.StdEncoding.EncodeToString([]byte("\x00" + name + "\x00" + strings.TrimSuffix(secret, "\r"))), nil
}

func send(s *loads.Sender, file, ledger string, stdout, stderr io.Writer) int {
	failed := func(err error) int {
		fmt.Fprintf(stderr, "mtad send: %v\n", err)
		return exitFailed
	}
	if file != "" {
		msg, err := os.ReadFile(file)
		if err != nil {
			return failed(err)
		}
		s.File = msg
	}
	var led *loads.Ledger
	if ledger != "" {
		var err error
		if led, err = loads.OpenLedger(ledger); err != nil {
			return failed(err)
		}
		s.Record = led.Record
	}
	s.Progress = func(line string) { fmt.Fprintln(stderr, line) }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	sum := s.Run(ctx)
	sum.WriteTo(stdout)
	if err := led.Close(); err != nil {
		return failed(err)
	}
	if sum.Acked < int64(s.Messages) || sum.RcptsRefused > 0 {
		return exitFailed
	}
	return exitOK
}

// everySecond calls f once a second until the function it returns is called.
func everySecond(f func()) (stop func()) {
	tick, done := time.NewTicker(time.Second), make(chan struct{})
	go func() {
		for {
			select {
			case <-tick.C:
				f()
			case <-done:
				return
			}
		}
	}()
	return func() { tick.Stop(); close(done) }
}

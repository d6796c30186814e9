package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mtad/internal/auth"
	loads "mtad/internal/load"
)

// runSend is `mtad send`: a test client that submits mail.
func runSend(args []string, stdout, stderr io.Writer) int {
	var s loads.Sender
	var size, rate, file, ledger, login, mechanism string
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
	f.StringVar(&login, "auth", "", "authenticate as `name:file`, with -tls, by the strongest mechanism offered; the secret is the first line of the file, since everybody on a machine can see a command line")
	f.StringVar(&mechanism, "auth-mechanism", "", "authenticate by this `mechanism` and no other: PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256 (and -PLUS where it is offered)")
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
		s.Auth, err = credentials(login, mechanism)
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

// credentials makes of "name:file" what each mechanism wants, or the one that is
// asked for.
func credentials(login, mechanism string) (all []auth.Credential, err error) {
	name, file, ok := strings.Cut(login, ":")
	if !ok || name == "" {
		return nil, fmt.Errorf("-auth %s: want name:file", login)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("-auth: %w", err)
	}
	secret, _, _ := strings.Cut(string(text), "\n")
	secret = strings.TrimSuffix(secret, "\r")
	for _, of := range [][2]string{{"PLAIN", "plaintext"}, {"LOGIN", "plaintext"}, {"CRAM-MD5", "cram_md5"}, {"SCRAM-SHA-256", "scram"}} {
		if mechanism == "" || strings.EqualFold(mechanism, of[0]) {
			all = append(all, auth.Credential{Name: of[0], Driver: of[1], PublicName: of[0], User: name, Secret: secret})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("-auth-mechanism %s: one of PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256", mechanism)
	}
	return all, nil
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

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mtad/internal/load"
)

// runSend is `mtad send`: a test client that submits mail.
func runSend(args []string, stdout, stderr io.Writer) int {
	var s load.Sender
	var size, rate, file, ledger string
	f := newFlags("send", "submits mail, and says how fast it was taken", stderr)
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
	f.DurationVar(&s.Wait, "wait", 0, "keep trying to connect for so long")
	if code, done := parseFlags(f, args, stdout, stderr); done {
		return code
	}
	var err error
	if s.Size, err = load.ParseSize(size); err == nil && rate != "" {
		s.Rate, err = strconv.ParseFloat(strings.TrimSuffix(rate, "/s"), 64)
	}
	if err == nil && (s.Sessions < 1 || s.Messages < 1 || s.Rcpts < 1 || s.Rate < 0) {
		err = fmt.Errorf("-sessions, -messages and -rcpts are at least 1, -rate is not negative")
	}
	if err != nil {
		fmt.Fprintf(stderr, "mtad send: %v\n", err)
		return 2
	}
	return send(&s, file, ledger, stdout, stderr)
}

func send(s *load.Sender, file, ledger string, stdout, stderr io.Writer) int {
	failed := func(err error) int {
		fmt.Fprintf(stderr, "mtad send: %v\n", err)
		return 1
	}
	if file != "" {
		msg, err := os.ReadFile(file)
		if err != nil {
			return failed(err)
		}
		s.File = msg
	}
	var led *load.Ledger
	if ledger != "" {
		var err error
		if led, err = load.OpenLedger(ledger); err != nil {
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
		return 1
	}
	return 0
}

// newFlags starts the flags of a test tool.
func newFlags(name, does string, stderr io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "Usage: mtad %s [options]    %s\n", name, does)
		f.PrintDefaults()
	}
	return f
}

// parseFlags parses, and answers -h and wrong usage itself: then it is done.
func parseFlags(f *flag.FlagSet, args []string, stdout, stderr io.Writer) (code int, done bool) {
	f.SetOutput(io.Discard)
	err := f.Parse(args)
	switch {
	case err == flag.ErrHelp:
		f.SetOutput(stdout)
		f.Usage()
		return 0, true
	case err == nil && f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "mtad %s: %v (mtad %s -h lists the options)\n", f.Name(), err, f.Name())
		return 2, true
	}
	return 0, false
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

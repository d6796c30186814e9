package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"mtad/internal/auth"
	"mtad/internal/certs"
	loads "mtad/internal/load"
)

// runSink is `mtad sink`: a test server that accepts and counts mail.
func runSink(args []string, stdout, stderr io.Writer) int {
	var s loads.Sink
	var addrs []string
	var ledger, users string
	var count int64
	var quiet, offerTLS, askCert bool
	f := flags("sink", "[options]    accepts mail, counts and checks it", stderr)
	f.Func("listen", "`address`, a list of them, or a network with a port (127.1.0.0/22:2525); may be given again (default 127.0.0.1:2626)",
		each(func(item string) error {
			more, err := loads.ParseListen(item)
			addrs = append(addrs, more...)
			return err
		}))
	f.DurationVar(&s.Delay, "delay", 0, "wait so long before each reply")
	f.Func("refuse", "`VERB=CODE` or VERB=CODE:10%, or a list: refuse (some) of them; CONNECT and DOT are verbs too",
		each(func(item string) error { return addRule(&s, loads.ParseRefusal, item) }))
	f.Func("close", "`VERB` or VERB:10%, or a list: close the connection instead of a reply",
		each(func(item string) error { return addRule(&s, loads.ParseClose, item) }))
	f.StringVar(&s.Keep, "keep", "", "keep messages in this `folder`, one file each")
	f.StringVar(&ledger, "ledger", "", "append what came, with its SHA-256 and the reply, to this `file`")
	f.BoolVar(&s.Verify, "verify", false, "look at the checksums that mtad send puts in")
	f.BoolVar(&offerTLS, "tls", false, "offer STARTTLS, with a certificate made for this run")
	f.BoolVar(&askCert, "tls-client-cert", false, "in TLS, need a certificate of the client")
	f.StringVar(&s.AfterTLS, "tls-end", loads.AfterTLSModes[0], "what to do when the client shuts TLS down: `"+strings.Join(loads.AfterTLSModes, "|")+"`")
	f.StringVar(&users, "auth", "", "offer AUTH to the users of this `file` (mtad user makes it), and demand it of nobody; -refuse AUTH=535 refuses it")
	f.BoolVar(&s.LMTP, "lmtp", false, "speak LMTP")
	f.Int64Var(&count, "count", 0, "exit after this many messages")
	f.BoolVar(&quiet, "quiet", false, "no progress line")
	if status, done := parse(f, args, stdout); done {
		return status
	}
	if f.NArg() > 0 {
		fmt.Fprintf(stderr, "mtad sink: unexpected argument %q\n", f.Arg(0))
		return exitUsage
	}
	if !loads.IsAfterTLS(s.AfterTLS) {
		fmt.Fprintf(stderr, "mtad sink: -tls-end is one of %s\n", strings.Join(loads.AfterTLSModes, ", "))
		return exitUsage
	}
	if offerTLS || askCert {
		var err error
		if s.TLS, err = sinkTLS(askCert); err != nil {
			fmt.Fprintf(stderr, "mtad sink: %v\n", err)
			return exitFailed
		}
	}
	if users != "" {
		var err error
		if s.Auth, err = sinkAuth(users); err != nil {
			fmt.Fprintf(stderr, "mtad sink: -auth: %v\n", err)
			return exitFailed
		}
	}
	if len(addrs) == 0 {
		addrs = []string{"127.0.0.1:2626"}
	}
	if err := sink(&s, addrs, ledger, count, quiet, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "mtad sink: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// sinkTLS makes a configuration with a certificate of its own.
func sinkTLS(askCert bool) (*tls.Config, error) {
	cert, key, err := certs.Generate(certs.Request{Hosts: []string{"sink.test", "localhost", "127.0.0.1"}, Days: 1})
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, DynamicRecordSizingDisabled: true}
	if askCert {
		cfg.ClientAuth = tls.RequireAnyClientCert
	}
	return cfg, err
}

// sinkAuth serves the users of a file by each mechanism, without counting who
// guesses: a test may be wrong as often as it wants.
func sinkAuth(file string) (*auth.Server, error) {
	users, err := auth.OpenUsers(file, nil)
	if err != nil {
		return nil, err
	}
	s := &auth.Server{Hostname: "sink.test", Costs: auth.NewCosts(runtime.GOMAXPROCS(0), 10_000, time.Minute)}
	for _, of := range [][2]string{{"PLAIN", "plaintext"}, {"LOGIN", "plaintext"}, {"CRAM-MD5", "cram_md5"}, {"", "scram"}} {
		s.Authenticators = append(s.Authenticators, &auth.Authenticator{Name: of[0], PublicName: of[0], Driver: of[1], Users: users})
	}
	return s, nil
}

// each calls f for every item of a comma-separated list.
func each(f func(string) error) func(string) error {
	return func(list string) error {
		for item := range strings.SplitSeq(list, ",") {
			if err := f(item); err != nil {
				return err
			}
		}
		return nil
	}
}

func addRule(s *loads.Sink, parse func(string) (loads.Rule, error), item string) error {
	r, err := parse(item)
	s.Rules = append(s.Rules, r)
	return err
}

// sink runs until it is told to end, or has got count messages.
func sink(s *loads.Sink, addrs []string, ledger string, count int64, quiet bool, stdout, stderr io.Writer) error {
	if s.Keep != "" {
		if err := os.MkdirAll(s.Keep, 0o755); err != nil {
			return err
		}
	}
	var led *loads.Ledger
	if ledger != "" {
		var err error
		if led, err = loads.OpenLedger(ledger); err != nil {
			return err
		}
		s.Record = led.Record
	}
	enough := make(chan struct{})
	s.Enough(count, sync.OnceFunc(func() { close(enough) }))
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(end)
	if err := serveSink(s, addrs); err != nil {
		s.Close()
		return err
	}
	fmt.Fprintf(stderr, "listening on %s\n", listed(addrs))
	defer everySecond(func() {
		led.Flush()
		if !quiet {
			progress(s, stderr)
		}
	})()
	select {
	case <-end:
	case <-enough:
	}
	s.Close()
	s.Totals().WriteTo(stdout)
	return led.Close()
}

func serveSink(s *loads.Sink, addrs []string) error {
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		go s.Serve(l)
	}
	return nil
}

func listed(addrs []string) string {
	if len(addrs) > 3 {
		return fmt.Sprintf("%s … %s (%d addresses)", addrs[0], addrs[len(addrs)-1], len(addrs))
	}
	return strings.Join(addrs, ", ")
}

func progress(s *loads.Sink, stderr io.Writer) {
	t := s.Totals()
	fmt.Fprintf(stderr, "%d messages, %d recipients, %d connections, %d duplicates\n", t.Messages, t.Recipients, t.Connections, t.Duplicates)
}

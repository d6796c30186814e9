package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/VictoriaMetrics/metrics"

	"mtad/actors"
	"mtad/internal/admin"
	"mtad/internal/certs"
	"mtad/internal/config"
	"mtad/internal/mainlog"
	"mtad/internal/resolver"
	"mtad/spool"
)

// runServe runs the daemon: start in order, wait, stop in reverse.
func runServe(args []string, stdout, stderr io.Writer) int {
	fs := flags("serve", "[-config FILE]", stderr)
	file := configFlag(fs)
	if status, done := parse(fs, args, stdout); done {
		return status
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(stderr, "mtad serve: unexpected argument %q\n", fs.Arg(0))
		return exitUsage
	}
	cfg, status := load(*file, stderr)
	if status != exitOK {
		return status
	}
	if err := serve(cfg, stderr); err != nil {
		fmt.Fprintln(stderr, "mtad: "+err.Error())
		return exitFailed
	}
	return exitOK
}

// serve returns when the daemon has drained.
func serve(cfg *config.Config, stderr io.Writer) error {
	harden()
	defer runtime.KeepAlive(heapFloor())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)

	bound, adminSocket, err := bind(cfg)
	if err != nil {
		return err
	}
	defer closeAll(bound)
	if adminSocket != nil {
		defer adminSocket.Close()
	}
	token, err := ensureToken(cfg) // while we may read and write it
	if err != nil {
		return err
	}
	if err := dropPrivileges(cfg); err != nil {
		return err
	}

	log, err := mainlog.Open(mainlog.Options{
		Path: cfg.LogFilePath, Format: cfg.LogFormat, HideTLSCipher: !cfg.TLSLogCipher, ShowPeerDN: cfg.TLSLogPeerDN,
	})
	if err != nil {
		return err
	}
	defer log.Close()

	events := make(chan spool.Event, 1)
	sp, err := openSpool(cfg, log, events)
	if err != nil {
		return err
	}
	defer sp.Close()

	names, err := newResolver(cfg)
	if err != nil {
		return err
	}
	defer names.Close()

	keys := certificates(cfg, log)
	d := actors.Start(actors.Options{Config: cfg, Spool: sp, Log: log, Listeners: bound, Version: version, Certs: keys, DNS: names, Names: names.ReverseNames, Fatal: func(reason any) {
		log.Panic(fmt.Sprintf("the supervisor failed: %v; mtad ends, what it acknowledged is in the spool", reason), nil)
		log.Close()
		os.Exit(exitFailed)
	}})
	go watchSpool(events, d)

	reloads := &reloader{started: cfg, daemon: d, log: log, certs: keys}
	web, err := serveAdmin(cfg, adminSocket, token, d, sp, log, reloads)
	if err != nil {
		return err
	}
	defer web.Close()

	sayStarted(cfg, log, stderr, bound)
	notify("READY=1")
	return untilDrained(d, log, signals, web)
}

// newResolver asks the DNS servers that the configuration or the system names.
func newResolver(cfg *config.Config) (*resolver.Resolver, error) {
	return resolver.New(resolver.Config{Servers: cfg.DNSServers, Timeout: cfg.DNSRetrans, Attempts: cfg.DNSRetry})
}

// untilDrained waits for signals and carries them out.
func untilDrained(d *actors.Daemon, log *mainlog.Log, signals <-chan os.Signal, web *adminServer) error {
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGHUP {
				web.reloads.reload() // the log has the outcome
				continue
			}
			log.Stopping(s.String())
		case <-web.drain:
			log.Stopping("mtad drain")
		}
		break
	}
	notify("STOPPING=1")
	ctx, cancel := context.WithTimeout(context.Background(), d.Config().DrainTimeout)
	defer cancel()
	go func() {
		for s := range signals {
			if s != syscall.SIGHUP {
				log.Stopped("second signal: not waiting for what is in hand")
				log.Close()
				os.Exit(exitOK) // safe as kill -9: what was acknowledged is in the spool
			}
		}
	}()
	if err := d.Drain(ctx); err != nil {
		log.Stopped(err.Error())
	} else {
		log.Stopped("drained")
	}
	return nil
}

// bind opens every [[listen]] and the admin address (nil without one), or takes
// them from the service manager.
func bind(cfg *config.Config) (bound []actors.Bound, web net.Listener, err error) {
	given, err := inherited()
	if err != nil {
		return nil, nil, err
	}
	open := func(address string) (net.Listener, error) {
		if sock := given.take(address); sock != nil {
			return sock, nil
		}
		return listen(address)
	}
	defer func() {
		if err != nil {
			closeAll(bound)
		}
	}()
	for _, l := range cfg.Listen {
		sock, err := open(l.Address)
		if err != nil {
			return bound, nil, err
		}
		bound = append(bound, actors.Bound{Listener: sock, Listen: l})
	}
	if cfg.Admin.Address != "" {
		if web, err = open(cfg.Admin.Address); err != nil {
			return bound, nil, fmt.Errorf("[admin] %w", err)
		}
	}
	for _, sock := range given {
		return bound, nil, fmt.Errorf("the service manager passed a socket on %s, but no [[listen]] or [admin] has that address", sock.Addr())
	}
	return bound, web, nil
}

func closeAll(bound []actors.Bound) {
	for _, b := range bound {
		b.Close()
	}
}

// listen binds an address, or says what to do about it.
func listen(address string) (net.Listener, error) {
	// No TCP keep-alives: every wait of a session has a time-out of its own.
	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: something else does already (another mtad? `ss -ltnp` shows it)", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("cannot listen on %s: not allowed; ports below 1024 need root, CAP_NET_BIND_SERVICE or socket activation", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("cannot listen on %s: no interface of this machine has that address", address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return l, nil
}

// openSpool opens the spool and lets it report to the panic log.
func openSpool(cfg *config.Config, log *mainlog.Log, events chan<- spool.Event) (*spool.Spool, error) {
	sp, err := spool.Open(cfg.SpoolDirectory, spool.Options{
		MinFreeBytes:  cfg.CheckSpoolSpace,
		MinFreeInodes: cfg.CheckSpoolInodes,
		Observe:       admin.ObserveCommit,
		Report: func(e spool.Event) {
			if e.Kind == "space" {
				log.Notice("spool: " + e.Text)
				return
			}
			log.Panic("spool: "+e.Text, nil)
			if e.Kind == "poisoned" { // once
				events <- e
			}
		},
	})
	if errors.Is(err, spool.ErrLocked) {
		return nil, fmt.Errorf("cannot open spool %s: another mtad is using it (one daemon a spool)", cfg.SpoolDirectory)
	}
	return sp, err
}

// certificates opens the store of keys and certificates. A self-signed
// certificate is made now: by the first client it would be waited for.
func certificates(cfg *config.Config, log *mainlog.Log) *certs.Store {
	store := certs.NewStore(certs.Options{Dir: cfg.Dir, SpoolDir: cfg.SpoolDirectory, Hostname: cfg.PrimaryHostname, Warn: log.Warning})
	makeCertificate(cfg, store, log)
	metrics.RegisterMetricsWriter(store.WriteMetrics)
	return store
}

func makeCertificate(cfg *config.Config, store *certs.Store, log *mainlog.Log) {
	if s := cfg.TLSCertificate; s != nil {
		if name, ok := s.Constant(); ok && name == "self-signed" {
			if _, err := store.Server(certs.Server{Certificate: name}); err != nil {
				log.Panic("every STARTTLS will be answered 454: "+err.Error(), nil)
			}
		}
	}
}

// watchSpool stops deliveries when a sync has failed: no outcome can be recorded
// any more.
func watchSpool(events <-chan spool.Event, d *actors.Daemon) {
	for range events {
		d.Pause()
	}
}

func sayStarted(cfg *config.Config, log *mainlog.Log, stderr io.Writer, bound []actors.Bound) {
	for _, w := range cfg.Warnings {
		log.Warning(w)
	}
	var where []string
	for _, b := range bound {
		where = append(where, b.Addr().String())
	}
	log.Started(version, os.Getpid(), where)
	if cfg.LogFilePath == "stderr" {
		return // the log has said it there
	}
	fmt.Fprintf(stderr, "mtad %s: listening on %v, spool %s, log %s\n", version, where, cfg.SpoolDirectory, cfg.LogFilePath)
}

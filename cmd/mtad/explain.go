package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"mtad/internal/admin"
	"mtad/internal/certs"
	"mtad/internal/config"
	"mtad/internal/explain"
	"mtad/internal/outbound"
	"mtad/internal/route"
	"mtad/internal/smtp"
)

const explainUsage = `[-config FILE] [-json] [-probe] ADDRESS...

says what would be done with mail for an address, step by step, and which option
and which item of it decides: the router, the hosts in order, TLS, what is asked
of a certificate, AUTH, the hand-over, the retry rule, and what a running daemon knows
of the hosts (it is found by [admin]). Exit status 1: there is nowhere to go, or,
with -probe, no host that would take mail.
`

// runExplain says what would be done with mail for addresses.
func runExplain(args []string, stdout, stderr io.Writer) int {
	fs := flags("explain", explainUsage, stderr)
	file := configFlag(fs)
	asJSON := fs.Bool("json", false, "JSON, one object a line")
	probe := fs.Bool("probe", false, "connect to each host and show what it says, up to where mail would be sent; none is")
	limit := fs.Duration("timeout", 30*time.Second, "with -probe: for each address")
	if status, done := parse(fs, args, stdout); done {
		return status
	}
	if fs.NArg() == 0 {
		fmt.Fprintln(stderr, "mtad explain: which address?")
		return exitUsage
	}
	paths, err := addresses(fs.Args())
	if err != nil {
		fmt.Fprintln(stderr, "mtad explain: "+err.Error())
		return exitUsage
	}
	cfg, status := load(*file, stderr)
	if status != exitOK {
		return status
	}
	dns, err := newResolver(cfg)
	if err != nil {
		fmt.Fprintln(stderr, "mtad explain: "+err.Error())
		return exitFailed
	}
	defer dns.Close()
	e := newExplainer(cfg, dns)
	e.Probe = *probe
	for _, p := range paths {
		ctx, cancel := context.WithTimeout(context.Background(), *limit)
		report := e.Explain(ctx, p)
		cancel()
		if err := tellReport(report, *asJSON, stdout); err != nil {
			fmt.Fprintln(stderr, "mtad explain: "+err.Error())
			return exitFailed
		}
		if !report.Deliverable() {
			status = exitFailed
		}
	}
	return status
}

// addresses reads them as RCPT would, with brackets or without.
func addresses(args []string) ([]smtp.Path, error) {
	var all []smtp.Path
	for _, a := range args {
		if a == "" || a[0] != '<' {
			a = "<" + a + ">"
		}
		p, rest, err := smtp.ParsePath([]byte(a))
		if err != nil || len(rest) > 0 || p.IsNull() {
			return nil, fmt.Errorf("%q is no address to send mail to", a)
		}
		all = append(all, p)
	}
	return all, nil
}

// newExplainer has what the daemon would have, and asks the one that runs.
func newExplainer(cfg *config.Config, dns route.DNS) *explain.Explainer {
	store := certs.NewStore(certs.Options{Dir: cfg.Dir, SpoolDir: cfg.SpoolDirectory, Hostname: cfg.PrimaryHostname})
	return &explain.Explainer{
		Config: cfg, Router: route.New(cfg, dns), Retry: route.NewRetry(cfg.Retry),
		Transports: outbound.Transports(cfg, version, store),
		Known:      func(ctx context.Context) ([]explain.Known, error) { return knownHosts(ctx, cfg.Admin) },
	}
}

// knownLimit bounds the wait for a daemon that does not answer.
const knownLimit = 5 * time.Second

// knownHosts asks the running daemon.
func knownHosts(ctx context.Context, cfg config.Admin) ([]explain.Known, error) {
	client, err := admin.NewClient(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, knownLimit)
	defer cancel()
	hosts, err := client.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	var all []explain.Known
	for _, h := range hosts {
		all = append(all, explain.Known{
			Name: h.Name, Address: h.Address, Transport: h.Transport, Connections: h.Connections, Window: h.Window,
			RetryAt: h.RetryAt, Error: h.Error, Remembered: h.Remembered,
		})
	}
	return all, nil
}

func tellReport(r *explain.Report, asJSON bool, w io.Writer) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	return r.Print(w, time.Now())
}

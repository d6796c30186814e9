package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"mtad/internal/config"
	"mtad/internal/expand"
)

// runExpand expands strings, one result a line, as the daemon would.
func runExpand(args []string, stdout, stderr io.Writer) int {
	fs := flags("expand", "[-config FILE] [-set NAME=VALUE]... STRING...", stderr)
	file := configFlag(fs)
	env := newRehearsal()
	fs.Func("set", "give a variable a `name=value`; what the network chooses, such as sender_helo_name, counts as chosen by it here too, and so do value and 0 to 9", env.set)
	if status, done := parse(fs, args, stdout); done {
		return status
	}
	if fs.NArg() == 0 {
		fmt.Fprintln(stderr, "mtad expand: there is no string to expand")
		return exitUsage
	}
	opts, status := expandOptions(fs, *file, stderr)
	if status != exitOK {
		return status
	}
	env.complete(opts.Hostname, time.Now())
	for _, s := range fs.Args() {
		v, err := env.expand(s, opts)
		switch {
		case errors.Is(err, expand.ErrForced):
			fmt.Fprintln(stdout, "Failed: forced")
			status = exitFailed
		case err != nil:
			fmt.Fprintf(stdout, "Failed: %v\n", err)
			status = exitFailed
		default:
			fmt.Fprintln(stdout, v)
		}
	}
	return status
}

// expandOptions takes folder, name and lists of the configuration, if there is
// one: without -config, config.toml may be missing.
func expandOptions(fs *flag.FlagSet, file string, stderr io.Writer) (expand.Options, int) {
	given := false
	fs.Visit(func(f *flag.Flag) { given = given || f.Name == "config" })
	cfg := config.Default()
	if given || exists(file) {
		var status int
		if cfg, status = load(file, stderr); status != exitOK {
			return expand.Options{}, status
		}
	}
	return expand.Options{
		Vars: expand.AllVars, Dir: cfg.Dir, Hostname: cfg.PrimaryHostname,
		Named: expand.Lists{Hosts: cfg.HostLists, Domains: cfg.DomainLists, Addresses: cfg.AddressLists},
	}, exitOK
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// rehearsal is what variables hold where nothing runs: what -set says.
type rehearsal struct {
	values expand.Values
	start  expand.Start
}

func newRehearsal() *rehearsal { return &rehearsal{values: expand.Values{}} }

// set takes name=value.
func (r *rehearsal) set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("it is written name=value")
	}
	name = strings.TrimPrefix(name, "$")
	switch v, known := expand.VarNamed(name); {
	case known:
		r.values[v] = value
	case name == "value":
		r.start.Value = expand.FromNetwork(value)
	case len(name) == 1 && '0' <= name[0] && name[0] <= '9':
		r.start.Groups[name[0]-'0'] = expand.FromNetwork(value)
	default:
		return fmt.Errorf("there is no variable %q", name)
	}
	return nil
}

// complete sets what follows from something else, where -set did not.
func (r *rehearsal) complete(hostname string, now time.Time) {
	local, domain := "", r.values[expand.SenderAddress]
	if at := strings.LastIndexByte(domain, '@'); at >= 0 {
		local, domain = domain[:at], domain[at+1:]
	}
	for v, value := range map[expand.Var]string{
		expand.PrimaryHostname:        hostname,
		expand.VersionNumber:          version,
		expand.TodFull:                string(expand.AppendTodFull(nil, now)),
		expand.TodLog:                 string(expand.AppendTodLog(nil, now)),
		expand.SenderAddressLocalPart: local,
		expand.SenderAddressDomain:    domain,
	} {
		if _, given := r.values[v]; !given {
			r.values[v] = value
		}
	}
}

func (r *rehearsal) expand(s string, opts expand.Options) (expand.Value, error) {
	parsed, err := expand.Parse(s, opts)
	if err != nil {
		return expand.Value{}, err
	}
	return parsed.EvalFrom(r.values, &r.start)
}

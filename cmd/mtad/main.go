// Command mtad is an SMTP relay daemon. This file is its table of contents:
// one row and one file a subcommand.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"mtad/internal/config"
)

// Exit statuses (sysexits.h where it has one).
const (
	exitOK     = 0
	exitFailed = 1  // could not be done
	exitUsage  = 2  // wrong usage
	exitConfig = 78 // EX_CONFIG: the configuration is wrong
)

// command is one subcommand: results go to stdout, diagnostics to stderr.
type command struct {
	name string
	does string
	run  func(args []string, stdout, stderr io.Writer) int
}

func commands() []command {
	return []command{
		{"serve", "run the daemon in the foreground", runServe},
		{"check", "read and check the configuration; say all that is wrong", runCheck},
		{"queue", "look at and act on the queue of a running daemon", runQueue},
		{"explain", "say what would be done with mail for an address, and why", runExplain},
		{"drain", "end a running daemon as SIGTERM does", runDrain},
		{"reload", "let a running daemon take over its changed configuration", runReload},
		{"send", "a test client that submits mail", runSend},
		{"sink", "a test server that accepts and counts mail", runSink},
		{"expand", "expand strings as the daemon would", runExpand},
		{"user", "make and list the users of AUTH", runUser},
		{"cert", "make a self-signed certificate and its key", runCert},
		{"version", "print the version", runVersion},
	}
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run finds the subcommand. Options in front of it (-config F) go to it.
func run(args []string, stdout, stderr io.Writer) int {
	var before []string
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		switch args[0] {
		case "-h", "-help", "--help":
			usage(stdout)
			return exitOK
		case "-config", "--config":
			if len(args) < 2 {
				fmt.Fprintln(stderr, "mtad: -config needs a file name")
				return exitUsage
			}
			before, args = append(before, args[:2]...), args[2:]
		default:
			before, args = append(before, args[0]), args[1:]
		}
	}
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	if args[0] == "help" {
		usage(stdout)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(append(before, args[1:]...), stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "mtad: there is no command %q\n", args[0])
	usage(stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "mtad takes mail in over SMTP, keeps it safe, and passes it on.\n\nusage: mtad COMMAND [options]; mtad COMMAND -h says more\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "    %-8s %s\n", c.name, c.does)
	}
}

// flags makes a flag set that reports as Go programs do; parse runs it.
func flags(name, synopsis string, stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet("mtad "+name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: mtad %s %s\n", name, synopsis)
		fs.PrintDefaults()
	}
	return fs
}

// parse returns done=true with an exit status where the command ends here: -h
// (printed on stdout, 0) or wrong usage (2).
func parse(fs *flag.FlagSet, args []string, stdout io.Writer) (status int, done bool) {
	for _, a := range args {
		if a == "-h" || a == "-help" || a == "--help" {
			fs.SetOutput(stdout)
		}
	}
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK, true
	case err != nil:
		return exitUsage, true
	}
	return exitOK, false
}

// configFlag adds -config with its default.
func configFlag(fs *flag.FlagSet) *string {
	return fs.String("config", "config.toml", "the configuration `file`")
}

// load reads the configuration, or prints all that is wrong with it.
func load(file string, stderr io.Writer) (*config.Config, int) {
	cfg, err := read(file)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return nil, exitConfig
	}
	return cfg, exitOK
}

// read reads and checks the configuration; the error is a *config.Errors.
func read(file string) (*config.Config, error) {
	cfg, err := config.Load(file)
	if err == nil {
		err = checkUsers(cfg)
	}
	return cfg, err
}

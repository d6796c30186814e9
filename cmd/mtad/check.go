package main

import (
	"fmt"
	"io"
)

// runCheck reads and checks the configuration as serve would.
func runCheck(args []string, stdout, stderr io.Writer) int {
	fs := flags("check", "[-config FILE]", stderr)
	file := configFlag(fs)
	if status, done := parse(fs, args, stdout); done {
		return status
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(stderr, "mtad check: unexpected argument %q\n", fs.Arg(0))
		return exitUsage
	}
	cfg, status := load(*file, stderr)
	if status != exitOK {
		return status
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(stderr, "warning: "+w)
	}
	fmt.Fprintf(stdout, "%s: ok\n", cfg.File)
	return exitOK
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"mtad/internal/admin"
)

// runDrain ends a running daemon as TERM does.
func runDrain(args []string, stdout, stderr io.Writer) int {
	return tellDaemon("drain", (*admin.Client).Drain, args, stdout, stderr)
}

// runReload lets a running daemon do what HUP does, and says how that ended.
func runReload(args []string, stdout, stderr io.Writer) int {
	return tellDaemon("reload", (*admin.Client).Reload, args, stdout, stderr)
}

func tellDaemon(name string, tell func(*admin.Client, context.Context) (string, error), args []string, stdout, stderr io.Writer) int {
	fs := flags(name, "[-config FILE]", stderr)
	file := configFlag(fs)
	if status, done := parse(fs, args, stdout); done {
		return status
	}
	client, status := newClient(*file, stderr)
	if client == nil {
		return status
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	outcome, err := tell(client, ctx)
	if wrong := (admin.WrongConfig{}); errors.As(err, &wrong) {
		fmt.Fprintln(stderr, strings.Join(wrong.Mistakes, "\n"))
		fmt.Fprintf(stderr, "mtad %s: %v\n", name, err)
		return exitConfig
	}
	if err != nil {
		fmt.Fprintf(stderr, "mtad %s: %v\n", name, err)
		return exitFailed
	}
	fmt.Fprintln(stdout, outcome)
	return exitOK
}

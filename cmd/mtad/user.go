package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"mtad/internal/auth"
	"mtad/internal/config"
)

// runUser is `mtad user`: the entries of a server_users file. A secret comes
// from standard input and goes nowhere but, hashed, into the file.
func runUser(args []string, stdout, stderr io.Writer) int {
	return userCommand(args, os.Stdin, stdout, stderr)
}

const userSynopsis = `add [-plain] FILE NAME | list FILE | remove FILE NAME    (the secret is read from standard input)`

func userCommand(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	f := flags("user", userSynopsis, stderr)
	plain := f.Bool("plain", false, "add: keep the secret itself too, which cram_md5 needs; who reads the file has it then")
	verb := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	if status, done := parse(f, args, stdout); done {
		return status
	}
	wants := map[string]int{"add": 2, "list": 1, "remove": 2}
	if wants[verb] == 0 || f.NArg() != wants[verb] || *plain && verb != "add" {
		f.Usage()
		return exitUsage
	}
	var err error
	switch file, name := f.Arg(0), f.Arg(1); verb {
	case "add":
		err = addUser(file, name, *plain, stdin, stderr)
	case "list":
		err = listUsers(file, stdout)
	case "remove":
		err = auth.RemoveUser(file, name)
	}
	if err != nil {
		fmt.Fprintf(stderr, "mtad user: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// checkUsers reads every server_users file of a configuration.
func checkUsers(cfg *config.Config) error {
	var faults []config.Mistake
	for i, a := range cfg.Authenticators {
		if a.ServerUsers == "" {
			continue
		}
		if _, err := auth.OpenUsers(a.ServerUsers, nil); err != nil {
			faults = append(faults, cfg.Mistake([]string{"authenticator", strconv.Itoa(i), "server_users"}, "%v", err))
		}
	}
	if faults == nil {
		return nil
	}
	return &config.Errors{Mistakes: faults}
}

func addUser(file, name string, plain bool, stdin *os.File, stderr io.Writer) error {
	secret, err := readSecret(stdin, stderr)
	if err != nil {
		return err
	}
	return auth.AddUser(file, name, secret, plain)
}

func listUsers(file string, stdout io.Writer) error {
	users, err := auth.ListUsers(file)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, u := range users {
		var has []string
		for _, kind := range []struct {
			name string
			is   bool
		}{{"hash", u.Hash}, {"scram", u.Scram}, {"plain", u.Plain}} {
			if kind.is {
				has = append(has, kind.name)
			}
		}
		fmt.Fprintf(w, "%s\t%s\n", u.Name, strings.Join(has, " "))
	}
	return w.Flush()
}

// readSecret takes one line: from a terminal twice, and unseen.
func readSecret(in *os.File, prompts io.Writer) (string, error) {
	restore, isTerminal, err := hideTyping(in)
	if err != nil {
		return "", err
	}
	lines := bufio.NewReader(io.LimitReader(in, 4096))
	if !isTerminal {
		return secretLine(lines)
	}
	defer restore()
	fmt.Fprint(prompts, "Secret: ")
	first, err := secretLine(lines)
	fmt.Fprint(prompts, "\nAgain: ")
	if err != nil {
		return "", err
	}
	second, err := secretLine(lines)
	fmt.Fprintln(prompts)
	if err == nil && first != second {
		err = errors.New("the two are not the same; nothing was written")
	}
	return first, err
}

func secretLine(lines *bufio.Reader) (string, error) {
	line, err := lines.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("cannot read the secret: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("the secret is empty; nothing was written")
	}
	return line, nil
}

// hideTyping turns the echo of a terminal off until restore, also where ^C
// comes in between.
func hideTyping(in *os.File) (restore func(), isTerminal bool, err error) {
	fd := int(in.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, false, nil
	}
	hidden := *old
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &hidden); err != nil {
		return nil, true, fmt.Errorf("cannot turn the echo of the terminal off: %w; a pipe does without", err)
	}
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt, unix.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-interrupt:
			unix.IoctlSetTermios(fd, unix.TCSETS, old)
			os.Exit(exitFailed)
		case <-done:
		}
	}()
	return func() {
		signal.Stop(interrupt)
		close(done)
		unix.IoctlSetTermios(fd, unix.TCSETS, old)
	}, true, nil
}

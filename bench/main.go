// Command bench measures mtad, and Postfix beside it on the same machine in
// the same run. `make bench` runs all of it; `go run ./bench -write` puts the
// table into docs/performance.md; -run picks scenarios, -scale makes them
// shorter or longer.
//
// Everything is on loopback and on one disk. CPU is that of the relay alone,
// all its processes and all that have ended, not of load and sink, which share
// the machine's cores with it.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"

	"mtad/test/interop/peer"
)

func main() {
	pattern := flag.String("run", ".", "run the scenarios that match this regular `expression`")
	scale := flag.Float64("scale", 1, "multiply the number of messages")
	postfix := flag.Bool("postfix", true, "measure Postfix beside mtad (as root)")
	mtad := flag.Bool("mtad", true, "measure mtad")
	write := flag.Bool("write", false, "write the table into docs/performance.md")
	list := flag.Bool("list", false, "list the scenarios")
	serve := flag.Bool("serve-handshakes", false, "be the other side of handover, until standard input ends; bench starts it itself")
	bare := flag.String(bareFlag, "", "be the server that handshakes are measured against, at this `address`")
	key := flag.String("key", "", "`file` with the bare server's key and certificate")
	groups := flag.String("groups", "", "the bare server's key exchange groups")
	flag.Parse()
	if *serve {
		if err := serveHandshakes(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *bare != "" {
		fmt.Fprintln(os.Stderr, "bench:", bareServer(*bare, *key, *groups))
		os.Exit(1)
	}
	re, err := regexp.Compile(*pattern)
	if err != nil || flag.NArg() > 0 || *scale <= 0 {
		fmt.Fprintln(os.Stderr, "bench: wrong usage:", err, flag.Args())
		os.Exit(2)
	}
	if *list {
		for _, s := range scenarios {
			fmt.Println(s.name)
		}
		for _, s := range ownScenarios {
			fmt.Println(s.name)
		}
		return
	}
	if err := bench(re, *scale, *mtad, *postfix, *write); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// ownScenarios measure what mtad holds, and what a part of its work costs; they print
// lines of their own.
var ownScenarios = []struct {
	name string
	n    int
	run  func(dir, bin string, n int) error
}{
	{"million/ready", million, startReady},
	{"million/deferred", million, startDeferred},
	{"million/dead-domain", million, besideDeadDomain},
	{"idle/clear", idleSessions, idleClear},
	{"idle/tls1.2", idleSessions, idleTLS12},
	{"idle/tls1.3", idleSessions, idleTLS13},
	{"idle/tls1.3-after-1M", idleSessions, idleAfterMessage},
	{"handover", handovers, handoverCost},
	{"handshake", 3600, handshakeCosts},
	{"auth-handover", authHandovers, authHandover},
}

func bench(re *regexp.Regexp, scale float64, mtad, postfix, write bool) error {
	dir, err := peer.TempDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var bin string
	if mtad {
		if bin, err = peer.BuildMtad(dir, ""); err != nil {
			return err
		}
	}
	for _, s := range ownScenarios {
		if mtad && re.MatchString(s.name) {
			fmt.Fprintf(os.Stderr, "%s %-24s mtad …\n", time.Now().Format(time.TimeOnly), s.name)
			if err := s.run(dir, bin, max(1, int(float64(s.n)*scale))); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			fmt.Println()
		}
	}
	var results []result
	for _, s := range scenarios {
		if !re.MatchString(s.name) {
			continue
		}
		s.messages = max(s.sessions, int(float64(s.messages)*scale))
		for _, which := range s.relays() {
			if isPostfix(which) && !postfix || !isPostfix(which) && !mtad {
				continue
			}
			fmt.Fprintf(os.Stderr, "%s %-24s %s …\n", time.Now().Format(time.TimeOnly), s.name, which)
			r, err := s.measure(dir, bin, which)
			if err != nil {
				return fmt.Errorf("%s through %s: %w", s.name, which, err)
			}
			results = append(results, r)
			fmt.Fprintln(os.Stderr, "   "+r.row(results))
		}
	}
	return publish(results, write)
}

// publish prints the tables, and puts each that was measured into its place.
func publish(results []result, write bool) error {
	for _, sec := range sections {
		text := report(sec.of(results))
		fmt.Print(text)
		if write && text != "" {
			if err := writeSection("docs/performance.md", sec, text); err != nil {
				return err
			}
		}
	}
	return nil
}

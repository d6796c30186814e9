package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"mtad/internal/admin"
)

const queueUsage = `usage: mtad queue [-config FILE] list [-json] [-max N]
       mtad queue [-config FILE] show [-json] ID...
       mtad queue [-config FILE] retry|freeze|thaw|remove ID...
       mtad queue [-config FILE] hosts [-json]
       mtad queue [-config FILE] forget-host HOST...

list    the messages in the queue, oldest first: age, size, id, sender, what it waits for; then its recipients (D: done, F: failed)
show    all that is known of messages
retry   try them now, whatever the retry rules say
freeze  try them no more until they are thawed
remove  discard what is not delivered yet; nobody is told
hosts   what is known of the hosts that mail is sent to
forget-host  end what is remembered of a host (its name, address, or address and port): that it does not go on after TLS was shut down
`

// runQueue looks at and acts on the queue of a running daemon. -config may stand
// before or behind the verb.
func runQueue(args []string, stdout, stderr io.Writer) int {
	fs := flags("queue", "", stderr)
	fs.Usage = func() { fmt.Fprint(fs.Output(), queueUsage) }
	file := configFlag(fs)
	asJSON := fs.Bool("json", false, "JSON, one object a line")
	max := fs.Int("max", 0, "list at most `N` messages; 0 is all")
	if status, done := parse(fs, args, stdout); done {
		return status
	}
	if fs.NArg() == 0 {
		fmt.Fprint(stderr, queueUsage)
		return exitUsage
	}
	verb := fs.Arg(0)
	if status, done := parse(fs, fs.Args()[1:], stdout); done {
		return status
	}
	ids := fs.Args()
	act, isAct := admin.Verb(verb), false
	for _, v := range admin.Verbs {
		isAct = isAct || v == act
	}
	switch {
	case verb == "hosts" || verb == "forget-host":
		return queueHosts(*file, verb, ids, *asJSON, stdout, stderr)
	case !isAct && verb != "list" && verb != "show":
		fmt.Fprintf(stderr, "mtad queue: there is no verb %q\n%s", verb, queueUsage)
		return exitUsage
	case verb == "list" && len(ids) > 0, verb != "list" && len(ids) == 0:
		fmt.Fprintf(stderr, "mtad queue %s: %s\n", verb, map[bool]string{true: "takes no message ids", false: "which messages? name their ids"}[verb == "list"])
		return exitUsage
	}
	client, status := newClient(*file, stderr)
	if client == nil {
		return status
	}
	var err error
	switch {
	case verb == "list":
		err = queueList(client, *max, *asJSON, stdout)
	case verb == "show":
		err = queueShow(client, ids, *asJSON, stdout)
	default:
		err = queueAct(client, act, ids, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "mtad queue: "+err.Error())
		return exitFailed
	}
	return exitOK
}

// newClient finds the daemon by the configuration; nil with an exit status where it cannot.
func newClient(file string, stderr io.Writer) (*admin.Client, int) {
	cfg, status := load(file, stderr)
	if status != exitOK {
		return nil, status
	}
	client, err := admin.NewClient(cfg.Admin)
	if err != nil {
		fmt.Fprintln(stderr, "mtad: "+err.Error())
		return nil, exitFailed
	}
	return client, exitOK
}

// askTimeout bounds one request to the daemon.
const askTimeout = 30 * time.Second

func queueList(client *admin.Client, max int, asJSON bool, stdout io.Writer) error {
	const page = 500
	from, listed := uint64(0), 0
	for {
		n := page
		if max > 0 {
			n = min(n, max-listed)
		}
		ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
		p, err := client.List(ctx, from, n)
		cancel()
		if err != nil {
			return err
		}
		for i := range p.Messages {
			printMessage(stdout, &p.Messages[i], asJSON, false)
		}
		listed += len(p.Messages)
		if from = p.Next; from == 0 || (max > 0 && listed >= max) {
			return nil
		}
	}
}

func queueShow(client *admin.Client, ids []string, asJSON bool, stdout io.Writer) error {
	for _, id := range ids {
		ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
		m, err := client.Show(ctx, id)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		printMessage(stdout, &m, asJSON, true)
	}
	return nil
}

func queueAct(client *admin.Client, verb admin.Verb, ids []string, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	r, err := client.Act(ctx, verb, ids...)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: %d of %d done\n", verb, r.Done, len(ids))
	for _, id := range ids {
		if why, failed := r.Failed[id]; failed {
			fmt.Fprintf(stdout, "%s: %s\n", id, why)
		}
	}
	if len(r.Failed) > 0 {
		return fmt.Errorf("%d messages were left as they are", len(r.Failed))
	}
	return nil
}

// printMessage prints one message as `exim -bp` does, with a line that says what
// it waits for; whole: with all that is known.
func printMessage(w io.Writer, m *admin.QueuedMessage, asJSON, whole bool) {
	if asJSON {
		json.NewEncoder(w).Encode(m)
		return
	}
	frozen := ""
	if m.State == "frozen" {
		frozen = " *** frozen ***"
	}
	fmt.Fprintf(w, "%4s %5s %s <%s>%s\n", shortAge(time.Since(m.Received)), shortSize(m.Size), m.ID, m.Sender, frozen)
	if m.Why != "" {
		fmt.Fprintf(w, "          %s\n", why(m))
	}
	if whole {
		fmt.Fprintf(w, "          received %s from %s (%s) with %s\n", m.Received.Local().Format(time.DateTime), m.Client, m.Helo, m.Protocol)
	}
	for _, r := range m.Recipients {
		mark := " "
		switch r.State {
		case "delivered", "discarded", "bounced":
			mark = "D"
		case "failed":
			mark = "F"
		}
		fmt.Fprintf(w, "        %s %s\n", mark, r.Address)
		if whole && r.LastTry != nil {
			fmt.Fprintf(w, "            %s: %d attempts, last %s: %s\n", r.State, r.Attempts, r.LastTry.Local().Format(time.DateTime), r.LastError)
		}
	}
	fmt.Fprintln(w)
}

// why says what a message waits for: until when, and what its last attempt met.
func why(m *admin.QueuedMessage) string {
	text := m.Why
	if m.Due != nil {
		text += ", next attempt " + m.Due.Local().Format(time.DateTime)
	}
	for _, r := range m.Recipients {
		if r.State == "pending" && r.LastError != "" && !strings.Contains(text, r.LastError) {
			return text + "; last: " + r.LastError
		}
	}
	return text
}

// shortAge is an age as exim -bp prints it: 5m, 3h, 2d.
func shortAge(d time.Duration) string {
	switch {
	case d < 0:
		return "0m"
	case d < 90*time.Minute:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 72*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// shortSize is a size as exim -bp prints it: 512, 2.9K, 1.2M.
func shortSize(n int64) string {
	switch {
	case n < 1024:
		return fmt.Sprint(n)
	case n < 1<<20:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1024), ".0") + "K"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/(1<<20)), ".0") + "M"
}

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
	if err != nil {
		fmt.Fprintf(stderr, "mtad %s: %v\n", name, err)
		return exitFailed
	}
	fmt.Fprintln(stdout, outcome)
	return exitOK
}

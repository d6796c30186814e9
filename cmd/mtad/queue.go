package main

import (
	"context"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strings"
	"time"

	"mtad/internal/admin"
	"mtad/internal/config"
	"mtad/internal/selector"
	"mtad/internal/spell"
)

const queueUsage = `usage: mtad queue [-config FILE] VERB [options] [SELECTOR]

    list     messages, oldest first: age, size, id, sender, what it waits for; then its recipients (D: done, F: failed)
    show     all that is known of messages
    summary  how many wait, by domain (or -by host, error, state, sender, client, user), and why the oldest does
    lanes    what waits for the same hosts, and why
    hosts    what is known of the hosts that mail is sent to
    forget-host HOST...   end what is remembered of a host: that it does not go on after TLS was shut down

    retry    try messages now, whatever the retry rules say
    freeze   try them no more until they are thawed
    thaw     try frozen messages again
    remove   discard the recipients that are meant; nobody is told
    bounce   give them up: the sender is told, with the -reason
    reroute  send them to -router NAME, whatever its domains say, or to -hosts LIST; -undo: where the routers say

    suspend  all | domain=PATTERN | site=PATTERN     begin nothing new for them, -for a time or until they are resumed
    resume   all | domain=PATTERN | site=PATTERN     end that
    suspensions           what is suspended

A selector is message ids, or terms that must all hold, or "all":

    domain=*.example age>2h state=deferred error~"timed out"

    sender, recipient, domain    = a pattern (* any text, ? one character; several behind commas), ~ a text in it, != and !~ the reverse
    host, site, router           a next hop by name, address or network; the [[site]] or the names of all next hops; the router
    client, user, error          who brought it; who was authenticated; the last error
    state                        ready, active, deferred, frozen
    age, size, attempts          > >= < <= =, as 2h, 50K, 3

A message is meant where one of its open recipients fulfils all terms; remove, bounce and reroute act on those recipients alone,
the other verbs on the message. What acts says first how many are meant; on a terminal it asks before it goes on, unless ids were named.

`

// queueVerb is one row of what the command can do.
type queueVerb struct {
	name   string
	takes  words
	run    func(*queueCommand) error
	forAct admin.Verb
}

// words is what stands behind a verb.
type words uint8

const (
	nothing  words = iota
	perhaps        // a selector, or nothing for all
	selected       // a selector
	scope          // all, domain=, site=
	names          // hosts
)

var queueVerbs = []queueVerb{
	{name: "list", takes: perhaps, run: (*queueCommand).list},
	{name: "show", takes: selected, run: (*queueCommand).show},
	{name: "summary", takes: perhaps, run: (*queueCommand).summary},
	{name: "lanes", run: (*queueCommand).lanes},
	{name: "hosts", run: (*queueCommand).hosts},
	{name: "forget-host", takes: names, run: (*queueCommand).forgetHosts},
	{name: "retry", takes: selected, run: (*queueCommand).act, forAct: admin.Retry},
	{name: "freeze", takes: selected, run: (*queueCommand).act, forAct: admin.Freeze},
	{name: "thaw", takes: selected, run: (*queueCommand).act, forAct: admin.Thaw},
	{name: "remove", takes: selected, run: (*queueCommand).act, forAct: admin.Remove},
	{name: "bounce", takes: selected, run: (*queueCommand).act, forAct: admin.Bounce},
	{name: "reroute", takes: selected, run: (*queueCommand).act, forAct: admin.Reroute},
	{name: "suspend", takes: scope, run: (*queueCommand).suspend},
	{name: "resume", takes: scope, run: (*queueCommand).resume},
	{name: "suspensions", run: (*queueCommand).suspensions},
}

// queueCommand is one run of mtad queue.
type queueCommand struct {
	// From the command line.
	verb   *queueVerb
	words  []string
	chosen *selector.Selector // where the verb takes one; nil: all
	config string
	json   bool
	max    int
	by     string
	dryRun bool
	yes    bool
	reason string
	until  string // -for
	// Of reroute, one.
	toRouter string
	toHosts  string
	undo     bool

	client         *admin.Client
	stdout, stderr io.Writer
}

// runQueue looks at and acts on the queue of a running daemon. Options may stand
// before the verb, behind it, or behind the selector.
func runQueue(args []string, stdout, stderr io.Writer) int {
	q := &queueCommand{stdout: stdout, stderr: stderr}
	if status, done := q.parse(args); done {
		return status
	}
	var status int
	if q.client, status = newClient(q.config, stderr); q.client == nil {
		return status
	}
	if u, err := user.Current(); err == nil {
		q.client.User = u.Username
	}
	if err := q.verb.run(q); err != nil {
		fmt.Fprintln(stderr, "mtad queue: "+err.Error())
		return exitFailed
	}
	return exitOK
}

// parse reads the command line; done where the command ends here.
func (q *queueCommand) parse(args []string) (status int, done bool) {
	fs := flags("queue", "", q.stderr)
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), queueUsage+"options:\n")
		fs.PrintDefaults()
	}
	fs.StringVar(&q.config, "config", "config.toml", "the configuration `file`")
	fs.BoolVar(&q.json, "json", false, "JSON, one object a line")
	fs.IntVar(&q.max, "max", 0, "list, show: at most `N` messages; summary: lines; 0 is all")
	fs.StringVar(&q.by, "by", "domain", "summary: by "+strings.Join(admin.Groupings(), ", "))
	fs.BoolVar(&q.dryRun, "dry-run", false, "only say how many are meant")
	fs.BoolVar(&q.yes, "yes", false, "do not ask")
	fs.StringVar(&q.reason, "reason", "", "why: `text` for the log; of a bounce, for the sender too")
	fs.StringVar(&q.until, "for", "", "suspend: how long, as 30m, 2h, 1d; left out: until it is resumed")
	fs.StringVar(&q.toRouter, "router", "", "reroute: to the hosts of this router, by its transport")
	fs.StringVar(&q.toHosts, "hosts", "", "reroute: to these `hosts`, tried in this order: mx1.example:26,192.0.2.9,mx:example.com")
	fs.BoolVar(&q.undo, "undo", false, "reroute: to where the routers say")
	for rest := args; ; {
		if status, done := parse(fs, rest, q.stdout); done {
			return status, true
		}
		if rest = fs.Args(); len(rest) == 0 {
			break
		}
		q.words, rest = append(q.words, rest[0]), rest[1:]
		if len(rest) == 0 {
			break
		}
	}
	return q.check()
}

// check finds the verb and reads what stands behind it.
func (q *queueCommand) check() (status int, done bool) {
	if len(q.words) == 0 {
		fmt.Fprint(q.stderr, queueUsage)
		return exitUsage, true
	}
	verb := q.words[0]
	q.words = q.words[1:]
	i := slices.IndexFunc(queueVerbs, func(v queueVerb) bool { return v.name == verb })
	if i < 0 {
		hint := ""
		if near := spell.Nearest(verb, verbNames()); near != "" {
			hint = fmt.Sprintf(" (did you mean %q?)", near)
		}
		fmt.Fprintf(q.stderr, "mtad queue: there is no verb %q%s; mtad queue -h lists them\n", verb, hint)
		return exitUsage, true
	}
	q.verb = &queueVerbs[i]
	if err := q.checkWords(); err != nil {
		fmt.Fprintf(q.stderr, "mtad queue %s: %v\n", verb, err)
		return exitUsage, true
	}
	return exitOK, false
}

func verbNames() (names []string) {
	for _, v := range queueVerbs {
		names = append(names, v.name)
	}
	return names
}

func (q *queueCommand) checkWords() (err error) {
	switch n := len(q.words); {
	case q.verb.takes == nothing && n > 0:
		return fmt.Errorf("takes nothing behind it, not %q", q.words[0])
	case q.verb.takes == names && n == 0:
		return fmt.Errorf("which host? its name, its address, or address and port")
	case q.verb.takes == scope && n != 1:
		return fmt.Errorf("of what? all, domain=PATTERN or site=PATTERN")
	case q.verb.takes == selected || q.verb.takes == perhaps && n > 0:
		q.chosen, err = selector.ParseWords(q.words)
	}
	if err == nil {
		err = q.checkTarget()
	}
	return err
}

// checkTarget wants exactly one place to go from a reroute, and none from the others.
func (q *queueCommand) checkTarget() error {
	given := 0
	for _, said := range []bool{q.toRouter != "", q.toHosts != "", q.undo} {
		if said {
			given++
		}
	}
	switch reroute := q.verb.forAct == admin.Reroute; {
	case reroute && given != 1:
		return fmt.Errorf("where to? one of -router NAME, -hosts LIST, -undo")
	case !reroute && given > 0:
		return fmt.Errorf("-router, -hosts and -undo are for reroute")
	}
	return nil
}

// target is where a reroute sends messages, in the words of the API.
func (q *queueCommand) target() string {
	switch {
	case q.toRouter != "":
		return "router=" + q.toRouter
	case q.toHosts != "":
		return "hosts=" + q.toHosts
	case q.undo:
		return admin.BackToRouters
	}
	return ""
}

// text is the selector for the daemon; "" is all.
func (q *queueCommand) text() string {
	if q.chosen == nil {
		return ""
	}
	return q.chosen.String()
}

// newClient finds the daemon by the configuration; nil with an exit status where it cannot.
func newClient(file string, stderr io.Writer) (*admin.Client, int) {
	found, err := config.FindAdmin(file)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return nil, exitConfig
	}
	client, err := admin.NewClient(found)
	if err != nil {
		fmt.Fprintln(stderr, "mtad: "+err.Error())
		return nil, exitFailed
	}
	return client, exitOK
}

// askTimeout bounds one request to the daemon.
const askTimeout = 30 * time.Second

func asking() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), askTimeout)
}

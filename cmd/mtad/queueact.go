package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mtad/internal/admin"
)

// actSlice is how many messages the daemon looks at for one request: between two of
// them progress is shown, and the command can be broken off.
const actSlice = 20_000

// act counts what is meant, asks where somebody can answer, and does it.
func (q *queueCommand) act() error {
	if len(q.chosen.IDs()) == 0 || q.dryRun {
		count, err := q.order(true, "looked at")
		if err != nil {
			return err
		}
		q.tellCount(count)
		if q.dryRun || count.Matched == 0 {
			return nil
		}
		if !q.agreed(count) {
			return fmt.Errorf("nothing was done")
		}
	}
	r, err := q.order(false, "done")
	if err != nil {
		return fmt.Errorf("%w (%d messages were done before)", err, r.Done)
	}
	if q.json {
		json.NewEncoder(q.stdout).Encode(r)
	} else {
		fmt.Fprintf(q.stdout, "%s: %d of %d done\n", q.verb.name, r.Done, r.Matched+len(r.Failed))
		for _, id := range slices.Sorted(maps.Keys(r.Failed)) {
			fmt.Fprintf(q.stdout, "%s: %s\n", id, r.Failed[id])
		}
	}
	if len(r.Failed) > 0 {
		return fmt.Errorf("%d messages were left as they are", len(r.Failed))
	}
	return nil
}

func (q *queueCommand) tellCount(r admin.Result) {
	if q.json {
		if q.dryRun {
			json.NewEncoder(q.stdout).Encode(r)
		}
		return
	}
	fmt.Fprintf(q.stdout, "%s: %d messages, %d recipients are meant by %s\n", q.verb.name, r.Matched, r.Recipients, q.text())
}

// agreed asks where a person sits in front of it.
func (q *queueCommand) agreed(r admin.Result) bool {
	if q.yes || !terminal(os.Stdin) || !terminal(os.Stderr) {
		return true
	}
	fmt.Fprintf(os.Stderr, "%s %d messages? [y/N] ", q.verb.name, r.Matched)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// order sends an order part by part, and adds up what became of it.
func (q *queueCommand) order(dry bool, done string) (sum admin.Result, err error) {
	sum.Failed = map[string]string{}
	shown := orderProgress{w: q.stderr, last: time.Now()}
	defer shown.end()
	req := admin.Request{Select: q.text(), DryRun: dry, Reason: q.reason, To: q.target(), Max: actSlice}
	for {
		ctx, cancel := asking()
		r, err := q.client.Act(ctx, q.verb.forAct, req)
		cancel()
		if err != nil {
			return sum, err
		}
		sum.Matched += r.Matched
		sum.Recipients += r.Recipients
		sum.Done += r.Done
		sum.Examined += r.Examined
		maps.Copy(sum.Failed, r.Failed)
		if req.From = r.Next; req.From == 0 {
			return sum, nil
		}
		shown.tell("%d messages looked at, %d %s", sum.Examined, max(sum.Done, sum.Matched), map[bool]string{true: "meant", false: done}[dry])
	}
}

// orderProgress is a line on standard error, once a second of long work.
type orderProgress struct {
	w    io.Writer
	last time.Time
	some bool
}

func (p *orderProgress) tell(format string, args ...any) {
	if time.Since(p.last) < time.Second {
		return
	}
	p.last, p.some = time.Now(), true
	if terminal(os.Stderr) {
		fmt.Fprintf(p.w, "\r"+format+" ", args...)
	} else {
		fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *orderProgress) end() {
	if p.some && terminal(os.Stderr) {
		fmt.Fprintln(p.w)
	}
}

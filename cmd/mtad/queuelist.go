package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mtad/internal/admin"
)

// What the commands show of the queue.

// list prints the messages that are meant, as they come: a page at a time.
func (q *queueCommand) list() error {
	for from, listed := uint64(0), 0; ; {
		ctx, cancel := asking()
		p, err := q.client.List(ctx, q.text(), from, q.page(listed, 500))
		cancel()
		if err != nil {
			return err
		}
		for i := range p.Messages {
			printMessage(q.stdout, &p.Messages[i], q.json, false)
		}
		listed += len(p.Messages)
		if from = p.Next; from == 0 || q.full(listed) {
			return nil
		}
	}
}

// page is how many messages to ask for after n of them, so that -max is kept.
func (q *queueCommand) page(n, most int) int {
	if q.max > 0 {
		return min(most, q.max-n)
	}
	return most
}

func (q *queueCommand) full(n int) bool { return q.max > 0 && n >= q.max }

// show prints all that is known of messages.
func (q *queueCommand) show() error {
	shown := 0
	for from := uint64(0); ; {
		ctx, cancel := asking()
		p, err := q.client.List(ctx, q.text(), from, q.page(shown, 100))
		cancel()
		if err != nil {
			return err
		}
		for i := range p.Messages {
			printMessage(q.stdout, &p.Messages[i], q.json, true)
		}
		shown += len(p.Messages)
		if from = p.Next; from == 0 || q.full(shown) {
			break
		}
	}
	if ids := len(q.chosen.IDs()); (shown < ids || shown == 0) && !q.full(shown) {
		return fmt.Errorf("%d of %d: there is no such message in the queue", max(ids, 1)-shown, max(ids, 1))
	}
	return nil
}

// summary prints how many wait by what they have in common, the largest first.
func (q *queueCommand) summary() error {
	groups := map[string]*admin.Group{}
	for from := uint64(0); ; {
		ctx, cancel := asking()
		p, err := q.client.Summary(ctx, q.by, q.text(), from)
		cancel()
		if err != nil {
			return err
		}
		for _, g := range p.Groups {
			if have := groups[g.Key]; have != nil {
				have.Merge(g)
			} else {
				groups[g.Key] = &g
			}
		}
		if from = p.Next; from == 0 {
			break
		}
	}
	all := make([]*admin.Group, 0, len(groups))
	for _, g := range groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *admin.Group) int {
		return cmp.Or(cmp.Compare(b.Recipients, a.Recipients), strings.Compare(a.Key, b.Key))
	})
	if q.max > 0 {
		all = all[:min(len(all), q.max)]
	}
	q.printGroups(all)
	return nil
}

func (q *queueCommand) printGroups(all []*admin.Group) {
	if !q.json && len(all) > 0 {
		fmt.Fprintf(q.stdout, "%8s %10s %6s %6s  %s\n", "messages", "recipients", "volume", "oldest", q.by)
	}
	for _, g := range all {
		if q.json {
			json.NewEncoder(q.stdout).Encode(g)
			continue
		}
		fmt.Fprintf(q.stdout, "%8d %10d %6s %6s  %s\n", g.Messages, g.Recipients, shortSize(g.Bytes), shortAge(time.Since(g.Oldest)), cmp.Or(g.Key, "-"))
		why := g.Why
		if g.LastError != "" && g.LastError != g.Key && !strings.Contains(why, g.LastError) {
			why += "; last: " + g.LastError
		}
		fmt.Fprintf(q.stdout, "%34s%s\n", "", why)
	}
}

// ofSite is what stands behind a next hop that has a site.
func ofSite(name string) string {
	if name == "" {
		return ""
	}
	return ", site " + name
}

// lanes prints what waits for the same hosts, and why.
func (q *queueCommand) lanes() error {
	for after := ""; ; {
		ctx, cancel := asking()
		p, err := q.client.Lanes(ctx, after)
		cancel()
		if err != nil {
			return err
		}
		for _, l := range p.Lanes {
			if q.json {
				json.NewEncoder(q.stdout).Encode(l)
				continue
			}
			fmt.Fprintf(q.stdout, "%s messages %d, ready %d, connections %d%s: %s", l.Lane, l.Messages, l.Ready, l.Connections, ofSite(l.Site), l.Why)
			if l.RetryAt != nil {
				fmt.Fprint(q.stdout, ", next attempt "+l.RetryAt.Local().Format(time.DateTime))
			}
			for _, more := range [][2]string{{"; by the rule ", l.Rule}, {"; last: ", l.Error}} {
				if more[1] != "" {
					fmt.Fprint(q.stdout, more[0]+more[1])
				}
			}
			fmt.Fprintln(q.stdout)
		}
		if after = p.Next; after == "" {
			return nil
		}
	}
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
	if whole && m.Rule != "" {
		fmt.Fprintf(w, "          by the retry rule: %s\n", m.Rule)
	}
	if whole && m.NextHop != "" {
		fmt.Fprintf(w, "          bound for %s\n", m.NextHop)
	}
	switch {
	case whole && m.Protocol == "local":
		fmt.Fprintf(w, "          written here %s, as a report to the sender of another message\n", m.Received.Local().Format(time.DateTime))
	case whole:
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
		if r.Route != "" {
			fmt.Fprintf(w, "            rerouted to %s\n", r.Route)
		}
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

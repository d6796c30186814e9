package crash

import (
	"cmp"
	"fmt"
	"slices"

	"mtad/internal/load"
)

// Verdict is what the ledgers say.
type Verdict struct {
	Kills                  int
	Acked, Nacked, Unknown int // messages
	Bounces                int
	Lost                   []string // acknowledged, neither delivered nor reported to the sender
	Invented               []string // delivered though refused, never sent, or to somebody else
	Torn                   []string // delivered with other bytes
	Malformed              []string // bounces that cannot be read
	Dup                    []string // delivered again though the first attempt was not open at a kill
	Unbalanced             []string // what the relay counts is not what the ledgers say
	Orphans                []string // files of messages though there are no messages
	OpenDup                int      // delivered again as allowed
	Waiting                int      // not delivered when time was up
	HandedOn               int      // connections that a kill cut in a hand-over
}

// Clean reports whether nothing is wrong.
func (v *Verdict) Clean() bool {
	return len(v.Malformed)+len(v.Lost)+len(v.Invented)+len(v.Torn)+len(v.Dup)+len(v.Unbalanced)+len(v.Orphans) == 0
}

func (v *Verdict) String() string {
	s := fmt.Sprintf("%d kills: %d acked, %d nacked, %d unknown, %d bounces; lost %d, invented %d, torn %d, dup %d (and %d that were open), unbalanced %d, orphans %d",
		v.Kills, v.Acked, v.Nacked, v.Unknown, v.Bounces, len(v.Lost), len(v.Invented), len(v.Torn), len(v.Dup), v.OpenDup, len(v.Unbalanced), len(v.Orphans))
	if v.HandedOn > 0 {
		s += fmt.Sprintf("; %d connections cut in a hand-over", v.HandedOn)
	}
	if v.Waiting > 0 {
		s += fmt.Sprintf(", %d not yet delivered", v.Waiting)
	}
	for _, list := range []struct {
		name string
		what []string
	}{{"LOST", v.Lost}, {"INVENTED", v.Invented}, {"TORN", v.Torn}, {"MALFORMED", v.Malformed}, {"DUP", v.Dup}, {"CONSERVATION", v.Unbalanced}, {"ORPHAN", v.Orphans}} {
		for _, w := range list.what[:min(len(list.what), 5)] {
			s += "\n" + list.name + " " + w
		}
	}
	return s
}

// judge is called when nothing is under way; otherwise what is missing is not lost.
func (b *book) judge(settled bool) *Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := &Verdict{}
	for _, how := range b.endings {
		if how == load.CutHandedOn {
			v.HandedOn++
		}
	}
	for _, s := range b.sent {
		v.count(s.fate)
	}
	b.eachMissing(func(d delivery) {
		if settled {
			v.Lost = append(v.Lost, d.id+" to "+d.rcpt)
		} else {
			v.Waiting++
		}
	})
	for d, receipts := range b.got {
		b.judgeDelivery(v, d, receipts)
	}
	b.judgeReports(v)
	return v
}

func (v *Verdict) count(f load.Fate) {
	switch f {
	case load.Acked:
		v.Acked++
	case load.Nacked:
		v.Nacked++
	default:
		v.Unknown++
	}
}

func (b *book) judgeDelivery(v *Verdict, d delivery, receipts []receipt) {
	name := d.id + " to " + d.rcpt
	s := b.sent[d.id]
	switch {
	case s == nil:
		v.Invented = append(v.Invented, name+": never sent")
		return
	case s.fate == load.Nacked:
		v.Invented = append(v.Invented, name+": refused")
	case !slices.Contains(s.intent.Rcpts, d.rcpt), s.fate == load.Acked && !slices.Contains(s.rcpts, d.rcpt):
		v.Invented = append(v.Invented, name+": not a recipient")
	}
	for _, r := range receipts {
		if r.sha != s.intent.SHA {
			v.Torn = append(v.Torn, name)
		}
	}
	b.judgeCopies(v, name, receipts)
}

// judgeCopies judges that something came more than once.
func (b *book) judgeCopies(v *Verdict, name string, receipts []receipt) {
	slices.SortFunc(receipts, func(x, y receipt) int {
		return cmp.Or(cmp.Compare(x.conn, y.conn), cmp.Compare(x.message, y.message))
	})
	for i, r := range receipts[:len(receipts)-1] { // the last attempt is the one that counts
		if again := receipts[i+1]; b.open(r, again) {
			v.OpenDup++
		} else {
			v.Dup = append(v.Dup, fmt.Sprintf("%s: on connections %d and %d", name, r.conn, again.conn))
		}
	}
}

// open reports whether an attempt may have been unrecorded when a kill struck:
// the relay records each delivery before the next message goes out on that
// connection, so only the last one of a connection that was cut can be; and none
// that was followed by a time when all was recorded.
func (b *book) open(r, again receipt) bool {
	rested := slices.ContainsFunc(b.settled, func(count int) bool { return r.message <= count && count < again.message })
	return !rested && b.endings[r.conn] != load.Quit && b.last[r.conn] == r.message
}

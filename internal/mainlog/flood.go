package mainlog

import (
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// floodKind is a kind of line that strangers can cause as often as they like.
type floodKind uint8

const (
	floodReject floodKind = iota
	floodRefused
	floodLost
	floodDropped
	floodTLS
	floodAuth
	floodName
	floodAdmin
	floodPanic
	floodKinds
)

// floodInfo has, for each kind, its name and the files its count goes to.
var floodInfo = [floodKinds]struct {
	name string
	to   target
}{
	floodReject:  {"rejected", toReject},
	floodRefused: {"connection refused", toReject},
	floodLost:    {"connection lost", toMain},
	floodDropped: {"connection dropped", toReject},
	floodTLS:     {"TLS error", toMain},
	floodAuth:    {"authenticator failed", toReject},
	floodName:    {"no host name found", toMain},
	floodAdmin:   {"admin: refused", toReject},
	floodPanic:   {"panic", toPanic},
}

var suppressedTotal = metrics.NewCounter("mtad_log_lines_suppressed_total")

// flood holds each kind to a rate: the first lines of a second are logged, the
// others counted, and the count is logged when the second is over.
type flood struct {
	log *Log

	mu     sync.Mutex
	kinds  [floodKinds]bucket
	report *time.Timer // runs while lines are suppressed
	armed  bool
}

type bucket struct {
	second     int64
	lines      int
	suppressed int64
}

func (f *flood) init(l *Log) {
	f.log = l
	f.report = time.AfterFunc(time.Hour, f.tell)
	f.report.Stop()
}

// allow reports whether one more line of this kind may be logged.
func (f *flood) allow(kind floodKind) bool {
	second := f.log.opt.Now().Unix()
	f.mu.Lock()
	defer f.mu.Unlock()
	k := &f.kinds[kind]
	if k.second != second {
		k.second, k.lines = second, 0
	}
	if k.lines < f.log.opt.FloodRate {
		k.lines++
		return true
	}
	k.suppressed++
	suppressedTotal.Inc()
	if !f.armed {
		f.armed = true
		f.report.Reset(time.Second)
	}
	return false
}

// tell logs what was suppressed since the last time.
func (f *flood) tell() {
	f.mu.Lock()
	var counts [floodKinds]int64
	for i := range f.kinds {
		counts[i], f.kinds[i].suppressed = f.kinds[i].suppressed, 0
	}
	f.armed = false
	f.mu.Unlock()
	for kind, count := range counts {
		if count > 0 {
			f.log.suppressed(floodKind(kind), count)
		}
	}
}

func (l *Log) suppressed(kind floodKind, count int64) {
	n := l.begin("suppressed", ID{})
	n.number(" ", "count", count)
	n.text(" similar lines suppressed: ", "kind", floodInfo[kind].name)
	n.end(floodInfo[kind].to)
}

// beginFlood starts a line of a kind that is held to a rate; nil where it is one too many.
func (l *Log) beginFlood(kind floodKind, event string, id ID) *line {
	if l == nil || !l.flood.allow(kind) {
		return nil
	}
	return l.begin(event, id)
}

package actors

import (
	"crypto/rand"
	"errors"
	"os/user"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"mtad/internal/dsn"
	"mtad/internal/mainlog"
	"mtad/spool"
)

// reports makes messages of what internal/dsn writes: into the spool first, in one
// commit with what they report, then log and queue.
type reports struct {
	h *Daemon
	// Messages whose sender is being told, each closed at the end of that: a queue
	// that died has left these behind, and its successor asks for the same.
	mu    sync.Mutex
	under map[spool.ID]chan struct{}
}

var reportsWritten = map[dsn.Kind]*metrics.Counter{
	dsn.Failed:  metrics.NewCounter(`mtad_reports_total{kind="failed"}`),
	dsn.Delayed: metrics.NewCounter(`mtad_reports_total{kind="delayed"}`),
	dsn.Relayed: metrics.NewCounter(`mtad_reports_total{kind="relayed"}`),
}

// ourUser is who writes reports, for U= in the log.
var ourUser = sync.OnceValue(func() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "mtad"
})

// claim waits until nobody else tells the sender of a message.
func (r *reports) claim(id spool.ID) {
	for {
		r.mu.Lock()
		other := r.under[id]
		if other == nil {
			r.under[id] = make(chan struct{})
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		<-other
	}
}

func (r *reports) release(id spool.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.under[id])
	delete(r.under, id)
}

// bounce tells the sender of failures and reports whether that is done: false where
// it has to be tried again.
func (r *reports) bounce(id spool.ID, rcpts []int) bool {
	r.claim(id)
	defer r.release(id)
	env, rcpts := r.still(id, rcpts, spool.Failed)
	if len(rcpts) == 0 {
		return true
	}
	original, err := r.original(id)
	if err != nil {
		return r.unreadable(id, err)
	}
	d := r.draft(dsn.Failed, env, rcpts, original)
	batch := spool.Batch{New: []*spool.Draft{d}}
	for _, i := range rcpts {
		from := &env.Recipients[i]
		batch.Outcomes = append(batch.Outcomes, spool.Outcome{ID: id, Rcpt: i, State: spool.Bounced,
			Attempts: from.Attempts, FirstFail: from.FirstFail, At: from.LastTry, Error: from.LastError})
	}
	return r.send(dsn.Failed, id, d, &batch)
}

// warn tells the sender of delays, unless nobody would read that.
func (r *reports) warn(id spool.ID, rcpts []int, count int) {
	r.claim(id)
	defer r.release(id)
	env, rcpts := r.still(id, rcpts, spool.Pending)
	if len(rcpts) == 0 {
		return
	}
	batch := spool.Batch{Warned: []spool.Warned{{ID: id, Count: count}}}
	original, err := r.original(id)
	switch {
	case err != nil:
		r.unreadable(id, err)
	case dsn.Automatic(original):
		if err := r.h.spool.Commit(&batch); err != nil && !errors.Is(err, spool.ErrUnknown) {
			r.fault(id, err)
		}
	default:
		d := r.draft(dsn.Delayed, env, rcpts, original)
		batch.New = []*spool.Draft{d}
		r.send(dsn.Delayed, id, d, &batch)
	}
}

// still returns which of the recipients are in that state now.
func (r *reports) still(id spool.ID, rcpts []int, state spool.State) (*spool.Envelope, []int) {
	env, err := r.h.spool.Envelope(id)
	if err != nil {
		return nil, nil
	}
	var left []int
	for _, i := range rcpts {
		if i < len(env.Recipients) && env.Recipients[i].State == state {
			left = append(left, i)
		}
	}
	return env, left
}

// send commits a report with what it reports. Then it is a message as any other.
func (r *reports) send(kind dsn.Kind, about spool.ID, d *spool.Draft, batch *spool.Batch) bool {
	env := d.Envelope
	defer d.Discard()
	r.h.reached("report: written")
	if err := r.commit(batch); err != nil {
		r.fault(about, err)
		return false
	}
	r.h.reached("report: recorded")
	r.sent(kind, about, env)
	return true
}

// sent tells log and queue of a report that is in the spool.
func (r *reports) sent(kind dsn.Kind, about spool.ID, env *spool.Envelope) {
	reportsWritten[kind].Inc()
	r.h.log.Received(mainlog.Reception{ID: env.ID, BounceOf: about, User: ourUser(), Protocol: env.Protocol, Size: env.Size, Recipients: 1})
	r.h.root.Send(r.h.queue.Load(), &arrived{env: env})
}

// draft writes a report into a draft.
func (r *reports) draft(kind dsn.Kind, about *spool.Envelope, rcpts []int, original []byte) *spool.Draft {
	report := dsn.Report{
		Kind: kind, Host: r.h.Config().PrimaryHostname, ID: r.h.spool.NextID(), Now: time.Now(), Boundary: "=_" + rand.Text(),
		About: about, Rcpts: rcpts, Original: original,
	}
	m := report.Write()
	d := r.h.spool.NewDraft()
	*d.Envelope = spool.Envelope{
		ID: report.ID, Received: report.Now, Recipients: []spool.Recipient{{Address: about.Sender}},
		EightBit: m.EightBit, Size: m.Size, Protocol: "local", MessageID: m.MessageID,
	}
	_, _ = d.Write(m.Bytes) // Commit has the error
	d.Envelope.WireSize = d.Len()
	return d
}

// original is the beginning of a message, as much as a report may return.
func (r *reports) original(id spool.ID) ([]byte, error) {
	body, err := r.h.spool.Body(id)
	if err != nil {
		return nil, err
	}
	defer body.Release()
	return beginning(body)
}

func beginning(body *spool.Body) ([]byte, error) {
	var b bounded
	if _, err := body.WriteTo(&b); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return b, nil
}

var errEnough = errors.New("enough")

// bounded keeps one byte more than a report returns.
type bounded []byte

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), dsn.MaxReturned+1-len(*b))
	*b = append(*b, p[:n]...)
	if n < len(p) {
		return n, errEnough
	}
	return n, nil
}

// unreadable handles a message that is to be returned and cannot be read. One that is
// damaged was set aside by the spool and is out of the schedule.
func (r *reports) unreadable(id spool.ID, err error) bool {
	if errors.Is(err, spool.ErrBroken) || errors.Is(err, spool.ErrUnknown) {
		r.h.log.Damaged(id, err.Error())
		return true
	}
	r.fault(id, err)
	return false
}

// fault says that a sender could not be told; nothing is lost by it. When we end, all
// that is left to do is in the spool.
func (r *reports) fault(id spool.ID, err error) {
	if !r.h.draining.Load() {
		r.h.log.Panic("cannot tell the sender of "+id.String()+" what became of it: "+err.Error()+"; it is tried again", nil)
	}
}

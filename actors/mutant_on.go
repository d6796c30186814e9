//go:build mutant

package actors

import (
	"os"
	"time"

	"mtad/internal/outbound"
	"mtad/spool"
)

// The kill harness (test/crash) proves itself on a daemon that is broken on
// purpose: M4 forgets a message before its outcome is known, "twice" commits a bounce
// before what it reports.

var forgetful = os.Getenv("MTAD_MUTANT") == "M4"

func (a *attempt) mutate(m *outbound.Message) {
	if !forgetful {
		return
	}
	b := &spool.Batch{}
	for _, i := range m.Rcpts {
		b.Outcomes = append(b.Outcomes, spool.Outcome{ID: a.job.Message, Rcpt: i, State: spool.Delivered})
	}
	_ = a.h.spool.Commit(b)
}

func (r *reports) commit(b *spool.Batch) error {
	if os.Getenv("MTAD_MUTANT") == "twice" {
		if err := r.h.spool.Commit(&spool.Batch{New: b.New}); err != nil {
			return err
		}
		time.Sleep(30 * time.Millisecond)
		b.New = nil
	}
	return r.h.spool.Commit(b)
}

//go:build mutant

package actors

import (
	"os"

	"mtad/internal/outbound"
	"mtad/spool"
)

// The kill harness (test/crash) proves itself on a daemon that is broken on
// purpose. This one, M4, forgets a message before its outcome is known.

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

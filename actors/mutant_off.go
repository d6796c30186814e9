//go:build !mutant

package actors

import (
	"mtad/internal/outbound"
	"mtad/spool"
)

// mutate does nothing but in the daemon that is broken on purpose: mutant_on.go.
func (a *attempt) mutate(*outbound.Message) {}

// commit makes a report durable, in one with what it reports.
func (r *reports) commit(b *spool.Batch) error { return r.h.spool.Commit(b) }

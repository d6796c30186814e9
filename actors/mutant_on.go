//go:build mutant

package actors

import (
	"os"

	"mtad/internal/inbound"
	"mtad/internal/outbound"
	"mtad/spool"
)

// mutation is THREATS M3 or M4: what the kill harness must find.
var mutation = os.Getenv("MTAD_MUTANT")

// mutateInbound answers 250 before the write (M3).
func mutateInbound(d inbound.Deps) (inbound.Deps, bool) {
	if mutation != "M3" {
		return d, false
	}
	d.Spool = hasty{d.Spool, d.Arrived}
	d.Arrived = nil
	return d, true
}

type hasty struct {
	inbound.Store
	arrived func(*spool.Envelope)
}

func (h hasty) Commit(b *spool.Batch) error {
	for _, d := range b.New {
		if d.Envelope.ID.IsZero() {
			d.Envelope.ID = h.NextID()
		}
	}
	go func() {
		if h.Store.Commit(b) == nil {
			for _, d := range b.New {
				h.arrived(d.Envelope)
			}
		}
	}()
	return nil
}

// mutateDelivery forgets the message before its outcome is known (M4).
func (a *attempt) mutateDelivery(m *outbound.Message) {
	if mutation != "M4" {
		return
	}
	b := &spool.Batch{}
	for _, i := range m.Rcpts {
		b.Outcomes = append(b.Outcomes, spool.Outcome{ID: a.job.Message, Rcpt: i, State: spool.Delivered})
	}
	a.h.spool.Commit(b)
}

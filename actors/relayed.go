package actors

import (
	"errors"

	"mtad/internal/dsn"
	"mtad/internal/outbound"
	"mtad/spool"
)

// relayed writes the report for those whose sender wants to hear of success
// (NOTIFY=SUCCESS) and whose next hop will not report it: it does not know DSN
// (RFC 3461 5.2.2). nil: there are none.
func (a *attempt) relayed(fates []outbound.Fate) *spool.Draft {
	if a.env.Sender == "" || a.conn == nil || a.conn.Extensions.DSN {
		return nil
	}
	var rcpts []int
	for i := range fates {
		f := &fates[i]
		if f.Kind == outbound.Delivered && a.env.Recipients[f.Rcpt].Notify&spool.NotifySuccess != 0 {
			rcpts = append(rcpts, f.Rcpt)
		}
	}
	if len(rcpts) == 0 {
		return nil
	}
	original, err := a.h.reports.original(a.job.Message)
	if err != nil {
		return nil // it was sent a moment ago; what is in the spool of it is looked at elsewhere
	}
	return a.h.reports.draft(dsn.Relayed, a.env, rcpts, original)
}

// commitWith makes outcomes durable with the report of them. Where the disk is too full
// for the report, the outcomes are what counts.
func (a *attempt) commitWith(report *spool.Draft, outcomes []spool.Outcome) error {
	if report == nil {
		return a.commit(&spool.Batch{Outcomes: outcomes})
	}
	defer report.Discard()
	err := a.h.spool.Commit(&spool.Batch{New: []*spool.Draft{report}, Outcomes: outcomes})
	if errors.Is(err, spool.ErrFull) {
		report.Envelope = nil // nobody is to be told of it
		return a.commit(&spool.Batch{Outcomes: outcomes})
	}
	return err
}

package crash

import (
	"context"
	"fmt"
	"time"
)

// settle waits until the queue is empty, the sink hears nothing new, and nothing
// is missing or left over; what still is after the grace stays so.
func (r *run) settle(ctx context.Context) error {
	var quiet time.Time // since when the queue is empty
	last := -1
	for {
		queued, err := r.relay.Queued()
		heard := r.book.received()
		switch {
		case err != nil || queued > 0 || heard != last:
			quiet = time.Time{}
		case quiet.IsZero():
			quiet = time.Now()
		}
		last = heard
		if !quiet.IsZero() {
			r.left, err = r.relay.Left()
			if err == nil && (len(r.left)+r.book.missing() == 0 || time.Since(quiet) > r.Grace) {
				r.book.settle()
				return nil
			}
		}
		if !pause(ctx) {
			return fmt.Errorf("waiting for the queue to empty, with %d messages in it (%v): %w", queued, err, context.Cause(ctx))
		}
	}
}

// pause is the time between two looks; false when time is up.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(50 * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

// balance sends a little without a kill, and holds what the relay counts against
// the ledgers: a life's counts begin at nothing, so only a life that nothing cut
// short can be checked.
func (r *run) balance(ctx context.Context) error {
	messages, recipients, err := r.relay.Counts()
	if err != nil {
		return err
	}
	before := r.book.totals()
	r.send(ctx, 60, 2)
	if err := r.settle(ctx); err != nil {
		return err
	}
	for deadline := time.Now().Add(r.Grace); ; {
		m, n, err := r.relay.Counts()
		if err != nil {
			return err
		}
		m, n, booked := m-messages, n-recipients, r.book.totals().minus(before)
		if booked.acked <= m && m <= booked.acked+booked.unknown && n == booked.got {
			return nil
		}
		if time.Now().After(deadline) {
			r.wrong = append(r.wrong, fmt.Sprintf("after %d kills: the relay counts %d messages in and %d recipients out; %d were acknowledged (%d unknown), %d arrived",
				r.struck, m, n, booked.acked, booked.unknown, booked.got))
			return nil
		}
		if !pause(ctx) {
			return fmt.Errorf("waiting for the counts to agree: %w", context.Cause(ctx))
		}
	}
}

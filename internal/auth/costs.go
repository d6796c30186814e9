package auth

import (
	"context"
	"errors"
	"time"
)

// Costs bounds how many secrets are hashed at a time and how many wait for it:
// a flood of logins takes neither the processors nor the memory. It is safe for
// concurrent use; nil bounds nothing.
type Costs struct {
	running  chan struct{}
	waiting  chan struct{}
	patience time.Duration
}

var errBusy = errors.New("too many secrets are being verified")

// NewCosts lets running hash at a time, and waiting more wait, for patience.
func NewCosts(running, waiting int, patience time.Duration) *Costs {
	return &Costs{
		running:  make(chan struct{}, running),
		waiting:  make(chan struct{}, running+waiting),
		patience: patience,
	}
}

// Do runs hash when its turn comes. The error says that it did not come.
func (c *Costs) Do(ctx context.Context, hash func()) error {
	if c == nil {
		hash()
		return nil
	}
	select {
	case c.waiting <- struct{}{}:
		defer func() { <-c.waiting }()
	default:
		return errBusy
	}
	late := time.NewTimer(c.patience)
	defer late.Stop()
	select {
	case c.running <- struct{}{}:
		defer func() { <-c.running }()
		hash()
		return nil
	case <-late.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

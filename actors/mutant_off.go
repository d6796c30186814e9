//go:build !mutant

package actors

import (
	"mtad/internal/inbound"
	"mtad/internal/outbound"
)

// The kill harness (test/crash) proves itself on a daemon that is broken on
// purpose: mutant_on.go. In every other build these change nothing.

func mutateInbound(inbound.Deps) (d inbound.Deps, mutated bool) { return d, false }

func (a *attempt) mutateDelivery(*outbound.Message) {}

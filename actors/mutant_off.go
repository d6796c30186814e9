//go:build !mutant

package actors

import "mtad/internal/outbound"

// mutate does nothing but in the daemon that is broken on purpose: mutant_on.go.
func (a *attempt) mutate(*outbound.Message) {}

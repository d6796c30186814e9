// Package route says where mail for an address goes, and when it is tried
// again. Look-ups are given to it.
//
//	recipient → its domain → the first router that takes it → a plan: hosts by name
//	          → addresses → Destination, its lane named after the plan, not the addresses
//
// Plans are made once, at New (plan.go); what a domain's plan comes to is
// remembered for half a minute (decision.go), so that a known domain costs a map
// look-up however many routes there are. retry.go is the other half: when.
package route

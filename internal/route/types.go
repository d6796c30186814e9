// Package route says where mail for an address goes, and when it is tried
// again. Look-ups are given to it.
package route

// The contract:
//
//	New(cfg *config.Config, lookup Lookup) *Router     Lookup func(ctx, host string) ([]netip.Addr, error): addresses of a host name
//	(*Router) Route(ctx, env *spool.Envelope, rcpts []int) ([]queue-shaped destinations …)
//
// queue is a floor above: route has its own Destination{Router, Transport, Lane string; Hosts []Host; Recipients []int} and Fault{…} of the same
// fields, and actors translates. A Host is {Name string; Addr netip.AddrPort}.
//
//	type Retry; NewRetry([]config.Retry) *Retry; (*Retry) Next(domain, address, kind string, firstFail, lastTry, now time.Time, attempts int) (time.Time, bool)

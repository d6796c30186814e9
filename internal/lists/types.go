// Package lists matches hosts, domains and addresses against Exim list
// strings. First match decides; the answer is yes, no, or not to be had now,
// and it names the item that decided.
package lists

import "net/netip"

// Answer is the outcome of a match.
type Answer uint8

const (
	No Answer = iota
	Yes
	Unknown // a name could not be looked up now: the caller takes the stricter side
)

// Result is an answer and the item that gave it ("" when the list's end did).
type Result struct {
	Answer Answer
	Item   string
}

// Host is what a host list is matched against.
type Host struct {
	Addr netip.Addr // unmapped
	Name string     // the host's name where it was given as one (client side); "" on the server side
	// Names returns the names of Addr that are confirmed forwards. nil: no name
	// is to be had, name items never match. An error means "not now".
	Names func() ([]string, error)
}

// The contract:
//
//	ParseHosts(items []string, env Env) (*HostList, error)      one parsed list; error names the item and what would be right
//	(*HostList) Match(Host) Result                              nil and empty lists match nothing
//	ParseDomains(items []string, env Env) (*DomainList, error); (*DomainList) Match(domain string) Result
//	ParseAddresses(items, env) (*AddressList, error); (*AddressList) Match(address string) Result
//	Split(s string) []string                                    Exim list string: ':' separated, "<;" changes the separator, "::" is a colon
//	Env{Named map[string][]string /* +name */; Hostname string /* @ */; Dir string /* of the configuration: relative files */; Local func() []netip.Addr /* @[] */}

// Package lists matches hosts, domains and addresses against Exim list
// strings. First match decides; the answer is yes, no, or not to be had now,
// and it names the item that decided.
//
//	"!10.0.0.7 : 10.0.0.0/8 : +partners : /etc/mtad/relay.hosts"
//	     └ takes out      └ network  └ a named list  └ one item a line, read anew when it changes
//
// A list is parsed once (parse.go) into entries, each an item's matcher and its
// sign (match.go); runs of networks or of names become one table (networks.go,
// names.go), so that a list of a hundred thousand items costs one look-up.
package lists

import "net/netip"

// Answer is the outcome of a match.
type Answer uint8

const (
	No Answer = iota
	Yes
	Unknown // a name or a file could not be had now: the caller takes the stricter side
)

// String returns "no", "yes" or "unknown".
func (a Answer) String() string { return [...]string{"no", "yes", "unknown"}[a] }

// Result is an answer and the item that gave it ("" when the list's end did).
type Result struct {
	Answer Answer
	Item   string
}

// Host is what a host list is matched against.
type Host struct {
	Addr netip.Addr // an IPv4-mapped IPv6 address counts as the IPv4 one
	Name string     // the host's name where it was given as one (client side); "" on the server side
	// Names returns the names of Addr that are confirmed forwards. nil: no name
	// is to be had, name items never match. An error means "not now". It may be
	// called for each name item of a list: who asks the DNS keeps the answer.
	Names func() ([]string, error)
}

// Env is what items refer to beyond themselves.
type Env struct {
	Named    map[string][]string // the lists that +name means
	Hostname string              // what @ means
	Dir      string              // the folder relative file names start in
	Local    func() []netip.Addr // what @[] means; nil: the addresses of this machine's interfaces
}

// HostList is a parsed list of hosts. It is safe for concurrent use; nil
// matches nothing.
type HostList struct{ list[Host] }

// DomainList is a parsed list of domains. It is safe for concurrent use; nil
// matches nothing.
type DomainList struct{ list[string] }

// AddressList is a parsed list of mail addresses. It is safe for concurrent
// use; nil matches nothing.
type AddressList struct{ list[mailbox] }

// Match answers whether the list has the host.
func (l *HostList) Match(h Host) Result {
	if l == nil {
		return Result{}
	}
	h.Addr = h.Addr.Unmap().WithZone("")
	return l.match(h)
}

// Match answers whether the list has the domain. Case and a dot at the end do
// not count.
func (l *DomainList) Match(domain string) Result {
	if l == nil {
		return Result{}
	}
	return l.match(canonical(domain))
}

// Match answers whether the list has the address ("" is the null sender). Case
// does not count, in the local part neither (as Exim has it).
func (l *AddressList) Match(address string) Result {
	if l == nil {
		return Result{}
	}
	return l.match(splitMailbox(address))
}

// String returns the list as it was written, items separated by " : ".
func (l *HostList) String() string {
	if l == nil {
		return ""
	}
	return l.text
}

// String returns the list as it was written, items separated by " : ".
func (l *DomainList) String() string {
	if l == nil {
		return ""
	}
	return l.text
}

// String returns the list as it was written, items separated by " : ".
func (l *AddressList) String() string {
	if l == nil {
		return ""
	}
	return l.text
}

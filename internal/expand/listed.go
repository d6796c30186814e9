package expand

import (
	"fmt"
	"net/netip"

	"mtad/internal/lists"
)

// listed is match_domain, match_address or match_ip.
type listed struct {
	subject sequence
	match   func(subject string) (lists.Result, error)
}

// matchList reads the two arguments. As in Exim the list is not expanded, so it
// is known now.
func (p *parser) matchList(name string) (condition, error) {
	subject, err := p.argument(name)
	if err != nil {
		return nil, err
	}
	p.space()
	at := p.at + 1
	before := p.plain
	p.plain = true
	list, err := p.argument(name)
	p.plain = before
	if err != nil {
		return nil, err
	}
	written, _ := list.constant()
	c, err := parseList(name, lists.Split(written), p.opts)
	if err != nil {
		return nil, p.fault(at, "%v", err)
	}
	return &listed{subject, c}, nil
}

func parseList(name string, items []string, opts *Options) (func(string) (lists.Result, error), error) {
	env := lists.Env{Hostname: opts.Hostname, Dir: opts.Dir}
	switch name {
	case "match_domain":
		env.Named = opts.Named.Domains
		l, err := lists.ParseDomains(items, env)
		return func(s string) (lists.Result, error) { return l.Match(s), nil }, err
	case "match_address":
		env.Named = opts.Named.Addresses
		l, err := lists.ParseAddresses(items, env)
		return func(s string) (lists.Result, error) { return l.Match(s), nil }, err
	}
	env.Named = opts.Named.Hosts
	l, err := lists.ParseHosts(items, env)
	return func(s string) (lists.Result, error) {
		if s == "" {
			return lists.Result{}, nil
		}
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return lists.Result{}, fmt.Errorf("match_ip: %q is not an IP address", clip(s))
		}
		return l.Match(lists.Host{Addr: addr}), nil
	}, err
}

const maxSubject = 1024 // bytes

func (l *listed) holds(e *evaluation) (bool, error) {
	subject, err := l.subject.take(e)
	if err != nil {
		return false, err
	}
	if len(subject.text) > maxSubject {
		return false, fmt.Errorf("%q is too long for a domain or an address", clip(subject.text))
	}
	r, err := l.match(subject.text)
	if err == nil && r.Answer == lists.Unknown {
		err = fmt.Errorf("it cannot be said now whether %q is in the list: %s", clip(subject.text), r.Item)
	}
	return r.Answer == lists.Yes, err
}

package config

import (
	"fmt"

	"mtad/internal/expand"
)

// variables are those that exist where an option is expanded, by the word in
// its tag.
var variables = map[string]expand.Vars{
	"host": expand.HostVars,
}

// expanded reads a string that is expanded when it is used. An empty one is as
// if the option were left out: nil.
func (b *binder) expanded(o option, raw any) (*expand.String, error) {
	text, err := as[string](raw, "a string")
	if err != nil || text == "" {
		return nil, err
	}
	s, err := expand.Parse(text, expand.Options{
		Vars: variables[o.tag.Get("vars")], Dir: b.cfg.Dir, Hostname: b.cfg.PrimaryHostname, Files: b.files,
		Named: expand.Lists{Hosts: b.cfg.HostLists, Domains: b.cfg.DomainLists, Addresses: b.cfg.AddressLists},
	})
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return s, nil
}

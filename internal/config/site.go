package config

import (
	"net/netip"
	"strconv"
	"strings"

	"mtad/internal/lists"
)

// SiteOf returns the site of a next hop, and the item of its match that decides; nil
// where it has none. A list that cannot be read now names nobody.
func (c *Config) SiteOf(name string, addr netip.Addr) (site *Site, item string) {
	for i := range c.Sites {
		s := &c.Sites[i]
		if r := s.Match.Match(lists.Host{Name: name, Addr: addr}); r.Answer == lists.Yes {
			return s, r.Item
		}
	}
	return nil, ""
}

// checkSites: names are what operators write in selectors.
func (b *binder) checkSites() {
	names := map[string]int{}
	for i, s := range b.cfg.Sites {
		path := []string{"site", strconv.Itoa(i), "name"}
		name := strings.ToLower(s.Name)
		if first, twice := names[name]; twice && name != "" {
			b.wrong(path, "%q is the name of the site of line %d already", s.Name, first)
		}
		names[name] = b.lines.line(path...)
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			b.wrong(path, "%q has other characters than letters, digits, - _ and .", s.Name)
		}
	}
}

package config

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"mtad/internal/expand"
	"mtad/internal/lists"
)

// setMany binds what has more than one value: lists and tables.
func (b *binder) setMany(o option, raw any, path []string) {
	switch p := o.value.Addr().Interface().(type) {
	case **lists.HostList:
		*p = parseList(b, raw, path, b.cfg.HostLists, lists.ParseHosts)
	case **lists.DomainList:
		*p = parseList(b, raw, path, b.cfg.DomainLists, lists.ParseDomains)
	case **lists.AddressList:
		*p = parseList(b, raw, path, b.cfg.AddressLists, lists.ParseAddresses)
	case *[]string:
		*p = b.words(o, raw, path)
	case *[]*expand.String:
		*p = b.expandedItems(o, raw, path)
	case *map[string][]string:
		if o.tag.Get("kind") == "routes" {
			*p = b.routes(raw, path)
		} else {
			*p = b.named(raw, path)
		}
	case *[]Listen:
		*p = tables[Listen](b, raw, path)
	case *[]Authenticator:
		*p = tables[Authenticator](b, raw, path)
	case *[]Router:
		*p = tables[Router](b, raw, path)
	case *[]Site:
		*p = tables[Site](b, raw, path)
	case *[]Retry:
		*p = tables[Retry](b, raw, path)
	case *map[string]*Transport:
		*p = b.transports(raw, path)
	case *Admin:
		if t, err := as[map[string]any](raw, "a table: [admin]"); err != nil {
			b.wrong(path, "%v", err)
		} else {
			b.table(reflect.ValueOf(p).Elem(), t, path)
		}
	default:
		panic("BUG: no way to read option " + o.name)
	}
}

// items reads a list: a string in Exim's form, or an array of strings.
func (b *binder) items(raw any, path []string) (items []string, ok bool) {
	if s, isString := raw.(string); isString {
		return lists.Split(s), true
	}
	array, err := as[[]any](raw, "a list: a string or an array of strings")
	if err != nil {
		b.wrong(path, "%v", err)
		return nil, false
	}
	for i, item := range array {
		s, err := as[string](item, "a string")
		if err != nil {
			b.wrong(under(path, strconv.Itoa(i)), "item %d %v", i+1, err)
		}
		items = append(items, s)
	}
	return items, true
}

// expandedItems reads a list of which each item is expanded for itself.
func (b *binder) expandedItems(o option, raw any, path []string) (all []*expand.String) {
	items, _ := b.items(raw, path)
	for i, item := range items {
		s, err := b.expanded(o, item)
		if err != nil {
			b.wrong(under(path, strconv.Itoa(i)), "item %d: %v", i+1, err)
		}
		all = append(all, s)
	}
	return all
}

// parseList parses a list of hosts or domains, and notes each faulty item at
// its own line.
func parseList[L any](b *binder, raw any, path []string, named map[string][]string, parse func([]string, lists.Env) (*L, error)) *L {
	items, ok := b.items(raw, path)
	if !ok {
		return nil
	}
	l, err := parse(items, lists.Env{Named: named, Hostname: b.cfg.PrimaryHostname, Dir: b.cfg.Dir})
	for _, e := range split(err) {
		at := path
		if item := new(lists.ItemError); errors.As(e, &item) {
			at = under(path, strconv.Itoa(item.Index))
		}
		b.wrong(at, "%v", e)
	}
	return l
}

// split takes joined errors apart.
func split(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// named reads [hostlist] and its like. Each list is parsed once here for its
// mistakes; those who refer to it parse it as part of their own.
func (b *binder) named(raw any, path []string) map[string][]string {
	table, err := as[map[string]any](raw, "a table of lists")
	if err != nil {
		b.wrong(path, "%v", err)
		return nil
	}
	all := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if items, ok := b.items(table[name], under(path, name)); ok {
			all[name] = items
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch path[0] {
		case "hostlist":
			parseList(b, table[name], under(path, name), all, lists.ParseHosts)
		case "domainlist":
			parseList(b, table[name], under(path, name), all, lists.ParseDomains)
		case "addresslist":
			parseList(b, table[name], under(path, name), all, lists.ParseAddresses)
		}
	}
	return all
}

// words reads hosts and servers (separated by white space in a string: a colon stands
// before a port) and plain words.
func (b *binder) words(o option, raw any, path []string) []string {
	var all []string
	if s, ok := raw.(string); ok && (o.tag.Get("kind") == "hosts" || o.tag.Get("kind") == "servers") {
		all = strings.Fields(s)
	} else if all, ok = b.items(raw, path); !ok {
		return nil
	}
	if o.tag.Get("kind") == "prompts" {
		return all // any text
	}
	allowed := strings.Fields(o.tag.Get("oneof"))
	for i, word := range all {
		here := under(path, strconv.Itoa(i))
		if word == "" {
			continue
		} else if o.tag.Get("kind") == "hosts" {
			b.host(word, here)
		} else if o.tag.Get("kind") == "servers" {
			b.server(word, here)
		} else if o.tag.Get("kind") == "errors" && slices.ContainsFunc(allowed, func(kind string) bool { return narrower(word, kind) }) {
			continue
		} else if !slices.Contains(allowed, word) {
			b.wrong(here, "%q is not one of %s%s", word, quoted(allowed), didYouMean(word, allowed))
		}
	}
	return all
}

// narrower reports a kind of error with digits in place of the last x, or both: of
// rcpt_4xx, rcpt_45x or rcpt_452 (Exim's retry rules).
func narrower(word, kind string) bool {
	verb, ok := strings.CutSuffix(kind, "xx")
	code, is := strings.CutPrefix(word, verb)
	return ok && is && len(code) == 2 && isDigit(code[0]) && (code[1] == 'x' || isDigit(code[1]))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (b *binder) host(s string, path []string) {
	if _, err := ParseHostPort(s); err != nil {
		b.wrong(path, "%v", err)
	}
}

// server checks the address of a DNS server. A name would need one.
func (b *binder) server(s string, path []string) {
	if h, err := ParseHostPort(s); err != nil || !h.Addr.IsValid() {
		b.wrong(path, `%q is no address of a DNS server, as in "192.0.2.53" or "[2001:db8::53]:53"`, s)
	}
}

// routes reads route_list: a table of domain and hosts, or an array of strings
// (or one string, with semicolons between) "domain host host ...".
func (b *binder) routes(raw any, path []string) map[string][]string {
	all := map[string][]string{}
	if table, ok := raw.(map[string]any); ok {
		for _, domain := range slices.Sorted(maps.Keys(table)) {
			b.route(all, domain, b.words(option{tag: `kind:"hosts"`}, table[domain], under(path, domain)), under(path, domain))
		}
		return all
	}
	var rules []string
	if s, ok := raw.(string); ok {
		rules = strings.Split(s, ";")
	} else if rules, ok = b.items(raw, path); !ok {
		return nil
	}
	for i, rule := range rules {
		here := under(path, strconv.Itoa(i))
		words := strings.Fields(rule)
		if len(words) == 0 {
			continue
		}
		for _, h := range words[1:] {
			b.host(h, here)
		}
		b.route(all, words[0], words[1:], here)
	}
	return all
}

func (b *binder) route(all map[string][]string, domain string, hosts []string, path []string) {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if err := checkRouteDomain(domain); err != nil {
		b.wrong(path, "%v", err)
		return
	}
	if _, twice := all[domain]; twice {
		b.wrong(path, "%q has a route already", domain)
	}
	if len(hosts) == 0 {
		b.wrong(path, "%q has no host", domain)
	}
	all[domain] = hosts
}

func checkRouteDomain(domain string) error {
	if _, literal := lists.ParseLiteral(domain); literal || domain == "*" {
		return nil
	}
	if err := checkHostName(strings.TrimPrefix(domain, "*.")); err != nil {
		return errors.New(strconv.Quote(domain) + ` is no domain; a route is for "example.com" or for "*.example.com"`)
	}
	return nil
}

// tables reads an array of tables.
func tables[T any](b *binder, raw any, path []string) []T {
	all, ok := raw.([]map[string]any)
	if array, inline := raw.([]any); inline {
		ok = true
		for i, item := range array {
			table, isTable := item.(map[string]any)
			if !isTable {
				b.wrong(under(path, strconv.Itoa(i)), "is %s, but takes a table", typeName(item))
				continue
			}
			all = append(all, table)
		}
	}
	if !ok {
		b.wrong(path, "is %s, but takes an array of tables: [[%s]]", typeName(raw), path[len(path)-1])
		return nil
	}
	bound := make([]T, len(all))
	for i, table := range all {
		b.table(reflect.ValueOf(&bound[i]).Elem(), table, under(path, strconv.Itoa(i)))
	}
	return bound
}

func (b *binder) transports(raw any, path []string) map[string]*Transport {
	table, err := as[map[string]any](raw, "tables: [transport.NAME]")
	if err != nil {
		b.wrong(path, "%v", err)
		return nil
	}
	all := map[string]*Transport{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		one, err := as[map[string]any](table[name], "a table: [transport.NAME]")
		if err != nil {
			b.wrong(under(path, name), "%v", err)
			continue
		}
		all[name] = b.transport(name, one)
	}
	return all
}

func (b *binder) transport(name string, table map[string]any) *Transport {
	t := &Transport{Name: name}
	b.table(reflect.ValueOf(t).Elem(), table, []string{"transport", name})
	return t
}

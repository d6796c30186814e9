package lists

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// ItemError is a faulty item of a list.
type ItemError struct {
	Index int // which of the items given to Parse..., from 0
	Item  string
	Err   error // what is wrong, and what would be right
}

func (e *ItemError) Error() string { return fmt.Sprintf("%q: %v", e.Item, e.Err) }
func (e *ItemError) Unwrap() error { return e.Err }

// ParseHosts parses a list of hosts. The error joins an *ItemError for each
// item that is wrong.
func ParseHosts(items []string, env Env) (*HostList, error) {
	l, err := parse(items, env, hostItem)
	return &HostList{l}, err
}

// ParseDomains parses a list of domains; errors as ParseHosts.
func ParseDomains(items []string, env Env) (*DomainList, error) {
	l, err := parse(items, env, domainItem)
	return &DomainList{l}, err
}

// ParseAddresses parses a list of mail addresses; errors as ParseHosts.
func ParseAddresses(items []string, env Env) (*AddressList, error) {
	l, err := parse(items, env, addressItem)
	return &AddressList{l}, err
}

// itemParser reads what one kind of list has beyond what all have: negation,
// *, files and +name. A nil matcher means that the item says nothing.
type itemParser[S any] func(item string, env *Env) (matcher[S], error)

// parser reads one list and the lists it names.
type parser[S any] struct {
	env  Env
	item itemParser[S]
	done map[string]*list[S] // lists of +name; nil while one is being read
}

func parse[S any](items []string, env Env, item itemParser[S]) (list[S], error) {
	if env.Local == nil {
		env.Local = interfaceAddrs
	}
	p := parser[S]{env: env, item: item, done: map[string]*list[S]{}}
	return p.list(items)
}

func (p *parser[S]) list(items []string) (list[S], error) {
	l := list[S]{text: strings.Join(items, " : ")}
	var faults []error
	for i, item := range items {
		e, err := p.entry(item, true)
		if err != nil {
			faults = append(faults, &ItemError{i, item, err})
		} else if e.matcher != nil {
			l.add(e)
		}
	}
	return l, errors.Join(faults...)
}

// entry reads one item, its sign before it.
func (p *parser[S]) entry(text string, files bool) (entry[S], error) {
	item := strings.TrimSpace(text)
	e := entry[S]{text: item}
	for strings.HasPrefix(item, "!") {
		e.not = !e.not
		item = strings.TrimSpace(item[1:])
	}
	if e.not && item == "" {
		return e, errors.New("nothing stands behind the !")
	}
	var err error
	switch {
	case item == "*":
		e.matcher = everything[S]{}
	case strings.HasPrefix(item, "+"):
		e.matcher, err = p.named(item[1:])
	case files && isFile(item):
		e.matcher, err = openFile(p.path(item), p.linesOf())
	default:
		e.matcher, err = p.item(item, &p.env)
	}
	if a, ok := e.matcher.(absorber[S]); ok && err == nil {
		a.label(e.text)
	}
	return e, err
}

// linesOf returns a parser for the lines of a file that stands in this list. It
// runs whenever the file changes, in any goroutine: each run has its own memory
// of +names, which begins with those that are being read here.
func (p *parser[S]) linesOf() func([]string) ([]entry[S], error) {
	above := maps.Clone(p.done)
	return func(lines []string) ([]entry[S], error) {
		q := parser[S]{p.env, p.item, maps.Clone(above)}
		return q.lines(lines)
	}
}

// lines reads the lines of a file: items as in a list, but no further files.
func (p *parser[S]) lines(lines []string) ([]entry[S], error) {
	var l list[S]
	for i, line := range lines {
		if line = stripComment(line); line == "" {
			continue
		}
		e, err := p.entry(line, false)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", i+1, line, err)
		}
		if e.matcher != nil {
			l.add(e)
		}
	}
	return l.entries, nil
}

// named resolves +name.
func (p *parser[S]) named(name string) (matcher[S], error) {
	if l, ok := p.done[name]; ok {
		if l == nil {
			return nil, fmt.Errorf("the list %q contains itself", name)
		}
		return sublist[S]{l}, nil
	}
	items, ok := p.env.Named[name]
	if !ok {
		return nil, fmt.Errorf("there is no list %q%s", name, known(p.env.Named))
	}
	p.done[name] = nil
	l, err := p.list(items)
	p.done[name] = &l
	if fault := new(ItemError); errors.As(err, &fault) {
		err = fmt.Errorf("the list %q is faulty: %w", name, fault) // one line: the list itself tells them all
	}
	return sublist[S]{&l}, err
}

func known(named map[string][]string) string {
	if len(named) == 0 {
		return "; no list is named in the configuration"
	}
	var have []string
	for name := range named {
		have = append(have, name)
	}
	slices.Sort(have)
	if len(have) > 10 {
		have = append(have[:10], "...")
	}
	return "; there are: " + strings.Join(have, ", ")
}

func (p *parser[S]) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.env.Dir, name)
}

// isFile reports whether an item is the name of a file: it has a slash, and is
// neither a network nor an expression, nor a look-up in a file.
func isFile(item string) bool {
	slash := strings.IndexByte(item, '/')
	if slash < 0 || item[0] == '^' || strings.ContainsAny(item[:slash], ";@") {
		return false
	}
	return !looksNumeric(item[:slash]) || strings.Trim(item[:slash], ".") == "" && slash < 3
}

// stripComment takes a # and what is behind it off a line, where it begins the
// line or stands behind white space.
func stripComment(line string) string {
	for i := 0; i < len(line); i++ {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
		}
	}
	return strings.TrimSpace(line)
}

func hostItem(item string, env *Env) (matcher[Host], error) {
	switch {
	case item == "":
		return nil, nil
	case item == "@":
		return hostName(env.Hostname)
	case item == "@[]":
		return localHost{env.Local}, nil
	case strings.HasPrefix(item, "net") && strings.Contains(item, ";"):
		return parseNetLookup(item, env.Dir)
	case strings.HasPrefix(item, "^"):
		return hostName(item)
	}
	if n, err := parseNetwork(item); n != nil || err != nil {
		return n, err
	}
	return hostName(item)
}

func hostName(item string) (matcher[Host], error) {
	pat, err := parsePattern(item)
	if err != nil {
		return nil, err
	}
	return hostNamed{pat}, nil
}

func domainItem(item string, env *Env) (matcher[string], error) {
	switch item {
	case "":
		return nil, nil
	case "@":
		item = env.Hostname
	case "@[]":
		return localLiteral{env.Local}, nil
	}
	if strings.HasPrefix(item, "[") {
		if _, ok := ParseLiteral(item); !ok {
			return nil, errors.New("not an address literal, which is written [192.0.2.1] or [IPv6:2001:db8::1]")
		}
		return domainNamed{&names{exact: map[string]string{canonical(item): item}}}, nil
	}
	pat, err := parsePattern(item)
	if err != nil {
		return nil, err
	}
	return domainNamed{pat}, nil
}

func addressItem(item string, env *Env) (matcher[mailbox], error) {
	if item == "" {
		return nullSender{}, nil
	}
	if strings.HasPrefix(item, "^") {
		re, err := parseExpression(item)
		return wholeAddress{re}, err
	}
	at := strings.LastIndexByte(item, '@')
	if item == "@" || item == "@[]" {
		at = -1
	}
	m := mailboxItem{}
	if at >= 0 {
		m.local = localPattern(canonical(item[:at]))
		if m.local == localPart("") {
			return nil, errors.New("nothing stands before the @; all addresses of a domain are *@example.com")
		}
	}
	var err error
	if domain := item[at+1:]; domain == "*" {
		m.domain = everything[string]{}
	} else if domain == "" {
		return nil, errors.New("nothing stands behind the @")
	} else {
		m.domain, err = domainItem(domain, env)
	}
	return m, err
}

func localPattern(local string) pattern {
	switch {
	case local == "*":
		return nil
	case strings.HasPrefix(local, "*"):
		return ending(local[1:])
	}
	return localPart(local)
}

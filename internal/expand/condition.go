package expand

import (
	"maps"
	"slices"
	"strings"
)

// condition is what stands behind ${if: a question with yes or no for an answer.
type condition interface {
	holds(e *evaluation) (bool, error)
}

// conditional is ${if condition {yes}{no}}.
type conditional struct {
	condition
	branches
}

func parseIf(p *parser) (node, error) {
	c, err := p.condition()
	if err != nil {
		return nil, err
	}
	b, err := p.branches("if")
	return &conditional{c, b}, err
}

func (c *conditional) eval(e *evaluation) error {
	groups := e.groups // what a match sets holds up to the end of the item
	ok, err := c.holds(e)
	if err == nil && c.bare && ok {
		err = e.write("true", false)
	} else if err == nil {
		err = c.run(e, ok, e.value)
	}
	e.groups = groups
	return err
}

// condition reads one condition, with the ! before it.
func (p *parser) condition() (condition, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	not := false
	for p.space(); p.peek() == '!'; p.space() {
		not = !not
		p.at++
	}
	c, err := p.oneCondition()
	if not {
		c = negation{c}
	}
	return c, err
}

func (p *parser) oneCondition() (condition, error) {
	at := p.at
	name := p.word()
	if name == "" {
		for p.at < len(p.src) && strings.IndexByte("<=>", p.src[p.at]) >= 0 {
			p.at++
		}
		name = p.src[at:p.at]
	}
	switch name {
	case "":
		return nil, p.fault(at, "a condition is missing")
	case "def":
		return p.defined()
	case "and", "or":
		return p.conditions(name)
	case "match":
		return p.match()
	case "match_domain", "match_address", "match_ip":
		return p.matchList(name)
	}
	row, ok := compared[name]
	if !ok {
		have := append(slices.Collect(maps.Keys(compared)), "def", "and", "or", "match", "match_ip", "match_domain", "match_address")
		return nil, p.fault(at, "there is no condition %q%s", name, like(name, have))
	}
	c := comparison{ask: row.ask}
	for range row.args {
		a, err := p.argument(name)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, a)
	}
	return &c, nil
}

type negation struct{ condition }

func (n negation) holds(e *evaluation) (bool, error) {
	ok, err := n.condition.holds(e)
	return !ok, err
}

type comparison struct {
	args []sequence
	ask  func(e *evaluation, v []Value) (bool, error)
}

func (c *comparison) holds(e *evaluation) (bool, error) {
	v, err := takeAll(e, c.args)
	if err != nil {
		return false, err
	}
	return c.ask(e, v)
}

// defined is def:name.
type defined Var

func (p *parser) defined() (condition, error) {
	if p.peek() != ':' {
		return nil, p.fault(p.at, "behind def stands a : and the name of a variable")
	}
	p.at++
	at := p.at
	v, err := p.known(at, p.word())
	return defined(v), err
}

func (d defined) holds(e *evaluation) (bool, error) {
	at := len(e.out)
	e.out = e.env.AppendVar(e.out, Var(d))
	set := len(e.out) > at
	e.out = e.out[:at]
	return set, e.spend(0)
}

// connective is and{...} (which a false one decides) or or{...} (a true one).
type connective struct {
	decides bool
	all     []condition
}

func (p *parser) conditions(name string) (condition, error) {
	c := connective{decides: name == "or"}
	if p.space(); p.peek() != '{' {
		return nil, p.fault(p.at, "behind %s stands {{condition}{condition}...}", name)
	}
	p.at++
	for {
		switch p.space(); p.peek() {
		case '}':
			p.at++
			return &c, nil
		case '{':
			p.at++
		default:
			return nil, p.fault(p.at, "each condition of %s{...} stands in its own {}", name)
		}
		one, err := p.condition()
		if err != nil {
			return nil, err
		}
		if err := p.close("a condition of " + name); err != nil {
			return nil, err
		}
		c.all = append(c.all, one)
	}
}

func (c *connective) holds(e *evaluation) (bool, error) {
	for _, one := range c.all {
		if ok, err := one.holds(e); err != nil || ok == c.decides {
			return ok, err
		}
	}
	return !c.decides, nil
}

// matching is match{subject}{regex}: it sets $0 to $9.
type matching struct {
	subject sequence
	pattern pattern
}

func (p *parser) match() (condition, error) {
	subject, err := p.argument("match")
	if err != nil {
		return nil, err
	}
	re, err := p.pattern("match")
	return &matching{subject, re}, err
}

func (m *matching) holds(e *evaluation) (bool, error) {
	subject, err := m.subject.take(e)
	if err != nil {
		return false, err
	}
	re, err := m.pattern.get(e)
	if err != nil {
		return false, err
	}
	if err := re.charge(e, len(subject.text)); err != nil {
		return false, err
	}
	found := re.FindStringSubmatchIndex(subject.text)
	if found != nil {
		e.setGroups(subject, found)
	}
	return found != nil, nil
}

// setGroups sets $0 to $9 to what was found in a text.
func (e *evaluation) setGroups(in Value, found []int) {
	e.groups = [10]Value{}
	for i := range min(len(found)/2, len(e.groups)) {
		if found[2*i] >= 0 {
			e.groups[i] = Value{in.text[found[2*i]:found[2*i+1]], in.network}
		}
	}
}

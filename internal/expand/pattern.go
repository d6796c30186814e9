package expand

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync/atomic"
)

// pattern is an argument that is a regular expression. One in clear is compiled
// when the string is parsed, another when it changes.
type pattern struct {
	source sequence
	last   *atomic.Pointer[expression]
}

// expression is a compiled regular expression.
type expression struct {
	*regexp.Regexp
	source string
	steps  int  // work for each byte looked at
	rescan bool // what a match looks at may go far beyond it: all matches take quadratic time
}

const maxPattern = 4096 // bytes

// pattern reads an argument of an item or condition.
func (p *parser) pattern(of string) (pattern, error) {
	p.space()
	at := p.at
	source, err := p.argument(of)
	if err != nil {
		return pattern{}, err
	}
	pat := pattern{source, new(atomic.Pointer[expression])}
	if text, ok := source.constant(); ok {
		x, err := compile(text)
		if err != nil {
			return pat, p.fault(at+1, "%v", err)
		}
		pat.last.Store(x)
	}
	return pat, nil
}

func (p pattern) get(e *evaluation) (*expression, error) {
	v, err := p.source.take(e)
	if err != nil {
		return nil, err
	}
	if x := p.last.Load(); x != nil && x.source == v.text {
		return x, nil
	}
	x, err := compile(v.text)
	if err != nil {
		return nil, err
	}
	p.last.Store(x)
	return x, e.spend(100 * len(v.text))
}

func compile(source string) (*expression, error) {
	if len(source) > maxPattern {
		return nil, fmt.Errorf("a regular expression of %d bytes; the longest allowed has %d", len(source), maxPattern)
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, fmt.Errorf("faulty regular expression (RE2): %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	parsed, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	return &expression{re, source, 1 + len(prog.Inst)/4, unbounded(parsed)}, nil
}

// unbounded reports whether there is no longest text that an expression matches.
func unbounded(re *syntax.Regexp) bool {
	if re.Op == syntax.OpStar || re.Op == syntax.OpPlus || re.Op == syntax.OpRepeat && re.Max < 0 {
		return true
	}
	for _, sub := range re.Sub {
		if unbounded(sub) {
			return true
		}
	}
	return false
}

// charge counts a search through so many bytes.
func (x *expression) charge(e *evaluation, bytes int) error {
	return e.spend(bytes * x.steps)
}

// chargeAll counts a search for all matches.
func (x *expression) chargeAll(e *evaluation, bytes int) error {
	if x.rescan {
		return x.charge(e, bytes+bytes*bytes/4)
	}
	return x.charge(e, bytes)
}

// substitution is ${sg{subject}{regex}{replacement}}.
type substitution struct {
	subject     sequence
	pattern     pattern
	replacement sequence
	inClear     bool
	parsed      sequence // the replacement, where it is in clear: it is expanded at each place
}

func parseSubstitution(p *parser) (node, error) {
	s := new(substitution)
	var err error
	if s.subject, err = p.argument("sg"); err != nil {
		return nil, err
	}
	if s.pattern, err = p.pattern("sg"); err != nil {
		return nil, err
	}
	p.space()
	at := p.at + 1
	if s.replacement, err = p.argument("sg"); err != nil {
		return nil, err
	}
	if written, ok := s.replacement.constant(); ok {
		inner, err := parse(written, p.opts)
		if fault := new(SyntaxError); errors.As(err, &fault) {
			return nil, p.fault(at, "in the replacement %q: %s", clip(written), fault.Text)
		}
		p.vars |= inner.vars
		s.inClear, s.parsed = true, inner.nodes
	}
	return s, p.close("the arguments of sg")
}

func (s *substitution) eval(e *evaluation) error {
	subject, err := s.subject.take(e)
	if err != nil {
		return err
	}
	re, err := s.pattern.get(e)
	if err != nil {
		return err
	}
	replacement, err := s.replacement.take(e)
	if err != nil {
		return err
	}
	if err := re.chargeAll(e, len(subject.text)); err != nil {
		return err
	}
	places := re.FindAllStringSubmatchIndex(subject.text, maxFound)
	if len(places) == maxFound {
		return fmt.Errorf("sg: the expression matches at more than %d places", maxFound-1)
	}
	groups := e.groups
	defer func() { e.groups = groups }()
	from := 0
	for _, found := range places {
		if err := e.write(subject.text[from:found[0]], subject.network); err != nil {
			return err
		}
		e.setGroups(subject, found)
		if err := s.replace(e, replacement); err != nil {
			return err
		}
		from = found[1]
	}
	return e.write(subject.text[from:], subject.network)
}

// maxFound bounds the memory that the places found take.
const maxFound = 50_000

// replace writes what one place becomes.
func (s *substitution) replace(e *evaluation, v Value) error {
	if s.inClear {
		return s.parsed.eval(e)
	}
	if !strings.ContainsAny(v.text, `$\`) {
		return e.write(v.text, v.network)
	}
	return e.expandText(v)
}

package expand

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mtad/internal/lookup"
)

// Parse reads a string. The error is a *SyntaxError: the first thing that is
// wrong.
func Parse(s string, opts Options) (*String, error) {
	if opts.Files == nil {
		opts.Files = new(lookup.Files)
	}
	return parse(s, &opts)
}

func parse(s string, opts *Options) (*String, error) {
	p := parser{src: s, opts: opts}
	if len(s) > MaxSource {
		return nil, p.fault(0, "a string of %d bytes; the longest to be expanded has %d", len(s), MaxSource)
	}
	nodes, err := p.sequence(false)
	if err != nil {
		return nil, err
	}
	return &String{s, nodes, opts, p.vars}, nil
}

// parser reads src from at on.
type parser struct {
	src   string
	at    int
	depth int
	opts  *Options
	vars  Vars
	plain bool // a $ stands for itself: the list of a match_ condition
}

func (p *parser) fault(at int, format string, args ...any) error {
	return &SyntaxError{at + 1, fmt.Sprintf(format, args...)}
}

// peek returns the next character, 0 at the end.
func (p *parser) peek() byte {
	if p.at < len(p.src) {
		return p.src[p.at]
	}
	return 0
}

func (p *parser) space() {
	for p.at < len(p.src) && blankSet[p.src[p.at]] {
		p.at++
	}
}

// word reads letters, digits and underscores.
func (p *parser) word() string {
	start := p.at
	for p.at < len(p.src) && (isAlnum(p.src[p.at]) || p.src[p.at] == '_') {
		p.at++
	}
	return p.src[start:p.at]
}

func isAlnum(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// enter bounds how deep strings stand in strings.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.fault(p.at, "strings in strings, more than %d deep", maxDepth)
	}
	return nil
}

// sequence reads a string: to a } that ends it, which stays, or to the end.
func (p *parser) sequence(braced bool) (sequence, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var nodes sequence
	var lit []byte
	flush := func() {
		if len(lit) > 0 {
			nodes, lit = append(nodes, text(lit)), nil
		}
	}
	for p.at < len(p.src) {
		switch c := p.src[p.at]; {
		case c == '}' && braced:
			flush()
			return nodes, nil
		case c == '\\':
			var err error
			if lit, err = p.escape(lit); err != nil {
				return nil, err
			}
		case c == '$' && !p.plain:
			flush()
			n, err := p.dollar()
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, n)
		default:
			lit = append(lit, c)
			p.at++
		}
	}
	flush()
	if braced {
		return nil, p.fault(p.at, "a } is missing at the end")
	}
	return nodes, nil
}

// escape reads what a backslash protects or stands for.
func (p *parser) escape(lit []byte) ([]byte, error) {
	p.at++
	c := p.peek()
	switch {
	case p.at == len(p.src):
		return nil, p.fault(p.at-1, `nothing stands behind the \`)
	case c == 'N': // up to the next \N as it is
		verbatim, _, ended := strings.Cut(p.src[p.at+1:], `\N`)
		p.at += 1 + len(verbatim)
		if ended {
			p.at += 2
		}
		return append(lit, verbatim...), nil
	case c == 'x' || '0' <= c && c <= '7':
		return p.code(lit)
	}
	p.at++
	if i := strings.IndexByte("nrt", c); i >= 0 {
		c = "\n\r\t"[i]
	}
	return append(lit, c), nil
}

// code reads a character given by its number: \x and up to two hexadecimal
// digits, or up to three octal ones.
func (p *parser) code(lit []byte) ([]byte, error) {
	base, most, start := 8, 3, p.at
	if p.peek() == 'x' {
		base, most, start = 16, 2, p.at+1
	}
	end := start
	for end < len(p.src) && end < start+most {
		if _, err := strconv.ParseUint(p.src[end:end+1], base, 8); err != nil {
			break
		}
		end++
	}
	if end == start {
		return nil, p.fault(p.at-1, `hexadecimal digits are missing behind \x`)
	}
	n, _ := strconv.ParseUint(p.src[start:end], base, 16)
	p.at = end
	return append(lit, byte(n)), nil
}

// dollar reads what begins with a $.
func (p *parser) dollar() (node, error) {
	start := p.at
	p.at++
	switch c := p.peek(); {
	case c == '{':
		p.at++
		return p.braced(start)
	case isDigit(c):
		return p.group(), nil
	case isAlnum(c):
		at := p.at
		return p.variable(at, p.word())
	}
	return nil, p.fault(start, `behind a $ stands a letter, a digit or {; a $ itself is written \$`)
}

// group reads a number.
func (p *parser) group() node {
	start := p.at
	for isDigit(p.peek()) {
		p.at++
	}
	n, err := strconv.Atoi(p.src[start:p.at])
	if err != nil {
		n = 10 // any that is never set
	}
	return group(n)
}

func (p *parser) variable(at int, name string) (node, error) {
	if name == "value" {
		return value{}, nil
	}
	v, err := p.known(at, name)
	return variable(v), err
}

// known returns the variable of a name, if it exists here.
func (p *parser) known(at int, name string) (Var, error) {
	v, ok := VarNamed(name)
	if ok && p.opts.Vars.Has(v) {
		p.vars |= VarsOf(v)
		return v, nil
	}
	var here []string
	for w := range varCount {
		if p.opts.Vars.Has(w) {
			here = append(here, w.String())
		}
	}
	if ok {
		slices.Sort(here)
		return 0, p.fault(at, "the variable %s does not exist here; there are: value, %s", name, strings.Join(here, ", "))
	}
	return 0, p.fault(at, "there is no variable %q%s", name, like(name, append(here, "value")))
}

// braced reads what stands behind ${: an item, an operator or a variable.
func (p *parser) braced(start int) (node, error) {
	at := p.at
	if !isAlnum(p.peek()) {
		return nil, p.fault(at, "a letter or digit is missing behind ${")
	}
	if isDigit(p.peek()) {
		n := p.group()
		return n, p.close("the number")
	}
	name := p.word()
	if strings.HasSuffix(name, "_") && p.peek() == '-' { // substr_-3
		p.at++
		name += "-" + p.word()
	}
	if read, ok := items[name]; ok && p.peek() != ':' {
		n, err := read(p)
		return n, err
	}
	if why, ok := refused[name]; ok {
		return nil, p.fault(start, "there is no ${%s} here: %s", name, why)
	}
	switch p.peek() {
	case ':':
		p.at++
		return p.operator(at, name)
	case '}':
		p.at++
		return p.variable(at, name)
	case '{':
		return nil, p.fault(at, "there is no item %q%s", name, like(name, slices.Collect(maps.Keys(items))))
	}
	return nil, p.fault(p.at, "behind ${%s a }, : or { is missing", name)
}

// refused are items of Exim that are left out on purpose.
var refused = map[string]string{
	"run":        "no program is ever started",
	"perl":       "no program is ever started",
	"dlfunc":     "no code is ever loaded",
	"readsocket": "an expansion never waits for a socket",
	"acl":        "there are no ACLs",
}

// close reads the } behind something.
func (p *parser) close(behind string) error {
	p.space()
	if p.peek() != '}' {
		return p.fault(p.at, "a } is missing behind %s", behind)
	}
	p.at++
	return nil
}

// argument reads {string}.
func (p *parser) argument(of string) (sequence, error) {
	p.space()
	if p.peek() != '{' {
		return nil, p.fault(p.at, "a {...} is missing: an argument of %s", of)
	}
	p.at++
	s, err := p.sequence(true)
	if err != nil {
		return nil, err
	}
	p.at++ // sequence stopped at its }
	return s, nil
}

// arguments reads {string}{string}..., at least least, at most most, and the }
// behind them.
func (p *parser) arguments(of string, least, most int) ([]sequence, error) {
	var args []sequence
	for {
		if p.space(); p.peek() != '{' && len(args) >= least {
			return args, p.close("the arguments of " + of)
		}
		if len(args) == most {
			return nil, p.fault(p.at, "%s has %d arguments at most", of, most)
		}
		a, err := p.argument(of)
		if err != nil {
			return nil, err
		}
		args = append(args, a)
	}
}

// branches are what is taken when an item succeeds or fails.
type branches struct {
	bare    bool // neither was written: the value itself
	yes, no sequence
	fail    bool // failure is forced instead of no
}

// branches reads {yes}{no}, {yes}fail, {yes} or nothing, and the } behind.
func (p *parser) branches(of string) (b branches, err error) {
	if p.space(); p.peek() == '}' {
		p.at++
		return branches{bare: true}, nil
	}
	if b.yes, err = p.argument(of + ` for "yes"`); err != nil {
		return b, err
	}
	p.space()
	switch start := p.at; {
	case p.peek() == '{':
		if b.no, err = p.argument(of); err != nil {
			return b, err
		}
		b.fail = p.src[start:p.at] == "{fail}"
	case p.peek() != '}':
		if w := p.word(); w != "fail" {
			return b, p.fault(start, `behind "yes" of %s stands {...}, fail or }`, of)
		}
		b.fail = true
	}
	return b, p.close(of)
}

// run takes the branch that ok says, with $value set to found in "yes".
func (b *branches) run(e *evaluation, ok bool, found Value) error {
	switch {
	case ok && b.bare:
		return e.write(found.text, found.network)
	case ok:
		before := e.value
		e.value = found
		err := b.yes.eval(e)
		e.value = before
		return err
	case b.fail:
		return ErrForced
	}
	return b.no.eval(e)
}

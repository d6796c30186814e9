package selector

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mtad/internal/config"
	"mtad/internal/spell"
	"mtad/spool"
)

// What one selector may cost at most.
const (
	maxText   = 1 << 20 // bytes
	maxTerms  = 100
	maxValues = 10_000 // in all
	maxValue  = 1024   // bytes
)

var errNothing = errors.New(`nothing is selected: name ids, or terms as domain=example.com age>2h; "all" is every message`)

// Parse reads a selector. The error says what would be right; an empty one is an error
// too: nobody means all messages by saying nothing.
func Parse(text string) (*Selector, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("a selector may have %d bytes at most", maxText)
	}
	b := builder{s: &Selector{text: strings.TrimSpace(text)}}
	for rest := b.s.text; rest != ""; {
		var err error
		if rest, err = b.term(rest); err != nil {
			return nil, err
		}
		rest = strings.TrimLeft(rest, " \t\r\n")
	}
	return b.finish()
}

// ParseWords reads a selector from the words of a command line. A word may be several
// terms, or one whose quotes the shell has taken off: error~timed out.
func ParseWords(words []string) (*Selector, error) {
	terms := make([]string, len(words))
	for i, w := range words {
		terms[i] = w
		name, op, v := cutTerm(w)
		if op == "" || !strings.ContainsAny(v, " \t") {
			continue
		}
		if _, err := Parse(w); err != nil {
			terms[i] = name + op + quote(v)
		}
	}
	return Parse(strings.Join(terms, " "))
}

// Term writes one term of a field, for callers that have name and values apart. A
// value may begin with an operator; = is the default.
func Term(name string, values ...string) string {
	op := "="
	quoted := make([]string, len(values))
	for i, v := range values {
		if o := leadingOp(v); o != "" {
			op, v = o, strings.TrimLeft(v[len(o):], " ")
		}
		quoted[i] = quote(v)
	}
	return name + op + strings.Join(quoted, ",")
}

func quote(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

type builder struct {
	s      *Selector
	all    bool
	values int
	ids    []spool.ID // named bare
}

func (b *builder) finish() (*Selector, error) {
	s := b.s
	if len(s.terms) == 0 && !b.all && len(b.ids) == 0 {
		return nil, errNothing
	}
	s.whole = true
	for i := range s.terms {
		t := &s.terms[i]
		s.whole = s.whole && t.field.of != ofRecipient
		s.where = s.where || t.field.aboutPlaces()
	}
	slices.SortFunc(b.ids, func(x, y spool.ID) int { return strings.Compare(string(x[:]), string(y[:])) })
	s.ids = slices.Compact(b.ids)
	return s, nil
}

// term takes one term off the front.
func (b *builder) term(text string) (rest string, err error) {
	word := text
	if i := strings.IndexAny(text, " \t\r\n\""); i >= 0 {
		word = text[:i]
	}
	name, op, _ := cutTerm(word)
	switch {
	case op == "":
		return text[len(word):], b.bare(word)
	case len(b.s.terms) == maxTerms:
		return "", fmt.Errorf("a selector may have %d terms at most", maxTerms)
	}
	t := term{op: strings.TrimPrefix(op, "!"), not: strings.HasPrefix(op, "!")}
	full := name + op
	if n, ok := strings.CutPrefix(name, "!"); ok {
		name, t.not = n, !t.not
	}
	if t.field, err = fieldNamed(name); err != nil {
		return "", err
	}
	if numeric := t.field.num != nil; numeric && t.op == "~" || !numeric && t.op != "=" && t.op != "~" {
		return "", fmt.Errorf("%s cannot be compared with %q; %s", name, op, operators(t.field))
	}
	if rest, err = b.list(&t, text[len(full):]); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	b.onlyIDs(&t)
	b.s.terms = append(b.s.terms, t)
	return rest, nil
}

func operators(f *field) string {
	if f.num != nil {
		return "use = != < <= > >="
	}
	return "use = != ~ !~"
}

func fieldNamed(name string) (*field, error) {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i], nil
		}
	}
	hint := "there are " + strings.Join(Fields(), ", ")
	if near := spell.Nearest(name, Fields()); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return nil, fmt.Errorf("unknown field %q (%s)", name, hint)
}

// bare is a word without an operator: all, or an id.
func (b *builder) bare(word string) error {
	if word == "all" {
		b.all = true
		return nil
	}
	id, err := spool.ParseID(word)
	if err != nil {
		return fmt.Errorf("%q is neither a message id nor a term like domain=example.com, nor all", word)
	}
	if len(b.ids) == maxValues {
		return fmt.Errorf("a selector may name %d ids at most", maxValues)
	}
	b.ids = append(b.ids, id)
	return nil
}

// onlyIDs lets a term of whole ids bound the search.
func (b *builder) onlyIDs(t *term) {
	if t.field.name != "id" || t.not || t.op != "=" || b.ids != nil {
		return
	}
	var ids []spool.ID
	for i := range t.any {
		text, plain := t.any[i].pattern.Plain()
		id, err := spool.ParseID(t.any[i].written)
		if !plain || text == "" || err != nil {
			return
		}
		ids = append(ids, id)
	}
	b.ids = ids
}

// list reads the values of a term: words or quoted texts, commas between them.
func (b *builder) list(t *term, text string) (rest string, err error) {
	for {
		var v string
		if v, text, err = takeValue(text); err != nil {
			return "", err
		}
		if b.values++; b.values > maxValues {
			return "", fmt.Errorf("a selector may have %d values at most", maxValues)
		}
		one, err := newValue(t, v)
		if err != nil {
			return "", err
		}
		t.any = append(t.any, one)
		if text == "" || text[0] != ',' {
			break
		}
		text = text[1:]
	}
	if text != "" && !strings.ContainsRune(" \t\r\n", rune(text[0])) {
		return "", fmt.Errorf("%q stands behind the closing quote", text[:1])
	}
	return text, nil
}

// takeValue takes one value off the front.
func takeValue(text string) (v, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, " \t\r\n,\"")
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], nil
	}
	var out strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return out.String(), text[i+1:], nil
		case c == '\\' && i+1 < len(text):
			i++
			out.WriteByte(text[i])
		default:
			out.WriteByte(c)
		}
	}
	return "", "", errors.New("the closing quote is missing")
}

func newValue(t *term, text string) (v value, err error) {
	if len(text) > maxValue {
		return v, fmt.Errorf("a value may have %d bytes at most", maxValue)
	}
	v.written = text
	switch f := t.field; {
	case f.num != nil:
		v.number, err = parseNumber(f.unit, text)
	case text == "" && t.op == "~":
		err = errors.New("the text to find is missing")
	case f.name == "state" && t.op == "=" && !slices.Contains(States, fold(text)) && !strings.ContainsAny(text, "*?"):
		err = fmt.Errorf("%q is no state; there are %s", text, strings.Join(States, ", "))
	case f.name == "sender" && text == "<>":
		v.pattern = NewPattern("", false)
	default:
		v.network, _ = network(f, t.op, text)
		v.pattern = NewPattern(text, t.op == "~")
	}
	return v, err
}

// States are the values of state.
var States = []string{"ready", "active", "deferred", "frozen"}

func network(f *field, op, text string) (netip.Prefix, error) {
	if !f.net || op != "=" {
		return netip.Prefix{}, nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

func parseNumber(u unit, text string) (int64, error) {
	switch u {
	case seconds:
		d, err := config.ParseTime(text)
		return int64(d), err
	case bytes:
		return config.ParseSize(text)
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		err = fmt.Errorf("%q is no number", text)
	}
	return n, err
}

var ops = []string{"!=", "!~", "<=", ">=", "=", "~", "<", ">"}

func leadingOp(s string) string {
	for _, op := range ops {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

// cutTerm cuts a term at its operator; op is "" where there is none.
func cutTerm(word string) (name, op, value string) {
	from := 0
	if strings.HasPrefix(word, "!") {
		from = 1
	}
	for i := from; i < len(word); i++ {
		if o := leadingOp(word[i:]); o != "" {
			return word[:i], o, word[i+len(o):]
		}
	}
	return word, "", ""
}

package expand

import (
	"errors"
	"strconv"
	"strings"
)

// extraction is ${extract{name}{data}{yes}{no}} or ${extract{number}{separators}{data}{yes}{no}}.
// Which of the two may not be known before the first argument is expanded.
type extraction struct {
	first sequence
	rest  []sequence // 1 to 4
	fail  bool       // behind them stands fail
	last  bool       // the last is {fail}
}

func parseExtract(p *parser) (node, error) {
	first, err := p.argument("extract")
	if err != nil {
		return nil, err
	}
	x := extraction{first: first}
	start := 0
	for p.space(); p.peek() == '{'; p.space() {
		if len(x.rest) == 4 {
			return nil, p.fault(p.at, "extract has 5 arguments at most")
		}
		start = p.at
		a, err := p.argument("extract")
		if err != nil {
			return nil, err
		}
		x.rest = append(x.rest, a)
	}
	x.last = strings.TrimSpace(p.src[start:p.at]) == "{fail}"
	if at := p.at; p.peek() != '}' {
		if w := p.word(); w != "fail" {
			return nil, p.fault(at, "behind the arguments of extract stands fail or }")
		}
		x.fail = true
	}
	if text, ok := first.constant(); ok {
		most := 3
		if _, isNumber := fieldNumber(text); isNumber {
			most = 4
		}
		if err := x.check(text, most); err != nil {
			return nil, p.fault(p.at, "%v", err)
		}
	}
	return &x, p.close("extract")
}

// check looks at the number of arguments, at most most behind the first.
func (x *extraction) check(first string, most int) error {
	least := most - 2
	if x.fail {
		least++
		most--
	}
	switch {
	case strings.TrimSpace(first) == "":
		return errors.New("extract: the first argument is empty: it is a name or a number")
	case len(x.rest) < least:
		return errors.New("extract: an argument is missing: it takes {name}{data} or {number}{separators}{data}, then {yes}{no}")
	case len(x.rest) > most:
		return errors.New("extract: too many arguments: it takes {name}{data} or {number}{separators}{data}, then {yes}{no}")
	}
	return nil
}

func fieldNumber(s string) (int, bool) {
	s = strings.TrimSpace(s)
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

func (x *extraction) eval(e *evaluation) error {
	first, err := x.first.take(e)
	if err != nil {
		return err
	}
	number, numeric := fieldNumber(first.text)
	of := 1
	if numeric {
		of = 2
	}
	if err := x.check(first.text, of+2); err != nil {
		return err
	}
	args, err := takeAll(e, x.rest[:of])
	if err != nil {
		return err
	}
	data := args[of-1]
	var found string
	var ok bool
	if numeric {
		found, ok = field(number, args[0].text, data.text)
	} else {
		found, ok = named(strings.TrimSpace(first.text), data.text)
	}
	b := branches{bare: len(x.rest) == of, fail: x.fail}
	if len(x.rest) > of {
		b.yes = x.rest[of]
	}
	if len(x.rest) > of+1 {
		b.no, b.fail = x.rest[of+1], x.last
	}
	return b.run(e, ok, Value{found, data.network})
}

// field returns the field of that number, from 1, or from -1 backwards; 0 is
// all. Any of the separators ends a field.
func field(number int, separators, data string) (string, bool) {
	if number == 0 {
		return data, true
	}
	set := setOf(separators)
	if number < 0 {
		number += 2 + set.count(data)
		if number < 1 {
			return "", false
		}
	}
	for rest := data; ; number-- {
		end := set.index(rest)
		if end < 0 {
			return rest, number == 1
		}
		if number == 1 {
			return rest[:end], true
		}
		rest = rest[end+1:]
	}
}

// byteSet is a set of characters.
type byteSet [256]bool

func setOf(chars string) *byteSet {
	s := new(byteSet)
	for i := range len(chars) {
		s[chars[i]] = true
	}
	return s
}

// index returns where the first of the set stands in a text, or -1.
func (s *byteSet) index(text string) int {
	for i := range len(text) {
		if s[text[i]] {
			return i
		}
	}
	return -1
}

func (s *byteSet) count(text string) (n int) {
	for i := range len(text) {
		if s[text[i]] {
			n++
		}
	}
	return n
}

const blanks = " \t\n\r\f\v"

var blankSet, nameEnd = setOf(blanks), setOf("=" + blanks)

// named returns the value of a name in "a=1 b = 2 c="with blanks"".
func named(name, data string) (string, bool) {
	name = lower(name)
	for rest := strings.TrimLeft(data, blanks); rest != ""; rest = strings.TrimLeft(rest, blanks) {
		end := nameEnd.index(rest)
		if end < 0 {
			end = len(rest)
		}
		key := rest[:end]
		rest = strings.TrimLeft(rest[end:], blanks)
		if strings.HasPrefix(rest, "=") {
			rest = strings.TrimLeft(rest[1:], blanks)
		}
		var value string
		if value, rest = cutValue(rest); len(key) == len(name) && lower(key) == name {
			return value, true
		}
	}
	return "", false
}

// cutValue takes a word, or what stands in quotes, from the front of s.
func cutValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := blankSet.index(s)
		if end < 0 {
			return s, ""
		}
		return s[:end], s[end:]
	}
	p := parser{src: s, at: 1}
	var b []byte
	for p.at < len(s) && s[p.at] != '"' {
		if s[p.at] != '\\' || p.at+1 == len(s) {
			b = append(b, s[p.at])
			p.at++
		} else if more, err := p.escape(b); err == nil {
			b = more
		}
	}
	return string(b), s[min(p.at+1, len(s)):]
}

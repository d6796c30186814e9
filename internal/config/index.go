package config

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// index says on which line each key, table and array item of a TOML text
// stands: the library tells it for syntax errors only. Its keys are paths joined
// by NUL, items of arrays by their number.
type index map[string]int

// maxDepth bounds how deep arrays, tables and dotted keys may be nested.
const maxDepth = 32

// maxBrackets bounds the nesting that a text can have behind the place where
// the index lost its way.
const maxBrackets = 10_000

func at(path ...string) string { return strings.Join(path, "\x00") }

// line returns the line of a path, or of the nearest one above it.
func (x index) line(path ...string) int {
	for n := len(path); n > 0; n-- {
		if line, ok := x[at(path[:n]...)]; ok {
			return line
		}
	}
	return 1
}

// scanner walks TOML text. It is no judge of syntax: the library is, and runs
// after it. What it cannot read ends the walk.
type scanner struct {
	text   []byte
	pos    int
	line   int
	found  index
	counts map[string]int // items of each array of tables so far
}

// lost is how the walk ends early.
type lost struct{ reason string }

// makeIndex returns the index, and an error where the text is nested too deep
// to be given to the library.
func makeIndex(text []byte) (x index, line int, err error) {
	s := &scanner{text: text, line: 1, found: index{}, counts: map[string]int{}}
	x = s.found
	defer func() {
		l, ok := recover().(lost)
		if !ok {
			return
		}
		line = s.line
		if l.reason != "" {
			err = fmt.Errorf("%s", l.reason)
		} else if rest := s.text[min(s.pos, len(s.text)):]; bytes.Count(rest, []byte("["))+bytes.Count(rest, []byte("{")) > maxBrackets {
			err = fmt.Errorf("not understood from here on")
		}
	}()
	s.document()
	return
}

func (s *scanner) document() {
	var table []string
	for s.blank(true); s.pos < len(s.text); s.blank(true) {
		if s.peek() == '[' {
			table = s.header()
		} else {
			s.pair(table, 0)
		}
	}
}

// header reads [a.b] or [[a.b]] and returns the path its keys stand under.
func (s *scanner) header() []string {
	line := s.line
	s.pos++
	array := s.peek() == '['
	if array {
		s.pos++
	}
	var path []string
	parts := s.key()
	for i, part := range parts {
		path = append(path, part)
		n := s.counts[at(path...)]
		if last := i == len(parts)-1; last && array {
			s.counts[at(path...)] = n + 1
			s.mark(path, line)
			path = append(path, strconv.Itoa(n))
		} else if n > 0 {
			path = append(path, strconv.Itoa(n-1))
		}
	}
	s.mark(path, line)
	s.expect(']')
	if array {
		s.expect(']')
	}
	return path
}

// pair reads key = value.
func (s *scanner) pair(table []string, depth int) {
	line := s.line
	path := append([]string(nil), table...)
	for _, part := range s.key() {
		path = append(path, part)
		s.mark(path, line)
	}
	s.expect('=')
	s.blank(false)
	s.value(path, depth)
}

func (s *scanner) mark(path []string, line int) {
	if _, ok := s.found[at(path...)]; !ok {
		s.found[at(path...)] = line
	}
}

// key reads a dotted key, its parts bare or quoted.
func (s *scanner) key() []string {
	var parts []string
	for {
		s.blank(false)
		switch s.peek() {
		case '"', '\'':
			parts = append(parts, s.quoted())
		default:
			parts = append(parts, s.bare())
		}
		if len(parts) > maxDepth {
			panic(lost{fmt.Sprintf("a key of more than %d parts", maxDepth)})
		}
		s.blank(false)
		if s.peek() != '.' {
			return parts
		}
		s.pos++
	}
}

func (s *scanner) bare() string {
	start := s.pos
	for s.pos < len(s.text) && !bytes.ContainsRune([]byte(" \t\r\n.=[]{},#\"'"), rune(s.text[s.pos])) {
		s.pos++
	}
	if s.pos == start {
		panic(lost{})
	}
	return string(s.text[start:s.pos])
}

func (s *scanner) value(path []string, depth int) {
	if depth > maxDepth {
		panic(lost{fmt.Sprintf("nested more than %d deep", maxDepth)})
	}
	switch s.peek() {
	case '"', '\'':
		s.quoted()
	case '[':
		s.array(path, depth)
	case '{':
		s.inlineTable(path, depth)
	default:
		s.plain()
	}
}

// plain skips a number, a date or a word.
func (s *scanner) plain() {
	start := s.pos
	for s.pos < len(s.text) && !bytes.ContainsRune([]byte("\r\n,]}#"), rune(s.text[s.pos])) {
		s.pos++
	}
	if s.pos == start {
		panic(lost{})
	}
}

func (s *scanner) array(path []string, depth int) {
	s.pos++
	for n := 0; ; n++ {
		if s.blank(true); s.peek() == ']' {
			s.pos++
			return
		}
		item := append(append([]string(nil), path...), strconv.Itoa(n))
		s.mark(item, s.line)
		s.value(item, depth+1)
		if s.blank(true); s.peek() == ',' {
			s.pos++
		} else if s.peek() != ']' {
			panic(lost{})
		}
	}
}

func (s *scanner) inlineTable(path []string, depth int) {
	s.pos++
	for {
		if s.blank(true); s.peek() == '}' {
			s.pos++
			return
		}
		s.pair(path, depth+1)
		if s.blank(true); s.peek() == ',' {
			s.pos++
		} else if s.peek() != '}' {
			panic(lost{})
		}
	}
}

// quoted reads a string of any of the four kinds.
func (s *scanner) quoted() string {
	quote := s.text[s.pos]
	end := []byte{quote}
	if bytes.HasPrefix(s.text[s.pos:], []byte{quote, quote, quote}) {
		end = []byte{quote, quote, quote}
	}
	s.pos += len(end)
	start := s.pos
	for ; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '\n' && len(end) == 1:
			panic(lost{})
		case c == '\n':
			s.line++
		case c == '\\' && quote == '"':
			if s.pos++; s.pos < len(s.text) && s.text[s.pos] == '\n' {
				s.line++
			}
		case bytes.HasPrefix(s.text[s.pos:], end):
			inside := s.text[start:s.pos]
			s.pos += len(end)
			for len(end) == 3 && s.peek() == quote { // """ may have quotes right before it
				s.pos++
			}
			return unquote(inside, quote)
		}
	}
	panic(lost{})
}

// unquote resolves the escapes of a quoted key.
func unquote(inside []byte, quote byte) string {
	if quote == '"' && bytes.IndexByte(inside, '\\') >= 0 && utf8.Valid(inside) {
		if s, err := strconv.Unquote(`"` + string(inside) + `"`); err == nil {
			return s
		}
	}
	return string(inside)
}

// blank skips white space and comments, and line ends where these do not count.
func (s *scanner) blank(lines bool) {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\t':
		case lines && c == '\r':
		case lines && c == '\n':
			s.line++
		case lines && c == '#':
			for s.pos+1 < len(s.text) && s.text[s.pos+1] != '\n' {
				s.pos++
			}
		default:
			return
		}
		s.pos++
	}
}

func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) expect(c byte) {
	if s.blank(false); s.peek() != c {
		panic(lost{})
	}
	s.pos++
}

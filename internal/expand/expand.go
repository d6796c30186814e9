package expand

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"mtad/internal/lookup"
)

// ErrForced is what Eval returns where the string says that it is to fail: the
// option then counts as unset. Test for it with errors.Is.
var ErrForced = errors.New("forced")

// SyntaxError is what is wrong with a string.
type SyntaxError struct {
	Column int // in bytes, from 1
	Text   string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Text) }

// Options say where a string is used.
type Options struct {
	Vars     Vars          // the variables that exist there
	Dir      string        // the folder in which relative file names start
	Hostname string        // what @ means in a list
	Named    Lists         // what +name means in a list
	Files    *lookup.Files // shared by all strings of a configuration; nil: an own one
}

// Lists are the named lists of a configuration: for match_ip, match_domain and
// match_address.
type Lists struct {
	Hosts, Domains, Addresses map[string][]string
}

// Value is the outcome of an expansion.
type Value struct {
	text    string
	network bool
}

// Clean is a value that nobody on the network had a say in.
func Clean(text string) Value { return Value{text: text} }

// FromNetwork is a value that says what the network said.
func FromNetwork(text string) Value { return Value{text, true} }

// String returns the text.
func (v Value) String() string { return v.text }

// FromNetwork reports whether the network had a say in the text.
func (v Value) FromNetwork() bool { return v.network }

// FileName returns the text for use as the name of a file, or an error where
// the network had a say in it.
func (v Value) FileName() (string, error) {
	if v.network {
		return "", fmt.Errorf("%q is made of what came from the network and cannot name a file; look it up in a list or with dsearch", clip(v.text))
	}
	return v.text, nil
}

// String is a parsed string. It is immutable and safe for concurrent use.
type String struct {
	source string
	nodes  sequence
	opts   *Options
	vars   Vars
}

// Source returns the string as it was written.
func (s *String) Source() string { return s.source }

// Constant returns the text of a string in which there is nothing to expand.
func (s *String) Constant() (text string, ok bool) { return s.nodes.constant() }

// Uses returns the variables that the string names.
func (s *String) Uses() Vars { return s.vars }

// Limits of one evaluation.
const (
	MaxSource = 64 << 10 // bytes of a string to be parsed
	MaxOutput = 1 << 20  // bytes of a result
	maxDepth  = 50       // strings in strings
	maxWork   = 16 << 20 // bytes produced and looked at on the way, less than a second
)

// Eval expands the string. The error is ErrForced, or what went wrong.
func (s *String) Eval(env Env) (Value, error) { return s.EvalFrom(env, nil) }

// Start is what $value and $0 to $9 hold before any item has set them.
type Start struct {
	Value  Value
	Groups [10]Value
}

// EvalFrom is Eval where such things hold something; nil is as Eval.
func (s *String) EvalFrom(env Env, start *Start) (Value, error) {
	if text, ok := s.nodes.constant(); ok {
		return Value{text: text}, nil
	}
	e := evaluations.Get().(*evaluation)
	defer e.release()
	e.begin(s.opts, env, e.scratch[:0])
	if start != nil {
		e.value, e.groups = start.Value, start.Groups
	}
	if err := s.nodes.eval(e); err != nil {
		return Value{}, err
	}
	e.scratch = e.out
	return Value{string(e.out), e.network}, nil
}

// Append appends the expanded string to dst. With an error it returns dst as it
// was.
func (s *String) Append(dst []byte, env Env) ([]byte, error) {
	e := evaluations.Get().(*evaluation)
	defer e.release()
	e.begin(s.opts, env, dst)
	if err := s.nodes.eval(e); err != nil {
		return dst, err
	}
	return e.out, nil
}

// evaluation is one run over a tree. All text is written at the end of out;
// what an item works on is taken off again.
type evaluation struct {
	opts    *Options
	env     Env
	out     []byte
	start   int  // where our output begins in out
	network bool // something marked was written since the last mark
	depth   int
	work    int

	value  Value     // $value
	groups [10]Value // $0 to $9

	scratch []byte // memory for the next Eval
}

var evaluations = sync.Pool{New: func() any { return new(evaluation) }}

func (e *evaluation) begin(opts *Options, env Env, out []byte) {
	*e = evaluation{opts: opts, env: env, out: out, start: len(out), scratch: e.scratch}
}

// release gives the memory back, without what it refers to.
func (e *evaluation) release() {
	scratch := e.scratch
	if cap(scratch) > 16<<10 {
		scratch = nil
	}
	*e = evaluation{scratch: scratch}
	evaluations.Put(e)
}

// spend counts work.
func (e *evaluation) spend(bytes int) error {
	if e.work += bytes + 16; e.work > maxWork {
		return errors.New("the expansion takes too long: it goes over more than 16 MB of text")
	}
	if len(e.out)-e.start > MaxOutput {
		return errors.New("the expansion gives more than 1 MB")
	}
	return nil
}

// write appends text that was computed.
func (e *evaluation) write(text string, network bool) error {
	e.out = append(e.out, text...)
	e.network = e.network || network
	return e.spend(len(text))
}

// expandText parses and evaluates text that an evaluation gave.
func (e *evaluation) expandText(v Value) error {
	if v.network {
		return fmt.Errorf("%q is made of what came from the network and is not expanded again", clip(v.text))
	}
	if e.depth++; e.depth > maxDepth {
		return fmt.Errorf("strings that expand strings, more than %d deep", maxDepth)
	}
	defer func() { e.depth-- }()
	if err := e.spend(len(v.text)); err != nil {
		return err
	}
	s, err := parse(v.text, e.opts)
	if err != nil {
		return fmt.Errorf("in %q: %w", clip(v.text), err)
	}
	return s.nodes.eval(e)
}

// path makes a file name of a value.
func (e *evaluation) path(v Value) (string, error) {
	name, err := v.FileName()
	if err != nil {
		return "", err
	}
	if name == "" {
		return "", errors.New("the name of a file is empty")
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(e.opts.Dir, name)
	}
	return name, nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}

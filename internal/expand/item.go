package expand

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"strconv"
	"strings"

	"mtad/internal/lookup"
)

// items are what stands as ${name{...}...}; each reads its arguments and the }
// behind them.
var items map[string]func(p *parser) (node, error)

// Arguments are strings, in which items may stand: hence not an initializer.
func init() {
	items = map[string]func(p *parser) (node, error){
		"if":       parseIf,
		"extract":  parseExtract,
		"env":      parseEnv,
		"hmac":     fixed("hmac", 3, 3, evalHMAC),
		"lookup":   parseLookup,
		"readfile": fixed("readfile", 1, 2, evalReadFile),
		"sg":       parseSubstitution,
		"tr":       fixed("tr", 3, 3, evalTr),
		"length":   fixed("length", 2, 2, numbered("length")),
		"substr":   fixed("substr", 2, 3, numbered("substr")),
		"hash":     fixed("hash", 2, 3, numbered("hash")),
		"nhash":    fixed("nhash", 2, 3, numbered("nhash")),
	}
}

// call is an item that is a function of its arguments.
type call struct {
	args []sequence
	do   func(e *evaluation, args []Value) error
}

func fixed(name string, least, most int, do func(*evaluation, []Value) error) func(*parser) (node, error) {
	return func(p *parser) (node, error) {
		args, err := p.arguments(name, least, most)
		return &call{args, do}, err
	}
}

func (c *call) eval(e *evaluation) error {
	args, err := takeAll(e, c.args)
	if err != nil {
		return err
	}
	return c.do(e, args)
}

// numbered is an operator with numbers (operator.go) written as an item:
// ${substr{1}{2}{abc}}.
func numbered(name string) func(*evaluation, []Value) error {
	return func(e *evaluation, args []Value) error {
		last := len(args) - 1
		numbers := make([]int, last)
		for i, a := range args[:last] {
			n, err := strconv.Atoi(a.text)
			if err != nil {
				return fmt.Errorf("%s: %q is not a number", name, clip(a.text))
			}
			numbers[i] = n
		}
		f, err := withNumbers[name](numbers)
		if err != nil {
			return err
		}
		return e.write(f(args[last].text), args[last].network)
	}
}

var hashes = map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New}

func evalHMAC(e *evaluation, args []Value) error {
	make, ok := hashes[args[0].text]
	if !ok {
		return fmt.Errorf("hmac: there is no hash %q; there are md5, sha1 and sha256", clip(args[0].text))
	}
	mac := hmac.New(make, []byte(args[1].text))
	mac.Write([]byte(args[2].text))
	return e.write(hex.EncodeToString(mac.Sum(nil)), args[1].network || args[2].network)
}

// evalReadFile is ${readfile{name}{eol}}: the file, each newline replaced by eol.
func evalReadFile(e *evaluation, args []Value) error {
	path, err := e.path(args[0])
	if err != nil {
		return fmt.Errorf("readfile: %w", err)
	}
	data, err := lookup.ReadFile(path, MaxOutput)
	if err != nil {
		return fmt.Errorf("readfile: %w", err)
	}
	if len(args) == 1 {
		return e.write(string(data), false)
	}
	for i, line := range strings.Split(string(data), "\n") {
		if i > 0 {
			if err := e.write(args[1].text, args[1].network); err != nil {
				return err
			}
		}
		if err := e.write(line, false); err != nil {
			return err
		}
	}
	return nil
}

// evalTr is ${tr{subject}{from}{to}}: the last character of to stands for those
// that are missing there.
func evalTr(e *evaluation, args []Value) error {
	out, from, to := []byte(args[0].text), args[1].text, args[2].text
	if to != "" {
		var becomes [256]byte
		for c := range becomes {
			becomes[c] = byte(c)
		}
		for i := range len(from) {
			becomes[from[i]] = to[min(i, len(to)-1)]
		}
		for i, c := range out {
			out[i] = becomes[c]
		}
	}
	return e.write(string(out), args[0].network || args[1].network || args[2].network)
}

// environment is ${env{name}{yes}{no}}.
type environment struct {
	name sequence
	branches
}

func parseEnv(p *parser) (node, error) {
	name, err := p.argument("env")
	if err != nil {
		return nil, err
	}
	b, err := p.branches("env")
	return &environment{name, b}, err
}

func (n *environment) eval(e *evaluation) error {
	name, err := n.name.take(e)
	if err != nil {
		return err
	}
	found, ok := os.LookupEnv(name.text)
	return n.run(e, ok, Clean(found))
}

// search is ${lookup{key}type{file}{yes}{no}}.
type search struct {
	kind      lookup.Kind
	otherwise bool // lsearch*: the key * stands for all that are not there
	domains   bool // lsearch*@: before that, the key *@domain for all addresses there
	full      bool // dsearch,ret=full: the whole path
	key, file sequence
	branches
}

func parseLookup(p *parser) (node, error) {
	var s search
	var err error
	if s.key, err = p.argument("lookup"); err != nil {
		return nil, err
	}
	p.space()
	at := p.at
	for p.at < len(p.src) && strings.IndexByte("{} \t\n", p.src[p.at]) < 0 {
		p.at++
	}
	if err := s.setType(p.src[at:p.at]); err != nil {
		return nil, p.fault(at, "%v", err)
	}
	if s.file, err = p.argument("lookup"); err != nil {
		return nil, err
	}
	s.branches, err = p.branches("lookup")
	return &s, err
}

func (s *search) setType(written string) (err error) {
	name, option, _ := strings.Cut(written, ",")
	name, s.domains = strings.CutSuffix(name, "*@")
	if name, s.otherwise = strings.CutSuffix(name, "*"); s.domains {
		s.otherwise = true
	}
	if s.kind, err = lookup.ParseKind(name); err != nil {
		return err
	}
	s.full = option == "ret=full" && s.kind == lookup.DSearch
	if option != "" && !s.full {
		return fmt.Errorf("the option %q of %s does not exist here; there is ret=full for dsearch", option, name)
	}
	return nil
}

func (s *search) eval(e *evaluation) error {
	key, err := s.key.take(e)
	if err != nil {
		return err
	}
	file, err := s.file.take(e)
	if err != nil {
		return err
	}
	path, err := e.path(file)
	if err != nil {
		return fmt.Errorf("lookup: %w", err)
	}
	found, ok, err := s.find(e.opts.Files, path, key.text)
	if err != nil {
		return fmt.Errorf("lookup: %w", err)
	}
	if ok && s.full {
		found = path + "/" + found
	}
	return s.run(e, ok, Clean(found))
}

func (s *search) find(files *lookup.Files, path, key string) (found string, ok bool, err error) {
	found, ok, err = "", false, nil
	if key != "" {
		found, ok, err = files.Find(s.kind, path, key)
	}
	if at := strings.LastIndexByte(key, '@'); s.domains && at >= 0 && !ok && err == nil {
		found, ok, err = files.Find(s.kind, path, "*"+key[at:])
	}
	if !ok && err == nil && s.otherwise {
		return files.Default(s.kind, path)
	}
	return found, ok, err
}

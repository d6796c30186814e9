package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxFile bounds a configuration file; long lists stand in files of their own.
const maxFile = 4 << 20

// Load reads and checks a configuration file. The error is an *Errors with
// every mistake that was found.
func Load(file string) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, &Errors{[]Mistake{{file, 1, "", fmt.Sprintf("cannot tell its folder: %v", err)}}}
	}
	text, err := readFile(file)
	if err != nil {
		return nil, &Errors{[]Mistake{{file, 1, "", err.Error()}}}
	}
	return parse(file, dir, text)
}

// Default returns what an empty file means. Its folder is the working directory.
func Default() *Config {
	dir, err := filepath.Abs(".")
	if err != nil {
		dir = "."
	}
	b := newBinder("config.toml", dir, index{})
	b.config(map[string]any{})
	if len(b.mistakes) > 0 {
		panic("BUG: the defaults are faulty: " + (&Errors{b.mistakes}).Error())
	}
	return b.cfg
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no such file; -config names another")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the file: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("the file has more than %d MB; long lists go into files of their own", maxFile>>20)
	}
	return text, nil
}

// parse is Load without the file: syntax, then options one by one, then what
// they say of each other.
func parse(file, dir string, text []byte) (*Config, error) {
	lines, tree, err := decode(file, text)
	if err != nil {
		return nil, err
	}
	b := newBinder(file, dir, lines)
	b.config(tree)
	b.check()
	if len(b.mistakes) > 0 {
		return nil, &Errors{sortMistakes(b.mistakes)}
	}
	for _, w := range sortMistakes(b.warnings) {
		b.cfg.Warnings = append(b.cfg.Warnings, w.String())
	}
	return b.cfg, nil
}

// FindAdmin reads [admin] and looks at nothing else: with that a running daemon is found
// by a file that has mistakes elsewhere.
func FindAdmin(file string) (Admin, error) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return Admin{}, err
	}
	text, err := readFile(file)
	if err != nil {
		return Admin{}, &Errors{[]Mistake{{file, 1, "", err.Error()}}}
	}
	lines, tree, err := decode(file, text)
	if err != nil {
		return Admin{}, err
	}
	b := newBinder(file, dir, lines)
	for _, o := range options(reflect.ValueOf(b.cfg).Elem()) {
		if raw, given := tree[o.name]; given && o.name == "admin" {
			b.set(o, raw, []string{o.name})
		}
	}
	if len(b.mistakes) > 0 {
		return Admin{}, &Errors{sortMistakes(b.mistakes)}
	}
	return b.cfg.Admin, nil
}

// decode reads TOML.
func decode(file string, text []byte) (lines index, tree map[string]any, err error) {
	lines, line, err := makeIndex(text)
	if err != nil {
		return nil, nil, &Errors{[]Mistake{{file, line, "", err.Error()}}}
	}
	if _, err := toml.NewDecoder(bytes.NewReader(text)).Decode(&tree); err != nil {
		return nil, nil, &Errors{[]Mistake{syntaxMistake(file, err)}}
	}
	return lines, tree, nil
}

// syntaxMistake keeps the library's words and position.
func syntaxMistake(file string, err error) Mistake {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		return Mistake{file, 1, "", strings.TrimPrefix(err.Error(), "toml: ")}
	}
	text := pe.Message
	if text == "" {
		text = strings.TrimPrefix(err.Error(), "toml: ")
	}
	return Mistake{file, max(pe.Position.Line, 1), strings.ToValidUTF8(pe.LastKey, "?"), text}
}

// Package lookup finds a key in a file: the single-key look-ups of Exim.
//
//	lsearch      key: data                 the first line whose key is equal, blind to case
//	wildlsearch  *.suffix data, ^regex     the first line whose key matches
//	iplsearch    192.0.2.0/24: data        the first line whose network has the address
//	dsearch      a folder                  the entry that has the key's name
//
// Files are kept parsed and read anew when they change (watch.go).
package lookup

import (
	"fmt"
	"strings"
	"sync"
)

// Kind is a way to find a key.
type Kind uint8

const (
	LSearch Kind = iota
	WildLSearch
	IPLSearch
	DSearch
)

var kinds = map[string]Kind{
	"lsearch": LSearch, "wildlsearch": WildLSearch, "iplsearch": IPLSearch, "cidr": IPLSearch, "dsearch": DSearch,
}

// ParseKind returns the Kind that a name means. The error says what there is.
func ParseKind(name string) (Kind, error) {
	if k, ok := kinds[name]; ok {
		return k, nil
	}
	const have = "lsearch, wildlsearch, iplsearch (or cidr) and dsearch"
	if name == "cdb" {
		return 0, fmt.Errorf("look-ups of the type cdb are not in this build; there are %s", have)
	}
	return 0, fmt.Errorf("there is no look-up type %q; there are %s", name, have)
}

// Files are the files that keys were looked up in. The zero value is ready; it
// is safe for concurrent use.
type Files struct {
	mu   sync.Mutex
	open map[fileKey]*Watched[table]
}

type fileKey struct {
	kind Kind
	path string
}

// maxOpen bounds the files kept parsed: names may come from expansions.
const maxOpen = 256

// table is what a file says.
type table interface {
	find(key string) (value string, found bool, err error)
	star() (value string, found bool) // of the key *
}

// Find returns what the file at path (for DSearch: the folder) says of key. An
// error means that nothing is known: the file is not to be read, a line of it is
// faulty, or the key is not of the kind that the look-up takes.
func (f *Files) Find(kind Kind, path, key string) (value string, found bool, err error) {
	if kind == DSearch {
		return findEntry(path, key)
	}
	t, err := f.file(fileKey{kind, path}).Get()
	if err != nil {
		return "", false, err
	}
	return t.find(key)
}

// Default returns the data of the key * in a file: what stands for all keys
// that are not there.
func (f *Files) Default(kind Kind, path string) (value string, found bool, err error) {
	if kind == DSearch {
		return findEntry(path, "*")
	}
	e, err := f.file(fileKey{kind, path}).Get()
	if err != nil {
		return "", false, err
	}
	value, found = e.star()
	return value, found, nil
}

func (f *Files) file(key fileKey) *Watched[table] {
	f.mu.Lock()
	w := f.open[key]
	f.mu.Unlock()
	if w != nil {
		return w
	}
	w, _ = Watch(key.path, parsers[key.kind]) // Get tells the error, and tries again
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = make(map[fileKey]*Watched[table])
	}
	for k := range f.open {
		if len(f.open) < maxOpen {
			break
		}
		delete(f.open, k)
	}
	f.open[key] = w
	return w
}

var parsers = map[Kind]func([]string) (table, error){
	LSearch: parseExact, WildLSearch: parseWild, IPLSearch: parseNetworks,
}

// exact is a file of keys that are compared as they are, but for case.
type exact map[string]string

func (e exact) find(key string) (string, bool, error) {
	v, ok := e[fold(key)]
	return v, ok, nil
}

func (e exact) star() (string, bool) {
	v, ok := e["*"]
	return v, ok
}

func parseExact(lines []string) (table, error) {
	records := parseRecords(lines)
	e := make(exact, len(records))
	for _, r := range records {
		key := fold(r.key)
		if _, twice := e[key]; !twice {
			e[key] = r.data
		}
	}
	return e, nil
}

// fold makes ASCII letters small.
func fold(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					r |= 0x20
				}
				return r
			}, s)
		}
	}
	return s
}

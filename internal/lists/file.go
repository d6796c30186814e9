package lists

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"mtad/internal/lookup"
)

// file is an item that names a file: its lines stand in the list.
type file[S any] struct{ *lookup.Watched[[]entry[S]] }

func openFile[S any](path string, parse func([]string) ([]entry[S], error)) (matcher[S], error) {
	w, err := lookup.Watch(path, parse)
	return file[S]{w}, err
}

func (f file[S]) entries() ([]entry[S], error) { return f.Get() }

func (f file[S]) match(S) (Answer, string) {
	panic("BUG: the lines of a list file are matched one by one")
}

// netLookup is net-lsearch;/file or net24-lsearch;/file: the address, or its
// network of that size, is a key of the file.
type netLookup struct {
	bits int // -1: the whole address
	keys *lookup.Watched[map[netip.Prefix]struct{}]
}

func parseNetLookup(item, dir string) (matcher[Host], error) {
	kind, path, _ := strings.Cut(item, ";")
	mask, search, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(kind), "net"), "-")
	m := netLookup{bits: -1}
	if mask != "" {
		n, err := strconv.Atoi(mask)
		if err != nil || n < 0 || n > 128 {
			return nil, errors.New("a look-up by network is written net24-lsearch;/file, with a prefix length of 0 to 128")
		}
		m.bits = n
	}
	if search != "lsearch" && search != "iplsearch" {
		return nil, fmt.Errorf("look-ups in host lists are net-lsearch;/file and net24-lsearch;/file, not %q", kind)
	}
	if path = strings.TrimSpace(path); path == "" {
		return nil, errors.New("the name of the file is missing behind the ;")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	var err error
	m.keys, err = lookup.Watch(path, parseNetKeys)
	return m, err
}

func (m netLookup) match(h Host) (Answer, string) {
	keys, err := m.keys.Get()
	if err != nil {
		return Unknown, ""
	}
	bits := m.bits
	if bits < 0 || bits > h.Addr.BitLen() {
		bits = h.Addr.BitLen()
	}
	p, err := h.Addr.Prefix(bits)
	if err != nil {
		return No, ""
	}
	_, ok := keys[p]
	return answer(ok), ""
}

// parseNetKeys reads the keys of a linearly searched file; what follows them is
// not looked at. A line that begins with white space goes on with the one before.
func parseNetKeys(lines []string) (map[netip.Prefix]struct{}, error) {
	keys := make(map[netip.Prefix]struct{}, len(lines))
	for i, line := range lines {
		if line == "" || line[0] == ' ' || line[0] == '\t' || line[0] == '#' {
			continue
		}
		p, err := parseNetKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		keys[p] = struct{}{}
	}
	return keys, nil
}

// parseNetKey reads 192.0.2.1, 192.0.2.0/24, and IPv6 either in quotes or with
// dots for colons in eight groups, since a colon ends a key.
func parseNetKey(line string) (netip.Prefix, error) {
	var key string
	if line[0] == '"' {
		key, _, _ = strings.Cut(line[1:], `"`)
	} else if end := strings.IndexAny(line, ": \t"); end >= 0 {
		key = line[:end]
	} else {
		key = line
	}
	if strings.Count(key, ".") == 7 {
		key = strings.ReplaceAll(key, ".", ":")
	}
	n, err := parseNetwork(key)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: %w", key, err)
	}
	if n == nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network (IPv6 stands in quotes)", key)
	}
	return n.all[0].prefix, nil
}

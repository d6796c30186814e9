package expand

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// operators are what stands as ${name:string}: functions of one text.
var operators = map[string]func(s string) (string, error){
	"lc":         total(lower),
	"uc":         total(upper),
	"mask":       mask,
	"quote":      total(quote),
	"rxquote":    total(rxquote),
	"local_part": total(func(s string) string { local, _ := splitAddress(s); return local }),
	"domain":     total(func(s string) string { _, domain := splitAddress(s); return domain }),
	"address":    total(address),
	"base64":     total(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }),
	"md5":        total(func(s string) string { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) }),
	"sha1":       total(func(s string) string { sum := sha1.Sum([]byte(s)); return upper(hex.EncodeToString(sum[:])) }),
	"sha256":     total(func(s string) string { sum := sha256.Sum256([]byte(s)); return upper(hex.EncodeToString(sum[:])) }),
	"strlen":     total(func(s string) string { return strconv.Itoa(len(s)) }),
}

// withNumbers are the operators whose name ends in numbers: ${length_3:string}.
var withNumbers = map[string]func(numbers []int) (func(string) string, error){
	"length": length, "substr": substr, "hash": hashed, "nhash": nhashed,
}

func total(f func(string) string) func(string) (string, error) {
	return func(s string) (string, error) { return f(s), nil }
}

// operation is an operator and what it is applied to.
type operation struct {
	do  func(string) (string, error)
	arg sequence
}

func (o *operation) eval(e *evaluation) error {
	v, err := o.arg.take(e)
	if err != nil {
		return err
	}
	s, err := o.do(v.text)
	if err != nil {
		return err
	}
	return e.write(s, v.network)
}

// again is ${expand:string}.
type again struct{ arg sequence }

func (a again) eval(e *evaluation) error {
	v, err := a.arg.take(e)
	if err != nil {
		return err
	}
	return e.expandText(v)
}

// operator reads the string of an operator and the } behind it. at is where the
// name stands.
func (p *parser) operator(at int, name string) (node, error) {
	do, err := operatorNamed(name)
	if err != nil {
		return nil, p.fault(at, "%v", err)
	}
	arg, err := p.sequence(true)
	if err != nil {
		return nil, err
	}
	p.at++
	if name == "expand" {
		return again{arg}, nil
	}
	return &operation{do, arg}, nil
}

func operatorNamed(name string) (func(string) (string, error), error) {
	if do, ok := operators[name]; ok || name == "expand" {
		return do, nil
	}
	base, written, _ := strings.Cut(name, "_")
	if long, short := abbreviations[base]; short {
		base = long
	}
	make, ok := withNumbers[base]
	if !ok {
		have := slices.Concat(slices.Collect(maps.Keys(operators)), slices.Collect(maps.Keys(withNumbers)), []string{"expand"})
		return nil, fmt.Errorf("there is no operator %q%s", name, like(name, have))
	}
	var numbers []int
	for i, w := range strings.Split(written, "_") {
		n, err := strconv.Atoi(w)
		if err != nil || n < 0 && (i > 0 || base != "substr") {
			return nil, fmt.Errorf("the operator %s is written %s", base, forms[base])
		}
		numbers = append(numbers, n)
	}
	do, err := make(numbers)
	if err != nil {
		return nil, err
	}
	return total(do), nil
}

var abbreviations = map[string]string{"l": "length", "s": "substr", "nh": "nhash"}

var forms = map[string]string{
	"length": "${length_3:string}",
	"substr": "${substr_3:string}, ${substr_3_2:string} or ${substr_-3_2:string}",
	"hash":   "${hash_5:string} or ${hash_5_26:string}",
	"nhash":  "${nhash_64:string} or ${nhash_8_64:string}",
}

func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return mapBytes(s, 'A', 'Z')
		}
	}
	return s
}

func upper(s string) string { return mapBytes(s, 'a', 'z') }

// mapBytes changes the case of ASCII letters in a range.
func mapBytes(s string, from, to byte) string {
	b := []byte(s)
	for i, c := range b {
		if from <= c && c <= to {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}

// mask is an address and a prefix length made a network. IPv6 is written in
// full with dots for colons, so that it can be a key in a file.
func mask(s string) (string, error) {
	host, size, ok := strings.Cut(s, "/")
	if !ok {
		return "", fmt.Errorf("mask: %q has no prefix length: it is written 10.1.2.3/24", clip(s))
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return "", fmt.Errorf("mask: %q is not an IP address", clip(host))
	}
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 || n > addr.BitLen() {
		return "", fmt.Errorf("mask: a prefix length is 0 to %d, not %q", addr.BitLen(), clip(size))
	}
	p, err := addr.Prefix(n)
	if err != nil {
		return "", fmt.Errorf("mask: %w", err)
	}
	text := p.Addr().String()
	if addr.Is6() {
		var groups []string
		for b := p.Addr().AsSlice(); len(b) > 0; b = b[2:] {
			groups = append(groups, hex.EncodeToString(b[:2]))
		}
		text = strings.Join(groups, ".")
	}
	return text + "/" + strconv.Itoa(n), nil
}

// quote puts a string in quotes where it needs them.
func quote(s string) string {
	plain := s != ""
	for i := 0; i < len(s) && plain; i++ {
		plain = isAlnum(s[i]) || strings.IndexByte("_-.", s[i]) >= 0
	}
	if plain {
		return s
	}
	return `"` + quoting.Replace(s) + `"`
}

var quoting = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\r", `\r`)

// rxquote protects everything but letters and digits.
func rxquote(s string) string {
	b := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		if !isAlnum(s[i]) {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(b)
}

func length(n []int) (func(string) string, error) {
	if len(n) != 1 || n[0] < 0 {
		return nil, errors.New("length takes one number, which is not negative")
	}
	return func(s string) string { return s[:min(n[0], len(s))] }, nil
}

// substr takes an offset and a length. A negative offset counts from the end;
// without a length it is what is before that place that counts.
func substr(n []int) (func(string) string, error) {
	switch {
	case len(n) > 2:
		return nil, errors.New("substr takes an offset and a length, no more")
	case len(n) == 2 && n[1] < 0:
		return nil, errors.New("substr: the length is negative")
	}
	return func(s string) string {
		from, to := n[0], len(s)
		if from < 0 {
			from += len(s)
			if len(n) == 1 {
				from, to = 0, max(from, 0)
			}
		}
		if len(n) == 2 {
			to = min(from+min(n[1], len(s)-min(from, len(s))), len(s))
		}
		from, to = min(max(from, 0), len(s)), max(to, 0)
		return s[from:max(from, to)]
	}, nil
}

// hashLetters are what the hash operator makes of a string, in Exim's order, in
// which r and s changed places long ago.
const hashLetters = "abcdefghijklmnopqrtsuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// hashed folds a string into n letters, chosen among the first m.
func hashed(numbers []int) (func(string) string, error) {
	n, m := numbers[0], 26
	if len(numbers) > 1 {
		m = numbers[1]
	}
	if len(numbers) > 2 || n < 0 || m < 1 || m > len(hashLetters) {
		return nil, fmt.Errorf("hash takes a length and the number of letters to choose among, 1 to %d", len(hashLetters))
	}
	return func(s string) string {
		if n >= len(s) {
			return s
		}
		b := []byte(s[:n])
		for j := n; j < len(s) && n > 0; j++ {
			shift := (int(s[j]) + j) & 7
			b[(j-n)%n] ^= s[j]<<shift | s[j]>>(8-shift)
		}
		for i, c := range b {
			b[i] = hashLetters[int(c)%m]
		}
		return string(b)
	}, nil
}

// primes weigh the characters of nhash, from the last to the second.
var primes = [...]int{2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113}

// nhashed makes a number below n of a string, or two below n and m.
func nhashed(numbers []int) (func(string) string, error) {
	n, m := numbers[0], 1
	if len(numbers) > 1 {
		m = numbers[1]
	}
	const most = 1 << 30
	if len(numbers) > 2 || n < 1 || m < 1 || n > most || m > most {
		return nil, errors.New("nhash takes one or two numbers, from 1 on")
	}
	return func(s string) string {
		sum := 0
		for i := range len(s) {
			sum += int(s[i]) * primes[len(primes)-1-i%(len(primes)-1)]
		}
		sum %= n * m
		if len(numbers) == 1 {
			return strconv.Itoa(sum)
		}
		return strconv.Itoa(sum/m) + "/" + strconv.Itoa(sum%m)
	}, nil
}

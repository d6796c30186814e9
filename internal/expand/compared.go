package expand

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// compared are the conditions that are said of a fixed number of strings.
var compared = map[string]struct {
	args int
	ask  func(e *evaluation, v []Value) (bool, error)
}{
	"eq":      {2, func(_ *evaluation, v []Value) (bool, error) { return v[0].text == v[1].text, nil }},
	"eqi":     {2, func(_ *evaluation, v []Value) (bool, error) { return lower(v[0].text) == lower(v[1].text), nil }},
	"exists":  {1, exists},
	"isip":    {1, isIP(func(netip.Addr) bool { return true })},
	"isip4":   {1, isIP(netip.Addr.Is4)},
	"isip6":   {1, isIP(netip.Addr.Is6)},
	"crypteq": {2, func(e *evaluation, v []Value) (bool, error) { return cryptEqual(e, v[0].text, v[1].text) }},
	"bool":    {1, func(_ *evaluation, v []Value) (bool, error) { return parseBool(v[0].text) }},
	"=":       {2, number(func(a, b int64) bool { return a == b })},
	"==":      {2, number(func(a, b int64) bool { return a == b })},
	"<":       {2, number(func(a, b int64) bool { return a < b })},
	"<=":      {2, number(func(a, b int64) bool { return a <= b })},
	">":       {2, number(func(a, b int64) bool { return a > b })},
	">=":      {2, number(func(a, b int64) bool { return a >= b })},
}

func exists(e *evaluation, v []Value) (bool, error) {
	if v[0].text == "" {
		return false, nil
	}
	path, err := e.path(v[0])
	if err != nil {
		return false, err
	}
	_, err = os.Stat(path)
	return err == nil, nil
}

func isIP(of func(netip.Addr) bool) func(*evaluation, []Value) (bool, error) {
	return func(_ *evaluation, v []Value) (bool, error) {
		addr, err := netip.ParseAddr(v[0].text)
		return err == nil && of(addr), nil
	}
}

// parseBool reads what bool{} takes.
func parseBool(s string) (bool, error) {
	s = lower(strings.TrimSpace(s))
	switch s {
	case "true", "yes":
		return true, nil
	case "false", "no", "":
		return false, nil
	}
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return false, fmt.Errorf("bool: %q is neither true, false, yes, no nor a number", clip(s))
	}
	return strings.Trim(digits, "0") != "", nil
}

func number(ask func(a, b int64) bool) func(*evaluation, []Value) (bool, error) {
	return func(_ *evaluation, v []Value) (bool, error) {
		a, err := parseNumber(v[0].text)
		if err != nil {
			return false, err
		}
		b, err := parseNumber(v[1].text)
		return err == nil && ask(a, b), err
	}
}

// parseNumber reads a decimal number, with K, M or G for 2 to the power of 10,
// 20 or 30. An empty string is 0.
func parseNumber(s string) (int64, error) {
	digits := strings.TrimSpace(s)
	if digits == "" {
		return 0, nil
	}
	factor := int64(1)
	if i := strings.IndexByte("kmg", digits[len(digits)-1]|0x20); i >= 0 {
		factor <<= 10 * (i + 1)
		digits = digits[:len(digits)-1]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if errors.Is(err, strconv.ErrRange) || err == nil && (n*factor)/factor != n {
		return 0, fmt.Errorf("the number %q is too large", clip(s))
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", clip(s))
	}
	return n * factor, nil
}

package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"mtad/internal/expand"
	"mtad/internal/lookup"
)

// binder turns what stands in the file into the fields of a Config. What is
// wrong is noted, and the next option is looked at.
type binder struct {
	file     string
	lines    index
	cfg      *Config
	mistakes []Mistake
	warnings []Mistake
	files    *lookup.Files // of all expansions
}

func newBinder(file, dir string, lines index) *binder {
	cfg := &Config{File: file, Dir: dir, lines: lines}
	cfg.PrimaryHostname, _ = os.Hostname()
	if checkHostName(cfg.PrimaryHostname) != nil {
		cfg.PrimaryHostname = "localhost"
	}
	return &binder{file: file, lines: lines, cfg: cfg, files: new(lookup.Files)}
}

// wrong notes a mistake at the option of that path.
func (b *binder) wrong(path []string, format string, args ...any) {
	b.mistakes = append(b.mistakes, b.mistake(path, format, args...))
}

func (b *binder) warn(path []string, format string, args ...any) {
	b.warnings = append(b.warnings, b.mistake(path, format, args...))
}

func (b *binder) mistake(path []string, format string, args ...any) Mistake {
	return Mistake{b.file, b.lines.line(path...), keyName(path), fmt.Sprintf(format, args...)}
}

// keyName is a path as people write it: the numbers of array items left out.
func keyName(path []string) string {
	var parts []string
	for i, p := range path {
		if _, err := strconv.Atoi(p); err == nil && i > 0 {
			continue
		}
		if strings.Trim(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			p = strconv.Quote(p)
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, ".")
}

// under returns the path of something below another.
func under(path []string, name string) []string {
	return append(path[:len(path):len(path)], name)
}

// config binds a whole file.
func (b *binder) config(tree map[string]any) {
	b.table(reflect.ValueOf(b.cfg).Elem(), tree, nil)
	if _, ok := tree["primary_hostname"]; !ok {
		b.say("", "primary_hostname", saying{is: b.cfg.PrimaryHostname, text: strconv.Quote(b.cfg.PrimaryHostname), path: []string{"primary_hostname"}, restart: "refused"})
	}
	if _, ok := tree["check_spool_space"]; !ok {
		b.cfg.CheckSpoolSpace = 10<<20 + b.cfg.MessageSizeLimit
	}
	if _, ok := tree["listen"]; !ok {
		b.cfg.Listen = []Listen{{Address: "127.0.0.1:25", TLS: "starttls", Protocol: "smtp"}}
	}
	if b.cfg.Transports == nil {
		b.cfg.Transports = map[string]*Transport{}
	}
	if b.cfg.Transports["smtp"] == nil {
		b.cfg.Transports["smtp"] = b.transport("smtp", map[string]any{})
	}
	if len(b.cfg.Routers) == 0 {
		b.cfg.Routers = make([]Router, 1)
		b.table(reflect.ValueOf(&b.cfg.Routers[0]).Elem(), map[string]any{"name": "lookuphost", "driver": "lookuphost"}, []string{"router", "0"})
	}
	if len(b.cfg.Retry) == 0 {
		b.cfg.Retry = make([]Retry, 1)
		b.table(reflect.ValueOf(&b.cfg.Retry[0]).Elem(), nil, []string{"retry"})
	}
}

// option is a field that can be set in the file.
type option struct {
	name  string
	tag   reflect.StructTag
	value reflect.Value
}

// options returns those of a struct, named lists first: others refer to them.
func options(v reflect.Value) []option {
	var all, named []option
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		o := option{tag.Get("opt"), tag, v.Field(i)}
		switch {
		case o.name == "":
		case tag.Get("kind") == "named":
			named = append(named, o)
		default:
			all = append(all, o)
		}
	}
	return append(named, all...)
}

// table binds one table to its struct.
func (b *binder) table(v reflect.Value, table map[string]any, path []string) {
	known := map[string]bool{}
	all := options(v)
	name := tableName(path, table)
	for _, o := range all {
		known[o.name] = true
		raw, given := table[o.name]
		if !given {
			raw, given = defaultOf(o)
		}
		if given {
			b.set(o, raw, under(path, o.name))
			b.record(o, raw, under(path, o.name), name)
		} else if o.tag.Get("kind") == "required" {
			b.wrong(path, "%s is missing", o.name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if !known[key] {
			b.unknown(all, path, key)
		}
	}
}

// defaultOf returns the default as it would come out of a file.
func defaultOf(o option) (any, bool) {
	text, ok := o.tag.Lookup("default")
	if !ok {
		return nil, false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	if t, err := strconv.ParseBool(text); err == nil {
		return t, true
	}
	return text, true
}

// unknown says what may have been meant by a key that is no option.
func (b *binder) unknown(siblings []option, path []string, key string) {
	here := under(path, key)
	if notYet(path, key) {
		b.wrong(here, "not in this build")
		return
	}
	if len(path) > 0 && isMain(key) {
		b.wrong(here, "unknown key here: %s is a main option, and these stand before the first [table]", key)
		return
	}
	var names []string
	if len(b.mistakes) < 1000 { // whoever wrote that meant another file
		for _, o := range siblings {
			names = append(names, o.name)
		}
	}
	b.wrong(here, "unknown key%s", didYouMean(key, names))
}

func isMain(key string) bool {
	for _, o := range options(reflect.ValueOf(new(Config)).Elem()) {
		if o.name == key {
			return true
		}
	}
	return notYet(nil, key)
}

// set binds one option. The field's type says what is expected.
func (b *binder) set(o option, raw any, path []string) {
	var err error
	switch p := o.value.Addr().Interface().(type) {
	case *string:
		*p, err = b.text(o, raw)
	case *bool:
		*p, err = as[bool](raw, "true or false")
	case *int:
		var n int64
		n, err = count(o, raw)
		*p = int(n)
	case *int64:
		*p, err = size(o, raw)
	case *float64:
		*p, err = stringOf(raw, `a rate, as in "100/s"`, parseRate)
	case *time.Duration:
		*p, err = duration(o, raw)
	case *Times:
		*p, err = times(raw)
	case *[]RetryStep:
		*p, err = stringOf(raw, `a retry rule, as in "F,2h,15m; G,16h,1h,1.5"`, parseRetryRule)
	case **expand.String:
		*p, err = b.expanded(o, raw)
	default:
		b.setMany(o, raw, path)
		return
	}
	if err != nil {
		b.wrong(path, "%v", err)
	}
}

// as expects a TOML value of one type.
func as[T any](raw any, what string) (T, error) {
	v, ok := raw.(T)
	if !ok {
		return v, fmt.Errorf("is %s, but takes %s", typeName(raw), what)
	}
	return v, nil
}

// stringOf expects a string that the parser understands.
func stringOf[T any](raw any, what string, parse func(string) (T, error)) (v T, err error) {
	s, err := as[string](raw, what)
	if err != nil {
		return v, err
	}
	return parse(s)
}

func typeName(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "true or false"
	case time.Time:
		return "a date"
	case []any, []map[string]any:
		return "an array"
	case map[string]any:
		return "a table"
	}
	return fmt.Sprintf("a %T", raw)
}

func (b *binder) text(o option, raw any) (string, error) {
	s, err := as[string](raw, "a string")
	if err != nil {
		return "", err
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return "", fmt.Errorf("has a control character (%q)", s[i])
	}
	if allowed := strings.Fields(o.tag.Get("oneof")); len(allowed) > 0 && !slices.Contains(allowed, s) {
		if notYetValue(o.name, s) {
			return "", fmt.Errorf("%q is not in this build; there is %s", s, quoted(allowed))
		}
		return "", fmt.Errorf("%q is not one of %s%s", s, quoted(allowed), didYouMean(s, allowed))
	}
	switch o.tag.Get("kind") {
	case "required":
		if s == "" {
			return "", fmt.Errorf("is empty")
		}
	case "file":
		return b.path(s)
	case "logfile":
		return b.logPath(s)
	}
	return s, nil
}

func quoted(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = strconv.Quote(w)
	}
	return strings.Join(q, ", ")
}

// path makes a file name absolute: relative ones start at the configuration's
// folder.
func (b *binder) path(s string) (string, error) {
	if s == "" {
		return "", fmt.Errorf("is empty; it takes the name of a file")
	}
	if filepath.IsAbs(s) {
		return filepath.Clean(s), nil
	}
	return filepath.Join(b.cfg.Dir, s), nil
}

func (b *binder) logPath(s string) (string, error) {
	if s == "stderr" {
		return s, nil
	}
	if strings.Count(s, "%") != 1 || strings.Count(s, "%s") != 1 {
		return "", fmt.Errorf(`%q needs %%s once, where main, reject and panic go, as in "log/%%slog"; or it is "stderr"`, s)
	}
	p, err := b.path(s)
	if err == nil && strings.Count(p, "%") != 1 {
		err = fmt.Errorf("the folder %s has a %% in its name; give an absolute name without one", b.cfg.Dir)
	}
	return p, err
}

// vars are the variables that exist where an option is expanded.
var vars = map[string]expand.Vars{
	"connection": expand.ConnectionVars,
	"host":       expand.HostVars,
	"message":    expand.MessageVars,
	"session":    expand.SessionVars,
	"auth":       expand.AuthVars,
}

// expanded parses a string that is expanded when it is used; the error has the
// column within the string. Line ends may stand in it: a header has some.
func (b *binder) expanded(o option, raw any) (*expand.String, error) {
	s, err := as[string](raw, "a string")
	if err != nil {
		return nil, err
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' || r == 0x7f }); i >= 0 {
		return nil, fmt.Errorf("has a control character (%q)", s[i])
	}
	return expand.Parse(s, expand.Options{
		Vars: vars[o.tag.Get("vars")], Dir: b.cfg.Dir, Hostname: b.cfg.PrimaryHostname, Files: b.files,
		Named: expand.Lists{Hosts: b.cfg.HostLists, Domains: b.cfg.DomainLists, Addresses: b.cfg.AddressLists},
	})
}

func count(o option, raw any) (int64, error) {
	n, err := as[int64](raw, "a whole number")
	if err != nil {
		return 0, err
	}
	return n, bounds(o, n, ParseSize, func(n int64) string { return strconv.FormatInt(n, 10) })
}

func size(o option, raw any) (int64, error) {
	if _, isNumber := raw.(int64); isNumber || o.tag.Get("kind") == "count" {
		return count(o, raw)
	}
	n, err := stringOf(raw, `a size, as in "50M"`, ParseSize)
	if err != nil {
		return 0, err
	}
	return n, bounds(o, n, ParseSize, func(n int64) string { return strconv.FormatInt(n, 10) })
}

func duration(o option, raw any) (time.Duration, error) {
	if n, ok := raw.(int64); ok {
		if n == 0 {
			raw = "0"
		} else {
			return 0, fmt.Errorf(`a time has a unit: "%ds", "%dm"`, n, n)
		}
	}
	t, err := stringOf(raw, `a time, as in "5m"`, ParseTime)
	if err != nil {
		return 0, err
	}
	return t, bounds(o, t, ParseTime, time.Duration.String)
}

// bounds checks a number against the min and max of its tag.
func bounds[T int64 | time.Duration](o option, n T, parse func(string) (T, error), show func(T) string) error {
	if text := o.tag.Get("min"); text != "" {
		if low, err := parse(text); err != nil || n < low {
			return fmt.Errorf("%s is too little; the least is %s", show(n), text)
		}
	}
	if text := o.tag.Get("max"); text != "" {
		if high, err := parse(text); err != nil || n > high {
			return fmt.Errorf("%s is too much; the most is %s", show(n), text)
		}
	}
	const most = 1 << 31
	if _, isCount := any(n).(int64); isCount && o.value.Kind() == reflect.Int && int64(n) >= most {
		return fmt.Errorf("%s is too much", show(n))
	}
	return nil
}

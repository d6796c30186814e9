package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a configuration says, kept beside what it means: so that a reload can tell what
// has changed, in the words of the file, and never the value of a secret.

// saying is one option as it was given, or its default.
type saying struct {
	is      string // what it comes to, to be compared
	text    string // as it was written
	path    []string
	secret  bool
	restart string // the tag: "refused" or "later"
}

// sayings are those of one table.
type sayings map[string]saying

// Change is one option that two configurations have differently, or one table that only
// one of them has.
type Change struct {
	Key      string // "smtp_accept_max", "transport.smtp.port", "router.smarthost"
	From, To string // as written; "" where it is unset, or not to be shown
	Text     string // the change in words
	path     []string
	restart  string
}

// String is one line for the log.
func (c Change) String() string { return c.Key + ": " + c.Text }

// record notes what was said. Tables are recorded option by option.
func (b *binder) record(o option, raw any, path []string, table string) {
	if holdsTables(o.value.Type()) {
		b.recordOrder(o, raw)
		return
	}
	s := saying{text: show(raw), path: path, restart: o.tag.Get("restart")}
	s.secret = o.tag.Get("secret") != "" || strings.Contains(s.text, "${")
	switch s.is = s.text; o.value.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		s.is = fmt.Sprint(o.value.Interface())
	}
	b.say(table, o.name, s)
}

func (b *binder) say(table, option string, s saying) {
	if b.cfg.said == nil {
		b.cfg.said = map[string]sayings{}
	}
	if b.cfg.said[table] == nil {
		b.cfg.said[table] = sayings{}
	}
	b.cfg.said[table][option] = s
}

// holdsTables reports an option that is a table, or several.
func holdsTables(t reflect.Type) bool {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t.NumField() > 0 && slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
		return f.Tag.Get("opt") != ""
	})
}

// recordOrder notes the order of an array of tables: routers are asked in it.
func (b *binder) recordOrder(o option, raw any) {
	if o.value.Kind() == reflect.Slice {
		b.cfg.order = append(b.cfg.order, ordered{o.name, labels(o.name, raw)})
	}
}

// ordered is the order in which tables stand.
type ordered struct {
	name   string
	tables []string
}

func labels(name string, raw any) (all []string) {
	tables, _ := raw.([]map[string]any)
	if array, ok := raw.([]any); ok {
		for _, item := range array {
			t, _ := item.(map[string]any)
			tables = append(tables, t)
		}
	}
	for i, t := range tables {
		all = append(all, tableName([]string{name, strconv.Itoa(i)}, t))
	}
	return all
}

// tableName is what stays the same of a table when others come or go before it.
func tableName(path []string, table map[string]any) string {
	if len(path) == 0 {
		return ""
	}
	last := len(path) - 1
	n, err := strconv.Atoi(path[last])
	if err != nil || last == 0 {
		return keyName(path)
	}
	for _, key := range []string{"name", "address"} {
		if s, ok := table[key].(string); ok {
			return keyName(append(path[:last:last], s))
		}
	}
	return keyName(path[:last]) + "." + strconv.Itoa(n+1)
}

// show writes a value as it could stand in the file.
func show(raw any) string {
	switch v := raw.(type) {
	case string:
		return strconv.Quote(v)
	case []any:
		all := make([]string, len(v))
		for i, item := range v {
			all[i] = show(item)
		}
		return "[" + strings.Join(all, ", ") + "]"
	case map[string]any:
		var all []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			all = append(all, key+" = "+show(v[key]))
		}
		return "{ " + strings.Join(all, ", ") + " }"
	case time.Time:
		return v.Format(time.RFC3339)
	}
	return fmt.Sprint(raw)
}

// Changes lists what is different in a later configuration, in order of the keys.
func Changes(before, after *Config) []Change {
	var all []Change
	tables := maps.Clone(before.said)
	maps.Copy(tables, after.said)
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		was, is := before.said[table], after.said[table]
		switch {
		case was == nil:
			all = append(all, Change{Key: table, Text: "new", path: []string{table}, restart: demands(is)})
		case is == nil:
			all = append(all, Change{Key: table, Text: "gone", path: []string{table}, restart: demands(was)})
		default:
			all = append(all, changesOf(table, was, is)...)
		}
	}
	for _, o := range after.order {
		was, is := before.placesOf(o.name), o.tables
		both := func(a, other []string) []string {
			return slices.DeleteFunc(slices.Clone(a), func(t string) bool { return !slices.Contains(other, t) })
		}
		if !slices.Equal(both(was, is), both(is, was)) {
			all = append(all, Change{Key: o.name, Text: "another order, now " + strings.Join(is, ", "), path: []string{o.name}})
		}
	}
	return all
}

func (c *Config) placesOf(name string) []string {
	for _, o := range c.order {
		if o.name == name {
			return o.tables
		}
	}
	return nil
}

// demands is the strictest that an option of a table asks for.
func demands(all sayings) (most string) {
	for _, s := range all {
		if s.restart == "refused" || most == "" {
			most = s.restart
		}
	}
	return most
}

func changesOf(table string, before, after sayings) (all []Change) {
	options := maps.Clone(before)
	maps.Copy(options, after)
	for _, name := range slices.Sorted(maps.Keys(options)) {
		was, had := before[name]
		is, has := after[name]
		if had == has && was.is == is.is {
			continue
		}
		c := Change{Key: strings.TrimPrefix(table+"."+name, "."), From: was.shown(), To: is.shown(), restart: options[name].restart, path: is.path}
		if c.path == nil {
			c.path = was.path[:1]
		}
		c.Text = inWords(c, had, has, was.secret || is.secret)
		all = append(all, c)
	}
	return all
}

// maxShown keeps a line readable where a list is long.
const maxShown = 200

func (s saying) shown() string {
	if s.secret || len(s.text) > maxShown {
		return ""
	}
	return s.text
}

func inWords(c Change, had, has, secret bool) string {
	hidden := secret || c.From == "" && had || c.To == "" && has
	switch {
	case !has && hidden:
		return "unset now"
	case !has:
		return "unset now, it was " + c.From
	case !had && hidden:
		return "set now"
	case !had:
		return "now " + c.To
	case hidden:
		return "changed"
	}
	return "now " + c.To + ", it was " + c.From
}

// Fixed returns what in a later configuration cannot be taken over by a running daemon:
// mistakes, each with its place. nil: all can.
func Fixed(before, after *Config) error {
	var all []Mistake
	for _, c := range Changes(before, after) {
		if c.restart == "refused" {
			all = append(all, after.Mistake(c.path, "%s; it changes with a restart only", c.Text))
		}
	}
	if all == nil {
		return nil
	}
	return &Errors{sortMistakes(all)}
}

// Later lists what takes effect with the next restart only. before is the configuration
// that the daemon was started with.
func Later(before, after *Config) (keys []string) {
	for _, c := range Changes(before, after) {
		if c.restart == "later" {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

// Mistake is one found after Load, at the option of that path: table, number in an array,
// option.
func (c *Config) Mistake(path []string, format string, args ...any) Mistake {
	return Mistake{c.File, c.lines.line(path...), keyName(path), fmt.Sprintf(format, args...)}
}

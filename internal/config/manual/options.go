// Package manual makes docs/reference.md and config.toml of the option structs
// of package config: their comments are the manual.
package manual

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
)

// Table is a table of the configuration file and its options.
type Table struct {
	Name    string // "" for the main options, "listen"
	Header  string // as it stands in a file: "[[listen]]", "[transport.smtp]"
	Text    string // what it is for
	Options []Option
}

// Option is one option.
type Option struct {
	Name    string
	Type    string // for people: "time", "host list"
	Default string // as it would be written; "" where there is none
	Unset   string // what holds where there is no default
	First   string // its value in config.toml; "" where it is a comment there
	Example string // its value in that comment, where there is no default
	Text    string
	raw     bool // its values stand without quotes
}

// types names the types of the fields for people.
var types = map[string]string{
	"string": "string", "bool": "true or false", "int": "number", "int64": "size", "float64": "rate",
	"time.Duration": "time", "*lists.HostList": "host list", "*expand.String": "string, expanded", "*lists.DomainList": "domain list", "[]RetryStep": "retry rule",
	"*lists.AddressList": "address list", "Times": "times",
	// by kind
	"file": "file name", "logfile": "file name", "count": "number", "hosts": "hosts", "servers": "addresses", "prompts": "list of strings", "sends": "list of strings, expanded", "words": "words", "errors": "words", "routes": "routes",
	"named": "lists",
}

// Tables reads the option structs from the source of package config.
func Tables(source []byte) ([]Table, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	structs := map[string]*ast.StructType{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			if s, ok := spec.Type.(*ast.StructType); ok {
				structs[spec.Name.Name] = s
			}
		}
		return true
	})
	if structs["Config"] == nil {
		return nil, fmt.Errorf("the source has no struct Config")
	}
	main := Table{}
	tables := []Table{}
	for _, f := range structs["Config"].Fields.List {
		o, ok := option(f)
		if !ok {
			continue
		}
		inner := structs[strings.TrimLeft(typeName(f.Type), "[]*map string")]
		if typeName(f.Type) == "map[string]*Transport" {
			inner = structs["Transport"]
		}
		if inner == nil && o.Type != "lists" {
			main.Options = append(main.Options, o)
			continue
		}
		tables = append(tables, table(o, inner))
	}
	return append([]Table{main}, tables...), nil
}

// table makes the table that a field of Config is.
func table(o Option, inner *ast.StructType) Table {
	header, text, _ := strings.Cut(o.Text, ": ")
	t := Table{Name: o.Name, Header: header, Text: strings.ToUpper(text[:1]) + text[1:]}
	if inner != nil {
		for _, f := range inner.Fields.List {
			if o, ok := option(f); ok {
				t.Options = append(t.Options, o)
			}
		}
	}
	return t
}

func option(f *ast.Field) (Option, bool) {
	if f.Tag == nil {
		return Option{}, false
	}
	text, err := strconv.Unquote(f.Tag.Value)
	tag := reflect.StructTag(text)
	if err != nil || tag.Get("opt") == "" {
		return Option{}, false
	}
	o := Option{
		Name: tag.Get("opt"), Type: types[typeName(f.Type)], Default: tag.Get("default"), Unset: tag.Get("unset"),
		First: tag.Get("first"), Example: tag.Get("example"), Text: strings.Join(strings.Fields(f.Doc.Text()), " "),
	}
	switch tag.Get("restart") {
	case "refused":
		o.Text += " A reload that changes it is refused: it needs a restart."
	case "later":
		o.Text += " A change takes effect when mtad is restarted."
	}
	if kind := tag.Get("kind"); types[kind] != "" {
		o.Type = types[kind]
	}
	if tag.Get("kind") == "required" {
		o.Unset = "must be given"
	}
	o.raw = o.Type == "number" || o.Type == "true or false"
	return o, true
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return "*" + typeName(e.X)
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	case *ast.ArrayType:
		return "[]" + typeName(e.Elt)
	case *ast.MapType:
		return "map[" + typeName(e.Key) + "]" + typeName(e.Value)
	}
	return ""
}

// write returns a value as it stands in a file.
func (o Option) write(value string) string {
	if o.raw || strings.HasPrefix(value, "[") {
		return value
	}
	return strconv.Quote(value)
}

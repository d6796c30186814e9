package manual

import (
	"bytes"
	"fmt"
	"strings"
)

const made = "Made by `go generate ./internal/config` from the comments in `internal/config/config.go`: change them there."

const forms = `A configuration is TOML. Main options stand at the top, before the first ` + "`[table]`" + `. A relative file name
starts at the folder of the configuration file. Every mistake is told with its line, and nothing unknown is passed over:
` + "`mtad check`" + ` tells all that is wrong.

| type | how it is written |
| --- | --- |
| time | ` + "`\"30s\"`, `\"5m\"`, `\"1h30m\"`, `\"4d\"`, `\"1w\"`" + ` |
| size | ` + "`1000`, `\"10K\"`, `\"50M\"`, `\"2G\"`" + `, in bytes |
| rate | ` + "`\"100/s\"`, `\"10/m\"`, `\"500/h\"`" + ` |
| host list | a string in Exim's form, ` + "`\"127.0.0.1 : 10.0.0.0/8\"`" + ` (` + "`\"<; ::1 ; 127.0.0.1\"`" + ` changes the separator, a doubled one stands for itself), or an array of items. Items: ` + "`*`" + `; an address or network; a name, ` + "`*.example.com`" + `; ` + "`^`" + ` and a regular expression (RE2, blind to case); ` + "`@`" + `, this host's name; ` + "`@[]`" + `, any address of this host; a file name with a slash in it, one item a line, read anew when it changes; ` + "`net-lsearch;/file`, `net24-lsearch;/file`" + `, the address or its network as a key of the file; ` + "`+name`" + `, a list of ` + "`[hostlist]`" + `. A ` + "`!`" + ` before an item takes out what it matches. The first match decides; a list that ends in a negated item lets all else in. What cannot be known now (a name, an unreadable file) counts as the stricter answer, unless a later item gives the same answer either way |
| domain list | the same with names; ` + "`@[]`" + ` and ` + "`[192.0.2.1]`" + ` are address literals, which ` + "`*`" + ` in a router does not take |
| hosts | an array, or a string with white space between: names or addresses, each with a port or without: ` + "`\"mx.example.com:26\"`, `\"[2001:db8::1]:25\"`" + ` |
| string, expanded | Exim's string expansion: ` + "`$name`, `${lc:...}`, `${if ...}`, `${lookup ...}`" + `; it is read when the configuration is, and expanded each time it is used. Where ` + "`fail`" + ` makes it fail, the option counts as unset; what a client chose (its EHLO name, its certificate) never names a file. ` + "`mtad expand`" + ` tries one. Files are looked up with lsearch, wildlsearch, iplsearch (or cidr) and dsearch; they are kept in memory and read anew when they change, one for lsearch as a hash table, so that a look-up in it costs no more than one in a cdb file. There is no cdb: no library for Go was found that is kept up and is safe with damaged files (` + "`cdb -d`" + ` writes one out). In a transport there are ` + "`$host` and `$host_address`" + `, the server it speaks to |
`

// Reference returns docs/reference.md.
func Reference(tables []Table) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Options\n\n%s\n\n%s", made, forms)
	for _, t := range tables {
		title := "Main options"
		if t.Name != "" {
			title = "`" + t.Header + "`"
		}
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		if t.Text != "" {
			fmt.Fprintf(&b, "%s\n\n", t.Text)
		}
		if len(t.Options) > 0 {
			b.WriteString("| option | type | default | |\n| --- | --- | --- | --- |\n")
		}
		for _, o := range t.Options {
			standard := o.Unset
			if o.Default != "" {
				standard = "`" + o.write(o.Default) + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.Name, o.Type, cell(standard), cell(o.Text))
		}
	}
	return b.Bytes()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

const head = `# mtad relays what programs on this machine give it to the server at 127.0.0.1:2626.
# "mtad serve" runs with this file as it stands; "mtad check" tells what is wrong with it;
# docs/reference.md has every option. Lines with # show what holds if they are left out,
# or, after "e.g.", how an option is written that is unset.

`

// Example returns config.toml: what is set first, then everything else as
// comments, with its default.
func Example(tables []Table) []byte {
	var b bytes.Buffer
	b.WriteString(head)
	for _, t := range tables {
		switch {
		case t.Name == "":
			writeSet(&b, t)
			b.WriteString("\n# Main options that are left out here. They stand before the first [table].\n\n")
			writeUnset(&b, t)
		case t.Name == "transport":
			fmt.Fprintf(&b, "\n[transport.smtp] # %s\n", lower(firstSentence(t.Text)))
			writeUnset(&b, t)
		case t.Name == "retry", t.Name == "authenticator", t.Name == "site":
			fmt.Fprintf(&b, "\n#%s # %s\n", t.Header, lower(firstSentence(t.Text)))
			writeUnset(&b, t)
		case len(t.Options) > 0:
			fmt.Fprintf(&b, "\n%s # %s\n", t.Header, lower(firstSentence(t.Text)))
			writeSet(&b, t)
		}
	}
	return b.Bytes()
}

func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }

func writeSet(b *bytes.Buffer, t Table) {
	for _, o := range t.Options {
		if o.First != "" {
			writeLine(b, o.Name+" = "+o.write(o.First), firstSentence(o.Text))
		}
	}
}

func writeUnset(b *bytes.Buffer, t Table) {
	for _, o := range t.Options {
		text := firstSentence(o.Text)
		switch {
		case o.First != "":
		case o.Default != "":
			writeLine(b, "#"+o.Name+" = "+o.write(o.Default), text)
		case o.Example != "":
			writeLine(b, "#"+o.Name+" = "+o.write(o.Example), fmt.Sprintf("e.g. %s [%s]", text, o.Unset))
		}
	}
}

func writeLine(b *bytes.Buffer, setting, comment string) {
	fmt.Fprintf(b, "%-44s # %s\n", setting, comment)
}

// firstSentence returns the text up to the first full stop or colon that ends a
// clause.
func firstSentence(text string) string {
	if i := strings.Index(text, ". "); i >= 0 {
		text = text[:i]
	}
	return strings.TrimSuffix(text, ".")
}

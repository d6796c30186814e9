package lookup

import "strings"

// record is a key and its data, of one line and those that continue it.
type record struct {
	key, data string
	line      int // from 1
}

// parseRecords reads a linearly searched file. A key ends at a colon or white
// space, or stands in quotes; a line that begins with white space goes on with
// the one before, unless that was empty or a comment.
func parseRecords(lines []string) []record {
	var records []record
	open := false // the next line may continue the last record
	for i, line := range lines {
		text := strings.Trim(line, " \t\r\f\v")
		switch {
		case text == "" || line[0] == '#':
			open = false
		case line[0] != ' ' && line[0] != '\t':
			key, data := cutKey(text)
			records = append(records, record{key, data, i + 1})
			open = true
		case open:
			last := &records[len(records)-1]
			last.data += " " + text
		}
	}
	return records
}

// cutKey takes the key from the front of a line.
func cutKey(line string) (key, data string) {
	if line[0] == '"' {
		key, data = cutQuoted(line[1:])
	} else {
		end := strings.IndexAny(line, ": \t")
		if end < 0 {
			return line, ""
		}
		key, data = line[:end], line[end:]
	}
	data = strings.TrimLeft(data, " \t")
	data = strings.TrimPrefix(data, ":")
	return key, strings.TrimLeft(data, " \t")
}

// cutQuoted reads up to a quote; a backslash takes the next character as it is.
func cutQuoted(s string) (text, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(unquoted(s[i]))
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

func unquoted(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

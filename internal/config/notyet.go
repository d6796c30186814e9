package config

import "strings"

// arriving are options and values that belong to mtad and that this build does
// not have yet. A line goes when its option comes.
var arriving = map[string]string{
	"": `proxy_protocol_hosts`,
}

// notYet reports whether a key of that table is still to come.
func notYet(path []string, key string) bool {
	table := ""
	if len(path) > 0 {
		table = path[0]
	}
	return hasWord(arriving[table], key)
}

func notYetValue(name, value string) bool { return hasWord(arriving["="+name], value) }

func hasWord(words, word string) bool {
	for _, w := range strings.Fields(words) {
		if w == word {
			return true
		}
	}
	return false
}

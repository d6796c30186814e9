package config

import "strings"

// arriving are options and values that belong to mtad and that this build does
// not have yet. A line goes when its option comes.
var arriving = map[string]string{
	"": `auth_over_tls_hosts host_auth_accept_relay auth_hosts proxy_protocol_hosts ignore_bounce_errors_after
		delay_warning authenticator`,
	"transport": `hosts_avoid_tls hosts_require_tls tls_certificate tls_privatekey tls_verify_certificates tls_verify_ciphers
		tls_verify_cert_hostnames tls_tempfail_tryclear tls_handoff tls_handoff_fallback tls_handoff_memory handoff_timeout
		hosts_try_auth hosts_require_auth tls_groups hosts_override`,
	"=driver": "lookuphost",
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

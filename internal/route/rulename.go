package route

import "strings"

// Which names the rule that decides about an address and a kind of error:
// "*.example [connect timeout] F,2h,15m; F,4d,6h".
func (r *Retry) Which(domain, address, kind string) string {
	rule := r.rule(domain, address, kind)
	kinds := ""
	if len(rule.kinds) > 0 {
		kinds = "[" + strings.Join(rule.kinds, " ") + "] "
	}
	return rule.domains.String() + " " + kinds + rule.text
}

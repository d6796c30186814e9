package lists

import "strings"

// mailbox is a mail address in lower case; both parts are "" for the null
// sender.
type mailbox struct{ whole, local, domain string }

func splitMailbox(address string) mailbox {
	a := canonical(address)
	at := strings.LastIndexByte(a, '@')
	if at < 0 {
		return mailbox{whole: a, local: a}
	}
	return mailbox{a, a[:at], a[at+1:]}
}

// mailboxItem is local@domain, either side with patterns.
type mailboxItem struct {
	local  pattern // nil: any
	domain matcher[string]
}

func (m mailboxItem) match(b mailbox) (Answer, string) {
	if m.local != nil {
		if _, ok := m.local.has(b.local); !ok {
			return No, ""
		}
	}
	if b.domain == "" {
		return No, ""
	}
	a, _ := m.domain.match(b.domain)
	return a, ""
}

// localPart is a local part as it stands in the item.
type localPart string

func (l localPart) has(name string) (string, bool) { return "", name == string(l) }

// nullSender is an empty item.
type nullSender struct{}

func (nullSender) match(b mailbox) (Answer, string) { return answer(b.whole == ""), "" }

// wholeAddress is ^...: an expression over the address.
type wholeAddress struct{ expression }

func (m wholeAddress) match(b mailbox) (Answer, string) {
	_, ok := m.has(b.whole)
	return answer(ok), ""
}

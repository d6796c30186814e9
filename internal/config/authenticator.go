package config

import (
	"os"
	"strconv"
	"strings"
)

// publicNames are the mechanisms of drivers that have one.
var publicNames = map[string]string{"cram_md5": "CRAM-MD5", "scram": "SCRAM-SHA-256", "external": "EXTERNAL"}

// IsServer reports whether clients can authenticate by it.
func (a *Authenticator) IsServer() bool {
	return a.ServerUsers != "" || a.ServerCondition != nil || a.ServerSecret != nil
}

// IsClient reports whether mtad can authenticate to others by it.
func (a *Authenticator) IsClient() bool {
	return a.ClientSend != nil || a.ClientName != nil || a.ClientSecret != nil
}

// ServesAuth reports whether clients can authenticate at all.
func (c *Config) ServesAuth() bool {
	for i := range c.Authenticators {
		if c.Authenticators[i].IsServer() {
			return true
		}
	}
	return false
}

// checkAuth looks at authenticators, and at what other options say of AUTH.
func (b *binder) checkAuth() {
	names := map[string][]string{}
	for i := range b.cfg.Authenticators {
		a := &b.cfg.Authenticators[i]
		path := []string{"authenticator", strconv.Itoa(i)}
		if first, twice := names[a.Name]; twice && a.Name != "" {
			b.wrong(under(path, "name"), "%q is the name of the authenticator of line %d already", a.Name, b.lines.line(first...))
		}
		names[a.Name] = path
		b.checkAuthenticator(a, path)
	}
	b.checkAuthUse()
	b.checkClientUse()
}

func (b *binder) checkAuthenticator(a *Authenticator, path []string) {
	if a.PublicName == "" {
		a.PublicName = publicNames[a.Driver]
	}
	wrongHere := func(option string, given bool, drivers string) {
		if given && a.Driver != "" && !hasWord(drivers, a.Driver) {
			b.wrong(under(path, option), "is not for driver %q", a.Driver)
		}
	}
	wrongHere("server_prompts", len(a.ServerPrompts) > 0, "plaintext")
	wrongHere("server_condition", a.ServerCondition != nil, "plaintext external")
	wrongHere("server_secret", a.ServerSecret != nil, "cram_md5")
	wrongHere("client_send", a.ClientSend != nil, "plaintext")
	wrongHere("client_secret", a.ClientSecret != nil, "plaintext cram_md5 scram")
	wrongHere("client_allow_clear", a.ClientAllowClear, "plaintext")
	b.checkClient(a, path)
	switch {
	case a.Driver == "plaintext" && a.PublicName == "":
		b.wrong(path, `public_name is missing: "PLAIN" or "LOGIN"`)
	case strings.ContainsFunc(a.PublicName, func(r rune) bool { return r <= ' ' || r > '~' }):
		b.wrong(under(path, "public_name"), "%q is no name of a mechanism", a.PublicName)
	}
	if a.ServerUsers != "" {
		b.checkUsersFile(a.ServerUsers, under(path, "server_users"))
	}
}

// checkClient looks for what a client needs to have.
func (b *binder) checkClient(a *Authenticator, path []string) {
	switch {
	case !a.IsClient():
		if a.ClientAllowClear {
			b.wrong(under(path, "client_allow_clear"), "goes with client_send, or client_name and client_secret")
		}
	case a.ClientSend != nil && (a.ClientName != nil || a.ClientSecret != nil):
		b.wrong(under(path, "client_send"), "is all that is sent: client_name and client_secret do not go with it")
	case a.ClientSend == nil && a.Driver != "external" && (a.ClientName == nil || a.ClientSecret == nil):
		b.wrong(path, "a client needs client_name and client_secret%s", map[bool]string{true: ", or client_send"}[a.Driver == "plaintext"])
	case a.Driver == "plaintext" && a.PublicName != "" && !strings.EqualFold(a.PublicName, "PLAIN") && !strings.EqualFold(a.PublicName, "LOGIN"):
		b.wrong(under(path, "public_name"), "%q: as a client mtad speaks PLAIN and LOGIN of this driver", a.PublicName)
	}
}

// checkUsersFile looks at the file from outside; what stands in it is looked at
// by who opens it.
func (b *binder) checkUsersFile(file string, path []string) {
	info, err := os.Stat(file)
	switch {
	case os.IsNotExist(err):
		b.wrong(path, "there is no file %s: mtad user add makes it", file)
	case err != nil:
		b.wrong(path, "cannot read it: %v", err)
	case !info.Mode().IsRegular():
		b.wrong(path, "%s is not a file", file)
	case info.Mode().Perm()&0o027 != 0:
		b.wrong(path, "%s lets others at the secrets (mode %04o): chmod 600 it (640 is the widest)", file, info.Mode().Perm())
	}
}

// checkAuthUse warns of AUTH that gives nothing, or gives secrets away.
func (b *binder) checkAuthUse() {
	serves := b.cfg.ServesAuth()
	for i, l := range b.cfg.Listen {
		path := []string{"listen", strconv.Itoa(i)}
		if l.Protocol == "submission" && !serves && !b.faulty("authenticator") {
			b.wrong(under(path, "protocol"), "submission needs AUTH, but no [[authenticator]] has server_users, server_condition or server_secret: nobody could send mail")
		}
		if l.SenderDomains != nil && l.Protocol != "submission" {
			b.wrong(under(path, "sender_domains"), `goes with protocol = "submission"`)
		}
	}
	if !serves {
		b.warnAuthWithoutServer()
		return
	}
	b.checkPublicNames()
	if b.cfg.HostAuthAcceptRelay == nil {
		b.warn([]string{"authenticator"}, `host_auth_accept_relay is not set: who authenticates may send no more than who does not; "*" lets users send from everywhere`)
	}
	for i := range b.cfg.Authenticators {
		a := &b.cfg.Authenticators[i]
		if a.Driver == "plaintext" && a.IsServer() && b.cfg.AuthOverTLSHosts == nil && a.ServerAdvertiseCondition == nil {
			b.warn([]string{"authenticator", strconv.Itoa(i)}, `secrets may be sent in clear: auth_over_tls_hosts = "*" has AUTH in TLS only`)
		}
	}
}

// warnAuthWithoutServer: these lists speak of clients that nothing lets in.
func (b *binder) warnAuthWithoutServer() {
	const text = "no [[authenticator]] has server_users, server_condition or server_secret: nobody can authenticate"
	if b.cfg.HostAuthAcceptRelay != nil {
		b.warn([]string{"host_auth_accept_relay"}, text)
	}
	if b.cfg.AuthHosts != nil {
		b.warn([]string{"auth_hosts"}, "%s, so these hosts cannot send mail", text)
	}
}

// checkPublicNames: a client names a mechanism, and the first that has it is asked.
func (b *binder) checkPublicNames() {
	first := map[string]int{}
	for i := range b.cfg.Authenticators {
		a := &b.cfg.Authenticators[i]
		name := strings.ToUpper(a.PublicName)
		if !a.IsServer() || name == "" {
			continue
		}
		if j, twice := first[name]; twice && a.ServerAdvertiseCondition == nil && b.cfg.Authenticators[j].ServerAdvertiseCondition == nil {
			b.wrong([]string{"authenticator", strconv.Itoa(i)}, "clients are served %s by %q of line %d already; this one would never be asked",
				name, b.cfg.Authenticators[j].Name, b.lines.line("authenticator", strconv.Itoa(j)))
		} else if !twice {
			first[name] = i
		}
	}
}

// checkClientUse looks for transports that are to authenticate and cannot.
func (b *binder) checkClientUse() {
	for i := range b.cfg.Authenticators {
		if b.cfg.Authenticators[i].IsClient() {
			return
		}
	}
	if b.faulty("authenticator") {
		return
	}
	for name, t := range b.cfg.Transports {
		const without = "no [[authenticator]] has client_name and client_secret, or client_send"
		if t.HostsRequireAuth != nil {
			b.wrong([]string{"transport", name, "hosts_require_auth"}, "%s: these hosts would never get any mail", without)
		}
		if t.HostsTryAuth != nil {
			b.warn([]string{"transport", name, "hosts_try_auth"}, "%s: mail is sent unauthenticated", without)
		}
	}
}

package config

import (
	"maps"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mtad/internal/lists"
)

// check looks at what options say of each other and of this machine.
func (b *binder) check() {
	if err := checkHostName(b.cfg.PrimaryHostname); err != nil {
		b.wrong([]string{"primary_hostname"}, "%v", err)
	}
	listeners := b.checkListeners()
	b.checkRouters(listeners)
	b.checkTransports(listeners)
	b.checkSites()
	b.checkAdmin(listeners)
	b.checkFolder("spool_directory", b.cfg.SpoolDirectory)
	if b.cfg.LogFilePath != "stderr" {
		b.checkFolder("log_file_path", filepath.Dir(b.cfg.LogFilePath))
	}
	b.checkUser()
	b.checkOpenRelay()
	b.checkTLS()
	b.checkAuth()
}

// listener is a [[listen]] with its address read.
type listener struct {
	addr netip.AddrPort // port 0: the system chooses
	path []string
}

// parseListen reads "127.0.0.1:25", "[::]:25" and ":25".
func parseListen(s string) (netip.AddrPort, error) {
	if port, ok := strings.CutPrefix(s, ":"); ok {
		s = "[::]:" + port
	}
	return netip.ParseAddrPort(s)
}

func (b *binder) checkListeners() []listener {
	var all []listener
	if b.cfg.Listen != nil && len(b.cfg.Listen) == 0 {
		b.wrong([]string{"listen"}, "has no address; without [[listen]] it is 127.0.0.1:25")
	}
	for i, l := range b.cfg.Listen {
		path := []string{"listen", strconv.Itoa(i), "address"}
		if l.Address == "" {
			continue // missing: noted already
		}
		addr, err := parseListen(l.Address)
		if err != nil {
			b.wrong(path, `%q is no IP address with a port, as in "127.0.0.1:25", "[::1]:25" or ":25"`, l.Address)
			continue
		}
		for _, other := range all {
			if overlaps(addr, other.addr) {
				b.wrong(path, "%s is taken already: line %d", l.Address, b.lines.line(other.path...))
			}
		}
		all = append(all, listener{addr, path})
	}
	return all
}

// overlaps reports whether both cannot be listened on.
func overlaps(a, c netip.AddrPort) bool {
	return a.Port() == c.Port() && a.Port() != 0 && (covers(a.Addr(), c.Addr()) || covers(c.Addr(), a.Addr()))
}

// covers reports whether a socket on a gets connections to b. One on :: gets
// those to IPv4 addresses as well.
func covers(a, b netip.Addr) bool {
	a, b = a.Unmap(), b.Unmap()
	return a == b || a.IsUnspecified() && (a.Is6() || b.Is4())
}

// faulty reports whether a mistake was noted in that table already.
func (b *binder) faulty(table string) bool {
	return slices.ContainsFunc(b.mistakes, func(m Mistake) bool { return m.Key == table || strings.HasPrefix(m.Key, table+".") })
}

func (b *binder) checkRouters(listeners []listener) {
	names := map[string][]string{}
	for i := range b.cfg.Routers {
		r := &b.cfg.Routers[i]
		path := []string{"router", strconv.Itoa(i)}
		if first, twice := names[r.Name]; twice && r.Name != "" {
			b.wrong(under(path, "name"), "%q is the name of the router of line %d already", r.Name, b.lines.line(first...))
		}
		names[r.Name] = path
		transport := b.cfg.Transports[r.Transport]
		if transport == nil {
			have := slices.Sorted(maps.Keys(b.cfg.Transports))
			b.wrong(under(path, "transport"), "there is no [transport.%s]%s", r.Transport, didYouMean(r.Transport, have))
			continue
		}
		b.checkDriver(r, transport, path)
		b.checkLoop(r.Hosts, transport.Port, under(path, "hosts"), listeners)
		b.checkLoop(r.FallbackHosts, transport.Port, under(path, "fallback_hosts"), listeners)
		for _, domain := range slices.Sorted(maps.Keys(r.RouteList)) {
			b.checkLoop(r.RouteList[domain], transport.Port, []string{"router", strconv.Itoa(i), "route_list", domain}, listeners)
		}
	}
}

// checkDriver finds options that the router's driver needs, or has no use for.
func (b *binder) checkDriver(r *Router, t *Transport, path []string) {
	switch r.Driver {
	case "domainlist":
		if len(r.Hosts) == 0 && len(r.RouteList) == 0 && len(t.Hosts) == 0 {
			b.wrong(path, `hosts or route_list is missing: where is the mail to go? As in hosts = ["127.0.0.1:2626"]`)
		}
		if r.MXDomains != nil {
			b.wrong(under(path, "mx_domains"), `is for driver = "lookuphost"; this router names its hosts`)
		}
	case "lookuphost":
		if len(r.Hosts) > 0 {
			b.wrong(under(path, "hosts"), `the hosts are looked up; to name them: driver = "domainlist"`)
		}
		if len(r.RouteList) > 0 {
			b.wrong(under(path, "route_list"), `the hosts are looked up; to name them: driver = "domainlist"`)
		}
	}
}

func (b *binder) checkTransports(listeners []listener) {
	for _, name := range slices.Sorted(maps.Keys(b.cfg.Transports)) {
		t := b.cfg.Transports[name]
		path := []string{"transport", name}
		b.checkLoop(t.Hosts, t.Port, under(path, "hosts"), listeners)
		b.checkLoop(t.FallbackHosts, t.Port, under(path, "fallback_hosts"), listeners)
		if t.HostsOverride && len(t.Hosts) == 0 {
			b.wrong(under(path, "hosts_override"), `hosts is missing: which hosts are to be used? As in hosts = ["127.0.0.1:2626"]`)
		}
		if t.Interface != nil {
			if text, ok := t.Interface.Constant(); ok {
				if _, err := netip.ParseAddr(text); err != nil {
					b.wrong(under(path, "interface"), "%q is no IP address", text)
				}
			}
		}
	}
}

// checkLoop finds next hops that are one of our own listeners.
func (b *binder) checkLoop(hosts []string, port int, path []string, listeners []listener) {
	for i, text := range hosts {
		h, err := ParseHostPort(text)
		if err != nil || h.MX {
			continue // noted already; or known when it is looked up
		}
		if h.Port == 0 {
			h.Port = port
		}
		if h.Name == "localhost" {
			h.Addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		for _, l := range listeners {
			if int(l.addr.Port()) == h.Port && h.Addr.IsValid() && reaches(l.addr.Addr().Unmap(), h.Addr) {
				b.wrong(under(path, strconv.Itoa(i)), "%s is this daemon itself (line %d): mail would go in circles", text, b.lines.line(l.path...))
			}
		}
	}
}

// reaches reports whether a connection to addr ends at a listener here.
func reaches(listener, addr netip.Addr) bool {
	if !listener.IsUnspecified() {
		return listener == addr
	}
	return covers(listener, addr) && (addr.IsLoopback() || isLocal(addr))
}

func isLocal(addr netip.Addr) bool {
	nets, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(nets, func(n net.Addr) bool {
		p, err := netip.ParsePrefix(n.String())
		return err == nil && p.Addr().Unmap() == addr
	})
}

func (b *binder) checkAdmin(listeners []listener) {
	a := b.cfg.Admin
	path := []string{"admin", "address"}
	if a.Address == "" {
		if _, given := b.lines["admin"]; given && !b.faulty("admin") {
			b.wrong([]string{"admin"}, `address is missing, as in address = "127.0.0.1:9925"`)
		}
		return
	}
	addr, err := parseListen(a.Address)
	if err != nil {
		b.wrong(path, `%q is no IP address with a port, as in "127.0.0.1:9925"`, a.Address)
		return
	}
	for _, l := range listeners {
		if overlaps(addr, l.addr) {
			b.wrong(path, "%s is taken already: line %d", a.Address, b.lines.line(l.path...))
		}
	}
	if !addr.Addr().Unmap().IsLoopback() {
		if a.TokenFile == "" {
			b.wrong(path, "%s can be reached from other machines; that needs a token_file, or a loopback address (127.0.0.1:%d)", a.Address, addr.Port())
		} else {
			b.warn(path, "%s can be reached from other machines, and speaks in clear: whoever can listen in has the token", a.Address)
		}
	}
	b.checkTokenFile(a.TokenFile)
}

func (b *binder) checkTokenFile(file string) {
	path := []string{"admin", "token_file"}
	info, err := os.Stat(file)
	if file == "" || os.IsNotExist(err) {
		return // it is made at start
	}
	switch {
	case err != nil:
		b.wrong(path, "cannot read it: %v", err)
	case !info.Mode().IsRegular():
		b.wrong(path, "%s is not a file", file)
	case info.Mode().Perm()&0o077 != 0:
		b.warn(path, "%s can be read by others than its owner (mode %04o): chmod 600 it", file, info.Mode().Perm())
	}
}

// checkFolder: a folder that is missing is made at start, anything else of its
// name is a mistake.
func (b *binder) checkFolder(option, dir string) {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			b.wrong([]string{option}, "%s is not a folder", dir)
		}
		if err == nil || dir == filepath.Dir(dir) {
			return
		}
	}
}

func (b *binder) checkUser() {
	if b.cfg.User != "" {
		if _, err := user.Lookup(b.cfg.User); err != nil {
			b.wrong([]string{"user"}, "there is no user %q on this machine", b.cfg.User)
		}
	}
	if b.cfg.Group == "" {
		return
	}
	if b.cfg.User == "" {
		b.wrong([]string{"group"}, "goes with user, which is not set")
	}
	if _, err := user.LookupGroup(b.cfg.Group); err != nil {
		b.wrong([]string{"group"}, "there is no group %q on this machine", b.cfg.Group)
	}
}

// strangers are addresses that nobody has (RFC 5737, RFC 3849): a list that has
// them all lets everybody in.
var strangers = []string{"192.0.2.77", "203.0.113.99", "198.51.100.3"}

func (b *binder) checkOpenRelay() {
	const open = "THIS IS AN OPEN RELAY: it will be found within hours, and abused"
	every := func(addrs ...string) bool {
		for _, a := range addrs {
			if b.cfg.HostAcceptRelay.Match(lists.Host{Addr: netip.MustParseAddr(a)}).Answer != lists.Yes {
				return false
			}
		}
		return true
	}
	if every(strangers...) || every("2001:db8:1::1", "2001:db8:feed::2") {
		b.warn([]string{"host_accept_relay"}, "every host may send mail to everywhere through this one. %s", open)
	}
	if b.cfg.RelayDomains.Match("stranger.invalid").Answer == lists.Yes && b.cfg.RelayDomains.Match("other.test").Answer == lists.Yes {
		b.warn([]string{"relay_domains"}, "mail to every domain is accepted from everybody. %s", open)
	}
}

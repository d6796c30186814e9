package peer

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// postfixOwner and postfixGroup stand in for the accounts postfix and
// postdrop: every Debian has these, so no account is made for a test.
const (
	postfixOwner = "uucp"
	postfixGroup = "mail"
)

// PostfixTool returns a command that runs smtp-source or smtp-sink.
func PostfixTool(name string, args ...string) (*exec.Cmd, error) {
	tree, err := Package("postfix")
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(tree, "usr/sbin", name)
	libs, err := libraryPath(filepath.Join(tree, "usr/lib/postfix"), bin)
	if err != nil {
		return nil, err
	}
	if name == "smtp-sink" && os.Getuid() == 0 {
		args = append([]string{"-u", postfixOwner}, args...)
	}
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libs)
	return cmd, nil
}

// SMTPSink starts smtp-sink at addr and waits until it listens. What it prints
// goes to a file in dir.
func SMTPSink(dir, addr string, args ...string) (*Child, error) {
	cmd, err := PostfixTool("smtp-sink", append(args, addr, "1000")...)
	if err != nil {
		return nil, err
	}
	cmd.Dir = dir
	child, err := startChild(filepath.Join(dir, "smtp-sink.out"), cmd)
	if err != nil {
		return nil, err
	}
	return child, child.ready(addr, 10*time.Second)
}

// SMTPSource runs smtp-source against addr until it ends.
func SMTPSource(addr string, args ...string) error {
	cmd, err := PostfixTool("smtp-source", append(args, addr)...)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("smtp-source %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Postfix is a whole Postfix that runs from its unpacked package.
type Postfix struct {
	*Child
	Addr string
	dir  string
}

// PostfixConfig is what differs from one run to another.
type PostfixConfig struct {
	NextHop string            // host:port of the relay host
	Routes  map[string]string // domain → host:port
	Main    map[string]string // main.cf settings on top
}

// TempDir makes a temporary folder that every account can enter: Postfix gives
// up root, and t.TempDir and os.MkdirTemp make folders for one user only.
func TempDir() (string, error) {
	dir, err := os.MkdirTemp("", "mtad-peer-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// StartPostfix starts Postfix in dir, which it makes in one of TempDir, and
// waits until it listens. It needs root, as Postfix does.
func StartPostfix(dir string, c PostfixConfig) (*Postfix, error) {
	tree, err := Package("postfix")
	if err != nil {
		return nil, err
	}
	daemons, libs := filepath.Join(tree, "usr/lib/postfix/sbin"), filepath.Join(tree, "usr/lib/postfix")
	master := filepath.Join(daemons, "master")
	if libs, err = libraryPath(libs, filepath.Join(daemons, "smtpd"), master); err != nil {
		return nil, err
	}
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	if err := postfixFolders(dir); err != nil {
		return nil, err
	}
	if err := postfixFiles(dir, tree, libs, addr, c); err != nil {
		return nil, err
	}
	etc := filepath.Join(dir, "etc")
	cmd := exec.Command(master, "-c", etc, "-d")
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libs, "MAIL_CONFIG="+etc, "MAIL_LOGTAG=postfix")
	child, err := startChild(filepath.Join(dir, "output"), cmd)
	if err != nil {
		return nil, err
	}
	return &Postfix{child, addr, dir}, child.ready(addr, 20*time.Second)
}

// Usage is what all of its processes have used, also those that have ended.
func (p *Postfix) Usage() (Usage, error) { return TreeUsage(p.PID()) }

// postfixFolders makes the queue as post-install would.
func postfixFolders(dir string) error {
	owner, err := user.Lookup(postfixOwner)
	if err != nil {
		return err
	}
	group, err := user.LookupGroup(postfixGroup)
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(group.Gid)
	for _, d := range []struct {
		name     string
		uid, gid int
		mode     os.FileMode
	}{
		{".", 0, 0, 0o755}, {"etc", 0, 0, 0o755}, {"data", uid, 0, 0o700}, {"spool", 0, 0, 0o755}, {"spool/pid", 0, 0, 0o755},
		{"spool/incoming", uid, 0, 0o700}, {"spool/active", uid, 0, 0o700}, {"spool/deferred", uid, 0, 0o700},
		{"spool/bounce", uid, 0, 0o700}, {"spool/corrupt", uid, 0, 0o700}, {"spool/defer", uid, 0, 0o700},
		{"spool/flush", uid, 0, 0o700}, {"spool/hold", uid, 0, 0o700}, {"spool/trace", uid, 0, 0o700},
		{"spool/saved", uid, 0, 0o700}, {"spool/private", uid, 0, 0o700},
		{"spool/public", uid, gid, 0o710}, {"spool/maildrop", uid, gid, 0o730},
	} {
		path := filepath.Join(dir, d.name)
		if err := os.MkdirAll(path, d.mode); err != nil {
			return err
		}
		if err := os.Chown(path, d.uid, d.gid); err != nil {
			return err
		}
		if err := os.Chmod(path, d.mode); err != nil { // the umask is not asked
			return err
		}
	}
	return nil
}

// postfixFiles writes main.cf, tuned for volume, and master.cf.
func postfixFiles(dir, tree, libs, addr string, c PostfixConfig) error {
	host, port, err := net.SplitHostPort(c.NextHop)
	if err != nil {
		return err
	}
	etc := filepath.Join(dir, "etc")
	settings := map[string]string{
		"compatibility_level": "3.6", "config_directory": etc, "meta_directory": etc,
		"queue_directory": filepath.Join(dir, "spool"), "data_directory": filepath.Join(dir, "data"),
		"command_directory": filepath.Join(tree, "usr/sbin"), "daemon_directory": filepath.Join(tree, "usr/lib/postfix/sbin"),
		"shlib_directory":    filepath.Join(tree, "usr/lib/postfix"),
		"import_environment": "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH=" + libs,
		"mail_owner":         postfixOwner, "setgid_group": postfixGroup, "default_privs": "nobody",
		"myhostname": "postfix.test", "mydestination": "", "local_recipient_maps": "", "alias_maps": "", "alias_database": "",
		"inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8",
		"smtpd_relay_restrictions": "permit_mynetworks, reject", "relayhost": fmt.Sprintf("[%s]:%s", host, port),
		"disable_dns_lookups": "yes", "smtp_tls_security_level": "none", "smtpd_tls_security_level": "none",
		"smtputf8_enable": "no", "biff": "no",
		"message_size_limit": "0", "smtpd_recipient_limit": "10000", "smtpd_peername_lookup": "no",
		// Tuned for volume.
		"default_process_limit": "250", "in_flow_delay": "0", "qmgr_message_active_limit": "100000", "qmgr_message_recipient_limit": "100000",
		"initial_destination_concurrency": "20", "default_destination_concurrency_limit": "20",
		"smtpd_client_connection_count_limit": "0", "smtp_connection_cache_on_demand": "yes",
		"address_verify_map": "", "smtpd_delay_reject": "no", "enable_long_queue_ids": "no",
	}
	if len(c.Routes) > 0 {
		if err := postfixTransport(etc, c.Routes); err != nil {
			return err
		}
		settings["transport_maps"] = "texthash:" + filepath.Join(etc, "transport")
	}
	maps.Copy(settings, c.Main)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = %s\n", name, settings[name])
	}
	if err := os.WriteFile(filepath.Join(etc, "main.cf"), []byte(b.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(etc, "master.cf"), []byte(addr+postfixServices), 0o644)
}

func postfixTransport(etc string, routes map[string]string) error {
	var b strings.Builder
	for _, domain := range slices.Sorted(maps.Keys(routes)) {
		host, port, err := net.SplitHostPort(routes[domain])
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s smtp:[%s]:%s\n", domain, host, port)
	}
	return os.WriteFile(filepath.Join(etc, "transport"), []byte(b.String()), 0o644)
}

// postfixServices is master.cf behind the address of smtpd: what relaying
// needs, nothing in a chroot. There is no postlogd: what is logged goes to the
// machine's syslog, if it has one, and costs Postfix nothing else.
const postfixServices = ` inet n - n - - smtpd
cleanup  unix n - n - 0 cleanup
qmgr     unix n - n 300 1 qmgr
rewrite  unix - - n - - trivial-rewrite
bounce   unix - - n - 0 bounce
defer    unix - - n - 0 bounce
trace    unix - - n - 0 bounce
verify   unix - - n - 1 verify
flush    unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp     unix - - n - - smtp
relay    unix - - n - - smtp
showq    unix n - n - - showq
error    unix - - n - - error
retry    unix - - n - - error
discard  unix - - n - - discard
anvil    unix - - n - 1 anvil
scache   unix - - n - 1 scache
tlsmgr   unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
postlog  unix-dgram n - n - 1 postlogd
`

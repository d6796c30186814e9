package config

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mtad/internal/expand"
	"mtad/internal/lists"
)

var update = flag.Bool("update", false, "write the .want files anew")

// Each testdata/*.toml is read, and what is said of it compared with its .want (LP-06).
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			got := said(t, file)
			want := strings.TrimSuffix(file, ".toml") + ".want"
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(want)
			if err != nil || got != string(text) {
				t.Errorf("%v; it says\n%s", err, got)
			}
		})
	}
}

// said returns errors and warnings; the folder, which is another on each
// machine, is taken out.
func said(t *testing.T, file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "open.token"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "open.token"), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := parse("config.toml", dir, text)
	var b strings.Builder
	if err != nil {
		fmt.Fprintln(&b, err)
	} else {
		for _, w := range cfg.Warnings {
			fmt.Fprintln(&b, "warning:", w)
		}
	}
	return strings.ReplaceAll(b.String(), dir, "DIR")
}

// Every option is read into its field.
func TestTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"4h:8h:24h": "[4h0m0s 8h0m0s 24h0m0s]", "1d": "[24h0m0s]", "0": "[]", "": "[]", " 1h : 2h ": "[1h0m0s 2h0m0s]",
		"2h:1h": "wrong", "1h:1h": "wrong", "1s": "wrong", "1h:": "wrong", "x": "wrong", "0:1h": "wrong",
	} {
		got, err := parseTimes(text)
		if s := fmt.Sprint([]time.Duration(got)); err == nil && s != want || (err != nil) != (want == "wrong") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestEveryOption(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg, err := parse("config.toml", dir, []byte(`
primary_hostname = "relay.example.net"
spool_directory = "/var/spool/mtad"
log_file_path = "stderr"
log_format = "json"
host_accept_relay = "+inside : @"
relay_domains = ["example.com", "+ours"]
host_reject = "192.0.2.66"
smtp_banner = "${primary_hostname} ready"
tls_advertise_hosts = "192.0.2.10"
tls_certificate = "/etc/${sender_host_address}.pem"
tls_privatekey = "/etc/$interface_address.key"
tls_dhparam = "/etc/$interface_port.dh"
tls_hosts = "192.0.2.11"
tls_verify_hosts = "192.0.2.12"
tls_verify_ciphers = "TLS_AES_128_GCM_SHA256"
tls_verify_certificates = "/etc/$sender_host_port.ca"
tls_groups = "X25519:P-256"
tls_log_cipher = false
tls_log_peerdn = true
tls_host_accept_relay = "192.0.2.12"
received_header_text = """Received: from $sender_helo_name
\tid $message_id"""
smtp_accept_max = 1
smtp_accept_max_per_host = 2
smtp_accept_max_per_connection = 3
smtp_receive_timeout = "1h30m"
smtp_max_errors = 4
message_size_limit = "10K"
recipients_max = 5
received_headers_max = 6
drain_timeout = "1w"
check_spool_space = 7
check_spool_inodes = 8
remote_max_parallel = 9
ignore_bounce_errors_after = "0"
delay_warning = "4h:8h:1d"
dns_servers = ["192.0.2.53", "[2001:db8::53]:5353"]
dns_retrans = "2s"
dns_retry = 3
disable_ipv6 = true
pipelining_advertise_hosts = []
chunking_advertise_hosts = "192.0.2.1"
enhanced_status_advertise_hosts = "*"
user = "root"
group = "root"

[hostlist]
inside = "10.0.0.0/8"
[domainlist]
ours = "*.example.org"
[addresslist]
them = "a@example.org"

[[listen]]
address = "[::1]:2525"
tls = "implicit"

[[router]]
name = "r"
driver = "domainlist"
domains = "example.com"
route_list = ["Example.COM. mx1 mx2:26", "*.example.com [2001:db8::1]:25"]
hosts = "192.0.2.1 mx.example.com"
randomize_hosts = true
transport = "mda"
fallback_hosts = ["192.0.2.2"]
ignore_target_hosts = "192.0.2.14"
self = "pass"

[transport.mda]
driver = "smtp"
protocol = "lmtp"
port = 24
batch_max = 1
max_rcpt = 2
connect_timeout = "1s"
command_timeout = "2s"
data_timeout = "3s"
final_timeout = "4s"
interface = "192.0.2.3"
helo_data = "$primary_hostname"
max_connections = 5
max_message_rate = "30/m"
hosts_max_try = 3
connection_linger = 0
hosts = "192.0.2.6 mx:26"
hosts_override = true
fallback_hosts = "192.0.2.4"
hosts_avoid_tls = "192.0.2.5"
hosts_require_tls = "*.example.com"
tls_certificate = "${if eq{$host}{mx}{own.pem}fail}"
tls_privatekey = "own.key"
tls_verify_certificates = "${if eq{$host}{mx}{ca.pem}fail}"
tls_verify_ciphers = "HIGH"
tls_verify_cert_hostnames = []
tls_tempfail_tryclear = true
tls_groups = "X25519"
tls_handoff = "keep"
tls_handoff_fallback = "reconnect"
tls_handoff_memory = "1h"
handoff_timeout = "2s"

[[site]]
name = "big"
match = ["*.mail.example", "192.0.2.30"]
max_connections = 40
max_message_rate = "2/s"

[[retry]]
domains = "example.com"
errors = ["tls", "rcpt_4xx", "mail_45x", "data_452"]
addresses = ["a@example.org", "+them"]
rule = "F,2h,15m; G,4d,1h,1.5"

[admin]
address = "127.0.0.1:9925"
token_file = "admin.token"
`))
	if err != nil {
		t.Fatal(err)
	}
	seen := *cfg
	seen.HostAcceptRelay, seen.RelayDomains, seen.HostReject = nil, nil, nil
	seen.PipeliningAdvertiseHosts, seen.ChunkingAdvertiseHosts, seen.EnhancedStatusAdvertiseHosts = nil, nil, nil
	seen.TLSAdvertiseHosts, seen.TLSHosts, seen.TLSVerifyHosts, seen.TLSHostAcceptRelay = nil, nil, nil, nil
	seen.TLSCertificate, seen.TLSPrivateKey, seen.TLSDHParam, seen.TLSVerifyCiphers, seen.TLSVerifyCertificates = nil, nil, nil, nil, nil
	seen.SMTPBanner, seen.ReceivedHeaderText, seen.Warnings = nil, nil, nil
	seen.said, seen.order, seen.lines = nil, nil, nil
	seen.Routers = slices.Clone(cfg.Routers)
	seen.Routers[0].Domains, seen.Retry = nil, slices.Clone(cfg.Retry)
	seen.Retry[0].Domains, seen.Retry[0].Addresses = nil, nil
	seen.Routers[0].IgnoreTargetHosts = nil
	seen.Transports, seen.Sites = nil, slices.Clone(cfg.Sites)
	seen.Sites[0].Match = nil
	mda := *cfg.Transports["mda"]
	for name, got := range map[string]*expand.String{
		"192.0.2.3": mda.Interface, "$primary_hostname": mda.HeloData, "${if eq{$host}{mx}{own.pem}fail}": mda.TLSCertificate,
		"own.key": mda.TLSPrivateKey, "${if eq{$host}{mx}{ca.pem}fail}": mda.TLSVerifyCertificates, "HIGH": mda.TLSVerifyCiphers,
	} {
		if got == nil || got.Source() != name {
			t.Errorf("%s is not as written", name)
		}
	}
	mda.Interface, mda.HeloData, mda.TLSCertificate, mda.TLSPrivateKey, mda.TLSVerifyCertificates, mda.TLSVerifyCiphers = nil, nil, nil, nil, nil, nil
	mda.HostsAvoidTLS, mda.HostsRequireTLS, mda.TLSVerifyCertHostnames = nil, nil, nil
	if want := (Transport{
		Name: "mda", Driver: "smtp", Protocol: "lmtp", Port: 24, BatchMax: 1, MaxRcpt: 2, ConnectTimeout: time.Second, CommandTimeout: 2 * time.Second,
		DataTimeout: 3 * time.Second, FinalTimeout: 4 * time.Second, MaxConnections: 5, MaxMessageRate: 0.5, HostsMaxTry: 3, Hosts: []string{"192.0.2.6", "mx:26"}, HostsOverride: true, FallbackHosts: []string{"192.0.2.4"},
		TLSTempfailTryclear: true, TLSGroups: "X25519", TLSHandoff: "keep", TLSHandoffFallback: "reconnect", TLSHandoffMemory: time.Hour, HandoffTimeout: 2 * time.Second,
	}); !reflect.DeepEqual(mda, want) {
		t.Errorf("transport: got  %+v\nwant %+v", mda, want)
	}
	want := Config{
		File: "config.toml", Dir: dir, PrimaryHostname: "relay.example.net", SpoolDirectory: "/var/spool/mtad", LogFilePath: "stderr", LogFormat: "json",
		TLSGroups: "X25519:P-256", TLSLogPeerDN: true, SMTPAcceptMax: 1, SMTPAcceptMaxPerHost: 2, SMTPAcceptMaxPerConnection: 3,
		SMTPReceiveTimeout: 90 * time.Minute, SMTPMaxErrors: 4, MessageSizeLimit: 10 << 10, RecipientsMax: 5, ReceivedHeadersMax: 6,
		DrainTimeout: 7 * 24 * time.Hour, CheckSpoolSpace: 7, CheckSpoolInodes: 8, RemoteMaxParallel: 9, DelayWarning: Times{4 * time.Hour, 8 * time.Hour, 24 * time.Hour},
		DNSServers: []string{"192.0.2.53", "[2001:db8::53]:5353"}, DNSRetrans: 2 * time.Second, DNSRetry: 3, DisableIPv6: true, User: "root", Group: "root",
		HostLists:    map[string][]string{"inside": {"10.0.0.0/8"}},
		DomainLists:  map[string][]string{"ours": {"*.example.org"}},
		AddressLists: map[string][]string{"them": {"a@example.org"}},
		Listen:       []Listen{{Address: "[::1]:2525", TLS: "implicit", Protocol: "smtp"}},
		Routers: []Router{{Name: "r", Driver: "domainlist", Hosts: []string{"192.0.2.1", "mx.example.com"},
			RouteList:      map[string][]string{"example.com": {"mx1", "mx2:26"}, "*.example.com": {"[2001:db8::1]:25"}},
			RandomizeHosts: true, Transport: "mda", Self: "pass", FallbackHosts: []string{"192.0.2.2"}}},
		Sites: []Site{{Name: "big", MaxConnections: 40, MaxMessageRate: 2}},
		Retry: []Retry{{Errors: []string{"tls", "rcpt_4xx", "mail_45x", "data_452"}, Rule: []RetryStep{{'F', 2 * time.Hour, 15 * time.Minute, 0}, {'G', 96 * time.Hour, time.Hour, 1.5}}}},
		Admin: Admin{"127.0.0.1:9925", filepath.Join(dir, "admin.token")},
	}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("got  %+v\nwant %+v", seen, want)
	}
	host := func(a string) lists.Host { return lists.Host{Addr: netip.MustParseAddr(a)} }
	for name, got := range map[string]bool{
		"host_accept_relay":               cfg.HostAcceptRelay.Match(host("10.1.1.1")).Answer == lists.Yes,
		"retry.addresses":                 cfg.Retry[0].Addresses.Match("a@example.org").Answer == lists.Yes && cfg.Retry[0].Addresses.Match("b@example.org").Answer == lists.No,
		"tls_advertise_hosts":             cfg.TLSAdvertiseHosts.Match(host("192.0.2.10")).Answer == lists.Yes,
		"tls_hosts":                       cfg.TLSHosts.Match(host("192.0.2.11")).Answer == lists.Yes,
		"tls_verify_hosts":                cfg.TLSVerifyHosts.Match(host("192.0.2.12")).Answer == lists.Yes,
		"tls_host_accept_relay":           cfg.TLSHostAcceptRelay.Match(host("192.0.2.12")).Answer == lists.Yes,
		"tls_certificate":                 cfg.TLSCertificate.Source() == "/etc/${sender_host_address}.pem",
		"tls_privatekey":                  cfg.TLSPrivateKey.Source() == "/etc/$interface_address.key",
		"tls_dhparam":                     cfg.TLSDHParam.Source() == "/etc/$interface_port.dh",
		"tls_verify_ciphers":              cfg.TLSVerifyCiphers.Source() == "TLS_AES_128_GCM_SHA256",
		"tls_verify_certificates":         cfg.TLSVerifyCertificates.Source() == "/etc/$sender_host_port.ca",
		"smtp_banner":                     cfg.SMTPBanner.Source() == "${primary_hostname} ready",
		"received_header_text":            strings.HasPrefix(cfg.ReceivedHeaderText.Source(), "Received: from $sender_helo_name\n"),
		"relay_domains":                   cfg.RelayDomains.Match("a.example.org").Answer == lists.Yes,
		"host_reject":                     cfg.HostReject.Match(host("192.0.2.66")).Answer == lists.Yes,
		"pipelining_advertise_hosts":      cfg.PipeliningAdvertiseHosts.Match(host("192.0.2.1")).Answer == lists.No,
		"chunking_advertise_hosts":        cfg.ChunkingAdvertiseHosts.Match(host("192.0.2.2")).Answer == lists.No,
		"enhanced_status_advertise_hosts": cfg.EnhancedStatusAdvertiseHosts.Match(host("192.0.2.2")).Answer == lists.Yes,
		"router.domains":                  cfg.Routers[0].Domains.Match("example.org").Answer == lists.No,
		"ignore_target_hosts":             cfg.Routers[0].IgnoreTargetHosts.Match(host("192.0.2.14")).Answer == lists.Yes,
		"retry.domains":                   cfg.Retry[0].Domains.Match("example.com").Answer == lists.Yes,
		"hosts_avoid_tls":                 cfg.Transports["mda"].HostsAvoidTLS.Match(host("192.0.2.5")).Answer == lists.Yes,
		"hosts_require_tls":               cfg.Transports["mda"].HostsRequireTLS.Match(lists.Host{Addr: netip.MustParseAddr("192.0.2.5"), Name: "mx.example.com"}).Answer == lists.Yes,
		"tls_verify_cert_hostnames":       cfg.Transports["mda"].TLSVerifyCertHostnames.Match(host("192.0.2.5")).Answer == lists.No,
		"tls_verify_cert_hostnames *":     cfg.Transports["smtp"].TLSVerifyCertHostnames.Match(host("192.0.2.5")).Answer == lists.Yes,
		"transport smtp":                  cfg.Transports["smtp"].BatchMax == 500,
	} {
		if !got {
			t.Errorf("%s is not as written", name)
		}
	}
}

func TestDefault(t *testing.T) {
	t.Parallel()
	c := Default()
	dir, _ := filepath.Abs(".")
	if c.SpoolDirectory != filepath.Join(dir, "spool.d") || c.LogFilePath != filepath.Join(dir, "log/%slog") || c.LogFormat != "exim" {
		t.Errorf("files: %q %q %q", c.SpoolDirectory, c.LogFilePath, c.LogFormat)
	}
	if c.HostAcceptRelay != nil || c.RelayDomains != nil || c.HostReject != nil || c.EnhancedStatusAdvertiseHosts != nil {
		t.Error("lists that are unset are not nil")
	}
	if c.SMTPAcceptMax != 10000 || c.MessageSizeLimit != 50<<20 || c.CheckSpoolSpace != 60<<20 || c.SMTPReceiveTimeout != 5*time.Minute || c.DrainTimeout != 30*time.Second {
		t.Errorf("limits: %+v", c)
	}
	if !reflect.DeepEqual(c.Listen, []Listen{{Address: "127.0.0.1:25", TLS: "starttls", Protocol: "smtp"}}) || c.Admin != (Admin{}) {
		t.Errorf("tables: %+v", c)
	}
	if r := c.Routers; len(r) != 1 || r[0].Driver != "lookuphost" || r[0].Transport != "smtp" || r[0].Domains.Match("example.com").Answer != lists.Yes {
		t.Errorf("routers: %+v", r)
	}
	smtp := c.Transports["smtp"]
	if smtp == nil || smtp.HostsMaxTry != 5 || smtp.MaxConnections != 20 || smtp.MaxRcpt != 100 || smtp.ConnectionLinger != time.Second || smtp.FinalTimeout != 10*time.Minute || smtp.HeloData.Source() != "$primary_hostname" {
		t.Errorf("transport: %+v", smtp)
	}
	want := []RetryStep{{'F', 2 * time.Hour, 15 * time.Minute, 0}, {'G', 16 * time.Hour, time.Hour, 1.5}, {'F', 96 * time.Hour, 6 * time.Hour, 0}}
	if len(c.Retry) != 1 || !reflect.DeepEqual(c.Retry[0].Rule, want) {
		t.Errorf("retry: %+v", c.Retry)
	}
	if c.PipeliningAdvertiseHosts.Match(lists.Host{Addr: netip.MustParseAddr("192.0.2.1")}).Answer != lists.Yes {
		t.Error("PIPELINING is not offered to all")
	}
}

func TestLoadFileFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	big := filepath.Join(dir, "big.toml")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		filepath.Join(dir, "none.toml"): "there is no such file; -config names another",
		dir:                             "cannot read the file",
		big:                             "the file has more than 4 MB",
	} {
		_, err := Load(file)
		var all *Errors
		if !errors.As(err, &all) || !strings.HasPrefix(err.Error(), file+":1: "+want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// Nesting must not reach the library, which would recurse into it.
func TestDeepNesting(t *testing.T) {
	t.Parallel()
	const deep = 1_000_000
	for name, text := range map[string]string{
		"arrays":  "\na = " + strings.Repeat("[", deep),
		"tables":  "\na = " + strings.Repeat("{a=", deep),
		"key":     "\n" + strings.Repeat("a.", deep) + "a = 1",
		"header":  "\n[" + strings.Repeat("a.", deep) + "a]",
		"behind":  "\n= faulty\na = " + strings.Repeat("[", deep),
		"quoted":  "\n'a\n'\na = " + strings.Repeat("[", deep),
		"mixture": "\na = " + strings.Repeat("[{a=", deep),
	} {
		_, err := parse("config.toml", "/", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), "config.toml:2: ") {
			t.Errorf("%s: %.100v", name, err)
		}
	}
}

// Where the index loses its way, nothing deep is handed on behind that place.
func TestIndexLost(t *testing.T) {
	t.Parallel()
	if _, line, err := makeIndex([]byte("\n= faulty\na = " + strings.Repeat("[", 2*maxBrackets))); err == nil || line != 2 {
		t.Errorf("line %d: %v", line, err)
	}
	if _, _, err := makeIndex([]byte("= faulty\na = [[1]]")); err != nil {
		t.Errorf("the library is to say what is faulty, not the index: %v", err)
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	x, line, err := makeIndex([]byte(`a = 1 # comment = 2
b.c."d e" = '''
x = 1
'''
f = [ # g = 1
  "[", '"', """
""", 1.5,
  { g = 1, h = [2,
    3] },
]
"quoted\u0041" = 1979-05-27 07:32:00
[t]
x = "\"#"
[[u]]
y = 1
[[u]]
y = 2
[[u.v]]
z = 1
[u.v.w]
q = 1
[ t . "s.t" ]
r = """
\"""""
last = true
`))
	if err != nil || line != 0 {
		t.Fatal(line, err)
	}
	for path, want := range map[string]int{
		"a": 1, "b": 2, "b/c/d e": 2, "f": 5, "f/0": 6, "f/2": 6, "f/3": 7, "f/4/g": 8, "f/4/h/1": 9, "quotedA": 11, "t": 12, "t/x": 13,
		"u": 14, "u/0": 14, "u/0/y": 15, "u/1/y": 17, "u/1/v/0/z": 19, "u/1/v/0/w/q": 21, "t/s.t": 22, "t/s.t/r": 23, "t/s.t/last": 25,
	} {
		if got := x[at(strings.Split(path, "/")...)]; got != want {
			t.Errorf("%s: line %d, want %d", path, got, want)
		}
	}
	if x.line("u", "1", "nothing") != 16 || x.line("nothing") != 1 {
		t.Error("what is not there is not at the line of what it would be in")
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "4d": 96 * time.Hour, "1w": 168 * time.Hour,
		"1w2d3h4m5s": 219*time.Hour + 4*time.Minute + 5*time.Second, "0": 0, "0s": 0, "1.5h": 90 * time.Minute, "250ms": 250 * time.Millisecond,
	} {
		if got, err := ParseTime(in); err != nil || got != want {
			t.Errorf("ParseTime(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "5", "m", "5 m", "-5m", "5mm", "5x", "1h 30m", "999999999w", "1..5h", "5M"} {
		if got, err := ParseTime(in); err == nil {
			t.Errorf("ParseTime(%q) = %v", in, got)
		}
	}
	for in, want := range map[string]int64{"0": 0, "1000": 1000, "10K": 10 << 10, "50M": 50 << 20, "2g": 2 << 30} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "K", "-1", "1.5M", "50MB", "99999999999G", "0x10", "1T"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("ParseSize(%q) = %v", in, got)
		}
	}
	for in, want := range map[string]HostPort{
		"MX.Example.com.":       {Name: "mx.example.com"},
		"mx.example.com:26":     {Name: "mx.example.com", Port: 26},
		"mx:26":                 {Name: "mx", Port: 26},
		"mx:Example.com":        {Name: "example.com", MX: true},
		"mx:example.com:26":     {Name: "example.com", Port: 26, MX: true},
		"192.0.2.1:25":          {Name: "192.0.2.1", Addr: netip.MustParseAddr("192.0.2.1"), Port: 25},
		"2001:db8::1":           {Name: "2001:db8::1", Addr: netip.MustParseAddr("2001:db8::1")},
		"[2001:db8::1]:25":      {Name: "2001:db8::1", Addr: netip.MustParseAddr("2001:db8::1"), Port: 25},
		"[2001:db8::1]":         {Name: "2001:db8::1", Addr: netip.MustParseAddr("2001:db8::1")},
		"[::ffff:192.0.2.1]:25": {Name: "::ffff:192.0.2.1", Addr: netip.MustParseAddr("192.0.2.1"), Port: 25},
	} {
		if got, err := ParseHostPort(in); err != nil || got != want {
			t.Errorf("ParseHostPort(%q) = %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", ":25", "a:", "a:0", "a:65536", "a:b", "[::1", "[::1]25", "[x]:1", "-a", "a..b", "a b", "300.1.1.1", "1:2:3", "[192.0.2.1", "mx:", "mx:192.0.2.1", "mx:mx:example.com", "mx:a..b", strings.Repeat("a.", 200)} {
		if got, err := ParseHostPort(in); err == nil {
			t.Errorf("ParseHostPort(%q) = %+v", in, got)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	words := []string{"smtp_accept_max", "smtp_banner", "user", "group"}
	for in, want := range map[string]string{
		"smtp_acept_max": "smtp_accept_max", "smtp_bnaner": "smtp_banner", "usr": "user", "User": "user", "something_else": "", "x": "",
	} {
		if got := didYouMean(in, words); (want == "") != (got == "") || want != "" && !strings.Contains(got, `"`+want+`"`) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Any bytes: no panic, and mistakes have lines that are there.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.toml")
	for _, file := range append(files, "../../config.toml") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := parse("config.toml", "/nowhere", text)
		if err == nil {
			if len(cfg.Routers) == 0 || cfg.Transports["smtp"] == nil || len(cfg.Retry) == 0 {
				t.Errorf("accepted: %+v", cfg)
			}
			return
		}
		var all *Errors
		if !errors.As(err, &all) || len(all.Mistakes) == 0 {
			t.Fatalf("%T: %v", err, err)
		}
		lines := 1 + strings.Count(string(text), "\n")
		for _, m := range all.Mistakes {
			if m.Line < 1 || m.Line > lines || m.Text == "" {
				t.Errorf("%d lines; %+v", lines, m)
			}
		}
	})
}

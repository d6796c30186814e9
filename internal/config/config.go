// Package config is what the operator said: TOML into checked, immutable
// structs. The comments of the fields are the manual: docs/reference.md and
// config.toml are made from them.
//
// An option is one field here: its name and default are in its tag, its text is
// its comment. bind.go turns what stands in the file into the field's type;
// check.go looks at what options say of each other; every mistake is reported
// with its line (index.go), not only the first (errors.go).
package config

import (
	"net/netip"
	"time"

	"mtad/internal/expand"
	"mtad/internal/lists"
)

//go:generate go run ./gen

// The tags of a field:
//
//	opt:"name"        the option; fields without it are not read from the file
//	default:"text"    what stands for an option left out, as it would be written
//	unset:"words"     for the manual, where there is no default or it is computed
//	kind:"..."        how the text is read where the type does not say it: file, logfile, count, hosts, words, errors, expanded
//	vars:"..."        for expanded strings, where they are used: connection, session, auth, message
//	min:"1" max:"9"   for numbers
//	oneof:"a b"       for words
//	vars:"host"       for kind expanded: the variables there are
//	first:"value"     stands in config.toml, with this value
//	secret:"yes"      its value is not to be logged
//	restart:"refused" a reload that changes it fails; restart:"later": the new value holds from the next start on
//	example:"value"   stands there as a comment, where there is no default

// Config is a checked configuration. It is never changed after Load.
type Config struct {
	File string // the path it was read from, for messages
	Dir  string // its folder: relative file names start here

	// Name of this host: in the banner, in EHLO, in Received: lines, and what @ means in a list.
	PrimaryHostname string `opt:"primary_hostname" restart:"refused" unset:"the machine's name" example:"relay.example.net"`
	// Folder that holds the messages. It is made if it is missing; one daemon uses it at a time.
	SpoolDirectory string `opt:"spool_directory" restart:"refused" kind:"file" default:"spool.d" first:"spool.d"`
	// Log files; %s stands for main, reject and panic. "stderr" writes all three to standard error.
	LogFilePath string `opt:"log_file_path" restart:"later" kind:"logfile" default:"log/%slog" first:"log/%slog"`
	// Form of log lines: "exim" is what exigrep and eximstats read, "json" is one object a line.
	LogFormat string `opt:"log_format" restart:"later" default:"exim" oneof:"exim json"`

	// Hosts that may send mail to any domain through this one. Nobody else may, except to relay_domains.
	HostAcceptRelay *lists.HostList `opt:"host_accept_relay" unset:"nobody" first:"[\"127.0.0.1\", \"::1\"]"`
	// Domains that mail is accepted for from everybody.
	RelayDomains *lists.DomainList `opt:"relay_domains" unset:"none" example:"[\"example.com\", \"*.example.com\"]"`
	// Hosts whose connections are refused.
	HostReject *lists.HostList `opt:"host_reject" unset:"none" example:"[\"192.0.2.66\", \"198.51.100.0/24\"]"`

	// Hosts that STARTTLS is offered to.
	TLSAdvertiseHosts *lists.HostList `opt:"tls_advertise_hosts" unset:"nobody" first:"*"`
	// File with the certificate, and behind it those that lead to its issuer; it may hold the key too. "self-signed" is one that mtad makes itself and keeps in the spool folder. Expanded for each client; like all files of TLS it is read anew when it changes.
	TLSCertificate *expand.String `opt:"tls_certificate" vars:"connection" unset:"none: TLS cannot be had" first:"self-signed"`
	// File with the private key of the certificate. Expanded for each client.
	TLSPrivateKey *expand.String `opt:"tls_privatekey" vars:"connection" unset:"the file of tls_certificate" example:"key-$interface_address.pem"`
	// File with Diffie-Hellman parameters. It is checked and has no effect in this build: Go's TLS has no finite-field Diffie-Hellman, and all ciphers with forward secrecy are ECDHE.
	TLSDHParam *expand.String `opt:"tls_dhparam" vars:"connection" unset:"none" example:"dh-$interface_address.pem"`
	// Hosts that must use TLS: STARTTLS is offered to them, and MAIL before it is answered 503.
	TLSHosts *lists.HostList `opt:"tls_hosts" unset:"none" example:"[\"192.0.2.0/24\"]"`
	// Hosts whose TLS sessions must be as tls_verify_ciphers and tls_verify_certificates say.
	TLSVerifyHosts *lists.HostList `opt:"tls_verify_hosts" unset:"none" example:"[\"192.0.2.0/24\"]"`
	// Ciphers that hosts in tls_verify_hosts may use, by OpenSSL's names, separated by colons. A list without a cipher of TLS 1.3 keeps TLS 1.3 out. Which cipher of TLS 1.3 is used cannot be chosen: TLS 1.3 is used where the one it comes to is in the list, else TLS 1.2 where list and client allow it. CBC, RSA key exchange and 3DES are had only by name. Expanded for each client.
	TLSVerifyCiphers *expand.String `opt:"tls_verify_ciphers" vars:"connection" unset:"TLS 1.3, and TLS 1.2 with ECDHE and AES-GCM or ChaCha20" example:"TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256"`
	// File, or folder of files <hash>.0, with the certificates that hosts in tls_verify_hosts must show, or with those of their issuers. Expanded for each client.
	TLSVerifyCertificates *expand.String `opt:"tls_verify_certificates" vars:"connection" unset:"no certificate is asked for" example:"clients-$interface_address.pem"`
	// Groups for the key exchange, separated by colons, such as "X25519:P-256". The engine's default begins with the post-quantum X25519MLKEM768, so that what is recorded today cannot be read once there are quantum computers. With clients that offer it, it costs 40 to 85 microseconds of CPU more for a session in TLS 1.3, a tenth of what an RSA certificate costs: see docs/performance.md.
	TLSGroups string `opt:"tls_groups" unset:"the engine's" example:"X25519:P-256"`
	// Log the cipher of TLS sessions (X=).
	TLSLogCipher bool `opt:"tls_log_cipher" restart:"later" default:"true"`
	// Log the name in the peer's certificate (DN=).
	TLSLogPeerDN bool `opt:"tls_log_peerdn" restart:"later" default:"false"`
	// Hosts that may send mail to any domain while they are in TLS. Without tls_verify_hosts and tls_verify_certificates everybody among them may who can say STARTTLS.
	TLSHostAcceptRelay *lists.HostList `opt:"tls_host_accept_relay" unset:"nobody" example:"[\"192.0.2.0/24\"]"`

	// Hosts that may send mail to any domain once they have authenticated.
	HostAuthAcceptRelay *lists.HostList `opt:"host_auth_accept_relay" unset:"nobody" example:"*"`
	// Hosts that must authenticate: MAIL before AUTH is answered 550.
	AuthHosts *lists.HostList `opt:"auth_hosts" unset:"none" example:"[\"192.0.2.0/24\"]"`
	// Hosts that AUTH is offered to in TLS only. Whoever listens in on AUTH PLAIN or LOGIN in clear has the secret.
	AuthOverTLSHosts *lists.HostList `opt:"auth_over_tls_hosts" unset:"none" example:"*"`

	// Trace field put on top of each message. One that is no field, or that fails to expand, is replaced by the default.
	ReceivedHeaderText *expand.String `opt:"received_header_text" vars:"message" unset:"client, host, protocol with cipher, id, a single recipient, date" example:"Received: from $sender_helo_name by $primary_hostname id $message_id; $tod_full"`
	// Text behind the 220 that greets a client.
	SMTPBanner *expand.String `opt:"smtp_banner" vars:"connection" unset:"\"$primary_hostname ESMTP mtad\" and the version" example:"$primary_hostname ESMTP"`
	// Connections at one time; further ones are answered 421.
	SMTPAcceptMax int `opt:"smtp_accept_max" default:"10000" min:"1"`
	// Connections at one time from one address; further ones are answered 421.
	SMTPAcceptMaxPerHost int `opt:"smtp_accept_max_per_host" unset:"no limit" min:"0" example:"100"`
	// Messages on one connection; further ones are answered 421.
	SMTPAcceptMaxPerConnection int `opt:"smtp_accept_max_per_connection" unset:"no limit" min:"0" example:"1000"`
	// How long a client may be silent before its connection is closed.
	SMTPReceiveTimeout time.Duration `opt:"smtp_receive_timeout" default:"5m" min:"1s"`
	// Faulty or unknown commands in one session; one more closes it with 421.
	SMTPMaxErrors int `opt:"smtp_max_errors" default:"10" min:"0"`
	// Largest message, in bytes as SIZE counts them; a larger one is refused with 552.
	MessageSizeLimit int64 `opt:"message_size_limit" default:"50M" min:"1K"`
	// Recipients of one message; further ones are answered 452, and the client sends them in another transaction.
	RecipientsMax int `opt:"recipients_max" default:"1000" min:"1"`
	// Received: lines in a message; one with more goes in circles and is refused with 554 5.4.6.
	ReceivedHeadersMax int `opt:"received_headers_max" default:"30" min:"1"`
	// How long what is in hand may go on after TERM, INT or "mtad drain".
	DrainTimeout time.Duration `opt:"drain_timeout" default:"30s" min:"0s"`
	// Free space on the spool's disk below which mail is answered 452.
	CheckSpoolSpace int64 `opt:"check_spool_space" restart:"later" unset:"10M + message_size_limit" min:"0" example:"60M"`
	// Free inodes on the spool's disk below which mail is answered 452.
	CheckSpoolInodes int64 `opt:"check_spool_inodes" restart:"later" kind:"count" default:"100" min:"0"`
	// How long a bounce that cannot be delivered is kept, frozen: nobody is left to tell. Then it is tried once more, and discarded with a line in the log where that fails. 0 discards it at once.
	IgnoreBounceErrorsAfter time.Duration `opt:"ignore_bounce_errors_after" default:"2d" min:"0s"`
	// Ages of a message at which its sender is warned that it waits, as "4h:8h:24h"; behind the last one, the last interval goes on, and one time alone is the interval. Bounces, and mail from lists and programs (List-ID:, Precedence: bulk, Auto-Submitted:), draw no warning. 0 is off.
	DelayWarning Times `opt:"delay_warning" default:"24h"`
	// Outgoing connections at one time, to all hosts together.
	RemoteMaxParallel int `opt:"remote_max_parallel" default:"200" min:"1"`

	// DNS servers to ask: addresses, with a port or without. They have to be recursive ones.
	DNSServers []string `opt:"dns_servers" restart:"later" kind:"servers" unset:"those of /etc/resolv.conf, read again when it changes" example:"[\"127.0.0.1\", \"[2001:db8::53]:53\"]"`
	// How long one DNS server has for an answer. A look-up ends after 30s, whatever these two say.
	DNSRetrans time.Duration `opt:"dns_retrans" restart:"later" unset:"as /etc/resolv.conf says, or 5s" min:"10ms" example:"2s"`
	// How often DNS servers that do not answer are asked.
	DNSRetry int `opt:"dns_retry" restart:"later" unset:"as /etc/resolv.conf says, or 2" min:"1" max:"10" example:"3"`
	// Send no mail to the IPv6 addresses of hosts that are given by name. Without it they are tried after a host's IPv4 addresses, and passed over where this machine has no route to them.
	DisableIPv6 bool `opt:"disable_ipv6" default:"false"`

	// Hosts that PIPELINING is offered to.
	PipeliningAdvertiseHosts *lists.HostList `opt:"pipelining_advertise_hosts" default:"*"`
	// Hosts that CHUNKING (BDAT) is offered to.
	ChunkingAdvertiseHosts *lists.HostList `opt:"chunking_advertise_hosts" default:"*"`
	// Hosts that ENHANCEDSTATUSCODES is offered to.
	EnhancedStatusAdvertiseHosts *lists.HostList `opt:"enhanced_status_advertise_hosts" unset:"none" example:"*"`

	// User to become once the ports are bound, where the daemon is started as root.
	User string `opt:"user" restart:"refused" unset:"whoever started it" example:"mtad"`
	// Group to become along with user.
	Group string `opt:"group" restart:"refused" unset:"the user's own" example:"mtad"`

	// [[listen]]: an address to accept mail on. Without one it is 127.0.0.1:25.
	Listen []Listen `opt:"listen"`
	// [[authenticator]]: a way to authenticate, by AUTH. EHLO offers them in the order of the file.
	Authenticators []Authenticator `opt:"authenticator"`
	// [[router]]: where mail goes. Routers are asked in the order of the file; the first whose domains match decides. Without one, there is one with driver = "lookuphost" for all domains.
	Routers []Router `opt:"router"`
	// [transport.NAME]: how mail is sent. One named smtp always exists; routers name the one they want.
	Transports map[string]*Transport `opt:"transport"`
	// [[site]]: next hops that count as one, such as the servers of a provider that takes mail for many domains. The first that a host matches is its site; most hosts have none.
	Sites []Site `opt:"site"`
	// [[retry]]: when mail that could not be delivered is tried again. The first that matches domain and error decides. Where none does, and where there is none: F,2h,15m; G,16h,1h,1.5; F,4d,6h.
	Retry []Retry `opt:"retry"`
	// [admin]: the address of metrics, health and the queue API. Without it, it is off.
	Admin Admin `opt:"admin"`

	// [hostlist]: named lists of hosts; +name in a list of hosts means one of them.
	HostLists map[string][]string `opt:"hostlist" kind:"named"`
	// [domainlist]: named lists of domains.
	DomainLists map[string][]string `opt:"domainlist" kind:"named"`
	// [addresslist]: named lists of mail addresses.
	AddressLists map[string][]string `opt:"addresslist" kind:"named"`

	Warnings []string // for check and the log at start: not errors, but worth saying

	// What was said, and where: changes.go.
	said  map[string]sayings
	order []ordered
	lines index
}

// Times is a list of ascending times.
type Times []time.Duration

// Listen is one [[listen]].
type Listen struct {
	// IP address and port to accept connections on; ":25" is port 25 on all addresses.
	Address string `opt:"address" kind:"required" first:"127.0.0.1:2525"`
	// "starttls": in clear, until a client that STARTTLS is offered to says it. "implicit": in TLS from the first byte (port 465). "none": in clear.
	TLS string `opt:"tls" default:"starttls" oneof:"starttls implicit none"`
	// "smtp": mail from everybody who may send it. "submission", for ports 587 and 465: MAIL before AUTH is answered 530; a sender whose domain is not fully qualified (user@localhost) is answered 550; a Date: or Message-ID: that is missing is added on top of the message. Who has authenticated may use any address as sender: the log has both (A= and <=).
	Protocol string `opt:"protocol" default:"smtp" oneof:"smtp submission"`
	// With protocol = "submission": the domains that senders may have; others are answered 550. The null sender <> may always be used, since notifications of programs have it.
	SenderDomains *lists.DomainList `opt:"sender_domains" unset:"all that are fully qualified" example:"[\"example.com\"]"`
}

// Authenticator is one [[authenticator]].
type Authenticator struct {
	// Name for logs (A=), messages and $sender_host_authenticated.
	Name string `opt:"name" kind:"required" example:"plain"`
	// "plaintext": PLAIN and LOGIN. "cram_md5": CRAM-MD5. "scram": SCRAM-SHA-256, and SCRAM-SHA-256-PLUS in TLS. "external": the verified certificate of the client (tls_verify_hosts) says who it is.
	Driver string `opt:"driver" kind:"required" oneof:"plaintext cram_md5 scram external" example:"plaintext"`
	// Name of the mechanism. A plaintext authenticator must have one: "PLAIN" or "LOGIN".
	PublicName string `opt:"public_name" unset:"CRAM-MD5, SCRAM-SHA-256 or EXTERNAL by the driver" example:"PLAIN"`
	// File of users and their secrets, which "mtad user" writes; any driver can use it, and it makes the options of expansion below needless. Others than its owner and group must not have access to it. When it changes it is read anew, and secrets that were verified are verified anew; while the changed file has a fault, what was read before stays in force and paniclog says so.
	ServerUsers string `opt:"server_users" kind:"file" unset:"none" example:"users.toml"`
	// plaintext: what the client is asked for, one item a prompt. One prompt takes all strings at once, as PLAIN sends them.
	ServerPrompts []string `opt:"server_prompts" kind:"prompts" unset:"\"Username:\" and \"Password:\" for LOGIN, an empty one for all others"`
	// plaintext, external: lets the client in where it expands to yes, true or 1, and not where it expands to no, false, 0, nothing, or is forced to fail; anything else is answered 454. $auth1, $auth2 and $auth3 (or $1 to $3) are the strings that the client sent: with PLAIN $auth2 is the name and $auth3 the secret, with LOGIN $auth1 and $auth2, with EXTERNAL $auth1 is the name in the certificate. As in ${if crypteq{$auth3}{${lookup{$auth2}lsearch{passwd}}}}.
	ServerCondition *expand.String `opt:"server_condition" secret:"yes" vars:"auth" unset:"nobody, unless server_users knows them"`
	// cram_md5: the secret of user $auth1; forced to fail where there is no such user, as in ${lookup{$auth1}lsearch{secrets}{$value}fail}.
	ServerSecret *expand.String `opt:"server_secret" secret:"yes" vars:"auth" unset:"what server_users has as plain"`
	// $authenticated_id of who was let in.
	ServerSetID *expand.String `opt:"server_set_id" vars:"auth" unset:"the name that was given"`
	// Offers the mechanism unless it expands to no, false, 0, nothing, or is forced to fail. "${if def:tls_cipher}" offers it in TLS only.
	ServerAdvertiseCondition *expand.String `opt:"server_advertise_condition" vars:"session" unset:"it is offered to all"`

	// plaintext, where mtad is the client: the strings to send, a list of which each item is expanded for itself. "^" in it is the NUL that PLAIN puts between its parts, "^^" is a caret; in the form of one string a colon is doubled. LOGIN: [\"\", \"user\", \"secret\"], where the first, empty one says that no initial response is sent. Any option whose name begins with client_ makes the authenticator one for sending; hosts_try_auth and hosts_require_auth of the transport say where it is used.
	ClientSend []*expand.String `opt:"client_send" secret:"yes" kind:"sends" vars:"host" unset:"made of client_name and client_secret"`
	// Name to authenticate as. With external it may be left out: the certificate (tls_certificate of the transport) has it.
	ClientName *expand.String `opt:"client_name" vars:"host" unset:"none" example:"user"`
	// Secret of client_name. An expansion can keep it out of this file, as in ${lookup{$host}lsearch{/etc/mtad/secrets}}.
	ClientSecret *expand.String `opt:"client_secret" secret:"yes" vars:"host" unset:"none" example:"${readfile{/etc/mtad/secret}{}}"`
	// Sends a secret of PLAIN or LOGIN on a connection without TLS too.
	ClientAllowClear bool `opt:"client_allow_clear" default:"false"`
}

// AddrPort returns the address, :: where it names a port only.
func (l Listen) AddrPort() (netip.AddrPort, error) { return parseListen(l.Address) }

// Router is one [[router]].
type Router struct {
	// Name for logs (R=) and messages.
	Name string `opt:"name" kind:"required" first:"smarthost"`
	// "domainlist": the hosts are named here. "lookuphost": they are looked up in the DNS: the domain's MX records, or, where it has none, its own addresses. A domain that does not exist, or has neither, goes on to the next router, and fails where there is none. One that cannot be looked up now waits.
	Driver string `opt:"driver" kind:"required" oneof:"domainlist lookuphost" first:"domainlist"`
	// Domains whose mail this router takes.
	Domains *lists.DomainList `opt:"domains" default:"*" first:"*"`
	// Next hops, tried in this order: an address or a name, with a port or without ("[2001:db8::1]:25"), or the mail exchangers of a domain ("mx:example.com"). A string holds them separated by white space. Names are looked up in the DNS.
	Hosts []string `opt:"hosts" kind:"hosts" unset:"none" first:"[\"127.0.0.1:2626\"]"`
	// Next hops by domain, tried before hosts: a table { "example.com" = ["mx1", "mx2:26"], "*.example.com" = "mx3" }, or an array of strings "domain host host". Where there is no hosts, the router takes these domains only.
	RouteList map[string][]string `opt:"route_list" kind:"routes" unset:"none"`
	// Shuffle the hosts anew for each message. Mail exchangers of equal preference, and the addresses of one name, are shuffled always.
	RandomizeHosts bool `opt:"randomize_hosts" default:"false"`
	// Domains that must have an MX record: their own addresses do not stand in for it.
	MXDomains *lists.DomainList `opt:"mx_domains" unset:"none" example:"*.example.com"`
	// Addresses that are as if they did not exist where the DNS gives them. An empty list lets all in.
	IgnoreTargetHosts *lists.HostList `opt:"ignore_target_hosts" unset:"for lookuphost loopback, private, link-local, multicast and reserved networks; else none" example:"[\"127.0.0.0/8\", \"::1\"]"`
	// What becomes of mail where the best mail exchanger is this machine: its primary_hostname, one of its addresses, or loopback. Mail exchangers no better than this one are never tried (RFC 5321 5.1). "fail", "defer"; "pass": on to the next router; "send": they are hosts like any other, but for addresses and ports of [[listen]].
	Self string `opt:"self" unset:"fail for lookuphost, defer for domainlist" oneof:"fail defer pass send" example:"pass"`
	// Transport that carries the mail.
	Transport string `opt:"transport" default:"smtp" first:"smtp"`
	// Hosts to try when all others have failed, written as in hosts; they stand in for those of the transport.
	FallbackHosts []string `opt:"fallback_hosts" kind:"hosts" unset:"those of the transport"`
}

// Transport is one [transport.NAME].
type Transport struct {
	Name string
	// "smtp" is the only one there is.
	Driver string `opt:"driver" default:"smtp" oneof:"smtp"`
	// Protocol to speak: "smtp" or "lmtp".
	Protocol string `opt:"protocol" default:"smtp" oneof:"smtp lmtp"`
	// Port of hosts that are named without one.
	Port int `opt:"port" default:"25" min:"1" max:"65535"`
	// Messages on one connection.
	BatchMax int `opt:"batch_max" default:"500" min:"1"`
	// Recipients in one transaction.
	MaxRcpt int `opt:"max_rcpt" default:"100" min:"1"`
	// How long a connection may take to be made.
	ConnectTimeout time.Duration `opt:"connect_timeout" default:"5m" min:"1s"`
	// How long the answer to a command may take.
	CommandTimeout time.Duration `opt:"command_timeout" default:"5m" min:"1s"`
	// How long a block of a message may take to be sent.
	DataTimeout time.Duration `opt:"data_timeout" default:"5m" min:"1s"`
	// How long the answer to the end of a message may take.
	FinalTimeout time.Duration `opt:"final_timeout" default:"10m" min:"1s"`
	// IP address to connect from.
	Interface *expand.String `opt:"interface" kind:"expanded" vars:"host" unset:"the system chooses" example:"192.0.2.1"`
	// What stands behind EHLO.
	HeloData *expand.String `opt:"helo_data" kind:"expanded" vars:"host" default:"$primary_hostname"`
	// Connections at one time to one host.
	MaxConnections int `opt:"max_connections" default:"20" min:"1"`
	// Messages to one host in a time, as "100/s", "10/m" or "500/h".
	MaxMessageRate float64 `opt:"max_message_rate" unset:"no limit" example:"100/s"`
	// Hosts that are tried in one attempt; those whose retry time has not come do not count.
	HostsMaxTry int `opt:"hosts_max_try" default:"5" min:"1"`
	// How long a connection waits for another message before it is closed; 0 closes it at once.
	ConnectionLinger time.Duration `opt:"connection_linger" default:"1s" min:"0s"`
	// Next hops for mail that the router names none for; with hosts_override for all mail.
	Hosts []string `opt:"hosts" kind:"hosts" unset:"none" example:"[\"192.0.2.24\"]"`
	// Send all mail of this transport to its hosts, whatever the router says. The fallback_hosts stay.
	HostsOverride bool `opt:"hosts_override" default:"false"`
	// Hosts to try when all others have failed.
	FallbackHosts []string `opt:"fallback_hosts" kind:"hosts" unset:"none" example:"[\"192.0.2.25\"]"`

	// Hosts to authenticate with, by the [[authenticator]] that has client_ options and the strongest mechanism among those offered: SCRAM-SHA-256-PLUS, EXTERNAL, SCRAM-SHA-256, CRAM-MD5, PLAIN, LOGIN. Where that fails mail is sent unauthenticated; as the first of its connection, which then carries no other in TLS.
	HostsTryAuth *lists.HostList `opt:"hosts_try_auth" unset:"none" example:"*.example.com"`
	// Hosts that get no mail unless mtad has authenticated: the next host is tried, then mail waits.
	HostsRequireAuth *lists.HostList `opt:"hosts_require_auth" unset:"none" example:"[\"192.0.2.24\"]"`
	// Weakest mechanism to authenticate with, so that nobody on the way who hides the others gets the secret out of us: "PLAIN", "CRAM-MD5", "SCRAM-SHA-256", "EXTERNAL" or "SCRAM-SHA-256-PLUS".
	AuthMinimumMechanism string `opt:"auth_minimum_mechanism" unset:"any" oneof:"LOGIN PLAIN CRAM-MD5 SCRAM-SHA-256 EXTERNAL SCRAM-SHA-256-PLUS" example:"CRAM-MD5"`

	// Hosts that TLS is not tried with, though they offer it.
	HostsAvoidTLS *lists.HostList `opt:"hosts_avoid_tls" unset:"none" example:"[\"192.0.2.9\", \"*.old.example\"]"`
	// Hosts that get no mail in clear: without TLS the next host is tried, then mail waits.
	HostsRequireTLS *lists.HostList `opt:"hosts_require_tls" unset:"none" example:"*.example.com"`
	// Certificate for servers that ask for one: a PEM file.
	TLSCertificate *expand.String `opt:"tls_certificate" kind:"expanded" vars:"host" unset:"none"`
	// Private key of it: a PEM file.
	TLSPrivateKey *expand.String `opt:"tls_privatekey" kind:"expanded" vars:"host" unset:"in the file of tls_certificate"`
	// Certificates that a server's must chain to, or be one of: a PEM file, or a folder of <hash>.0 files. A server in TLS that fails it gets no mail; hosts_require_tls sees to it that there is TLS.
	TLSVerifyCertificates *expand.String `opt:"tls_verify_certificates" kind:"expanded" vars:"host" unset:"servers are not verified"`
	// Ciphers of which one must be used, as in "openssl ciphers".
	TLSVerifyCiphers *expand.String `opt:"tls_verify_ciphers" kind:"expanded" vars:"host" unset:"the engine's"`
	// Hosts whose certificate must bear their name (or address, where they are given as one), where tls_verify_certificates is set.
	TLSVerifyCertHostnames *lists.HostList `opt:"tls_verify_cert_hostnames" default:"*"`
	// Where TLS was tried and failed, try the same host again in clear, on a new connection; never with hosts in hosts_require_tls.
	TLSTempfailTryclear bool `opt:"tls_tempfail_tryclear" default:"false"`
	// Groups for the key exchange, separated by colons. "X25519:P-256" costs less than the default, which begins with the post-quantum X25519MLKEM768: some 130 microseconds of CPU for a session in TLS 1.3, of which there is one for each message with tls_handoff = "shutdown".
	TLSGroups string `opt:"tls_groups" unset:"the engine's" example:"X25519:P-256"`
	// How a connection in TLS goes from one message to the next. "shutdown": TLS ends, and begins anew for the next message. "keep": the TLS session is handed on with the connection.
	TLSHandoff string `opt:"tls_handoff" default:"shutdown" oneof:"shutdown keep"`
	// What is done with a host that does not go on after TLS was shut down. "keep": as tls_handoff = "keep". "reconnect": a new connection for each message.
	TLSHandoffFallback string `opt:"tls_handoff_fallback" default:"keep" oneof:"keep reconnect"`
	// How long it is remembered that a host does not go on.
	TLSHandoffMemory time.Duration `opt:"tls_handoff_memory" default:"24h" min:"0s"`
	// How long the answer to EHLO may take after TLS was shut down.
	HandoffTimeout time.Duration `opt:"handoff_timeout" default:"5s" min:"10ms"`
}

// Site is one [[site]]. What the transport allows a single host holds too.
type Site struct {
	// Name for "mtad queue" (site=NAME) and messages: letters, digits, and - _ . within.
	Name string `opt:"name" kind:"required" unset:"must be given" example:"google"`
	// Next hops that belong to it, by name (the mail exchanger's, not the domain's of the mail) or by address.
	Match *lists.HostList `opt:"match" kind:"required" unset:"must be given" example:"[\"*.google.com\", \"*.googlemail.com\"]"`
	// Connections at one time to all hosts of the site together.
	MaxConnections int `opt:"max_connections" unset:"no limit" min:"1" example:"50"`
	// Messages to all hosts of the site together in a time, as "100/s", "10/m" or "500/h".
	MaxMessageRate float64 `opt:"max_message_rate" unset:"no limit" example:"100/s"`
}

// Retry is one [[retry]].
type Retry struct {
	// Domains the rule is for.
	Domains *lists.DomainList `opt:"domains" default:"*"`
	// Addresses the rule is for, where domains alone do not tell.
	Addresses *lists.AddressList `opt:"addresses" unset:"all"`
	// Kinds of error it is for: connect, timeout, refused, lost_connection, protocol (what came was no SMTP), tls, auth, dns (routing that has to wait), mail_4xx, rcpt_4xx, data_4xx, quota (a full mailbox; it is among the three before it too). The last x, or both, of mail_4xx, rcpt_4xx and data_4xx may be digits: rcpt_45x, data_452. Of several rules that fit, the first one counts.
	Errors []string `opt:"errors" kind:"errors" unset:"all" oneof:"connect timeout refused lost_connection protocol tls auth dns mail_4xx rcpt_4xx data_4xx quota"`
	// Steps, separated by semicolons. F,2h,15m: every 15 minutes until 2 hours after the first failure. G,16h,1h,1.5: until 16 hours, an hour first, then each interval 1.5 times the one before, a day at most. An address has failed for good when an attempt behind the last cutoff is deferred.
	Rule []RetryStep `opt:"rule" default:"F,2h,15m; G,16h,1h,1.5; F,4d,6h"`
}

// RetryStep is one part of a rule: "F,2h,15m" or "G,16h,1h,1.5".
type RetryStep struct {
	Kind     byte          // 'F' or 'G'
	Cutoff   time.Duration // since the first failure
	Interval time.Duration
	Factor   float64 // G only
}

// Admin is [admin].
type Admin struct {
	// IP address and port of metrics, health and the queue API. One that is not a loopback address needs a token_file.
	Address string `opt:"address" restart:"refused" unset:"off" first:"127.0.0.1:9925"`
	// File with the token that everything but metrics, health and the page asks for. It is made, readable by its owner only, if it is missing; without this option that part is off.
	TokenFile string `opt:"token_file" restart:"refused" kind:"file" unset:"off" first:"admin.token"`
}

// Package config is what the operator said: TOML into checked, immutable
// structs. The comments of the fields are the manual: docs/reference.md and
// config.toml are made from them.
package config

import (
	"time"

	"mtad/internal/lists"
)

// Config is a checked configuration. It is never changed after Load.
//
// (Contract for the packages written beside this one: field names and types
// stand; comments, tags and defaults are this package's owner's.)
type Config struct {
	File string // the path it was read from, for messages
	Dir  string // its folder: relative file names start here

	PrimaryHostname string
	SpoolDirectory  string // absolute
	LogFilePath     string // absolute with %s, or "stderr"
	LogFormat       string // "exim" or "json"

	HostAcceptRelay *lists.HostList
	RelayDomains    *lists.DomainList
	HostReject      *lists.HostList

	SMTPBanner                 string // "" is the default: "$primary_hostname ESMTP mtad …"
	SMTPAcceptMax              int
	SMTPAcceptMaxPerHost       int // 0: unset
	SMTPAcceptMaxPerConnection int // messages on one connection; 0: unset
	SMTPReceiveTimeout         time.Duration
	SMTPMaxErrors              int
	MessageSizeLimit           int64
	RecipientsMax              int
	ReceivedHeadersMax         int
	DrainTimeout               time.Duration
	CheckSpoolSpace            int64
	CheckSpoolInodes           int64
	RemoteMaxParallel          int

	PipeliningAdvertiseHosts     *lists.HostList
	ChunkingAdvertiseHosts       *lists.HostList
	EnhancedStatusAdvertiseHosts *lists.HostList

	User, Group string

	Listen     []Listen
	Routers    []Router
	Transports map[string]*Transport // always has "smtp"
	Retry      []Retry
	Admin      Admin // Address "" is off

	Warnings []string // for check and the log at start: not errors, but worth saying
}

// Listen is one [[listen]].
type Listen struct {
	Address string // "127.0.0.1:2525", "[::]:25"
	TLS     string // "none" (others come with TLS)
}

// Router is one [[router]].
type Router struct {
	Name           string
	Driver         string // "domainlist"
	Domains        *lists.DomainList
	Hosts          []string            // as written: "mx.example.com", "127.0.0.1:2626", "[::1]:25"
	RouteList      map[string][]string // route_list: domain (exact, or "*.suffix") → hosts; tried before Hosts
	RandomizeHosts bool
	Transport      string
	FallbackHosts  []string
}

// Transport is one [transport.NAME].
type Transport struct {
	Name             string
	Driver           string // "smtp"
	Protocol         string // "smtp" or "lmtp"
	Port             int
	BatchMax         int
	MaxRcpt          int
	ConnectTimeout   time.Duration
	CommandTimeout   time.Duration
	DataTimeout      time.Duration
	FinalTimeout     time.Duration
	Interface        string
	HeloData         string
	MaxConnections   int
	MaxMessageRate   float64 // messages a second; 0: unset
	ConnectionLinger time.Duration
	FallbackHosts    []string
}

// Retry is one [[retry]].
type Retry struct {
	Domains *lists.DomainList
	Errors  []string // error kinds it is for; empty: all
	Rule    []RetryStep
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
	Address   string
	TokenFile string // absolute; "" is off
}

// The contract:
//
//	Load(file string) (*Config, error)     error is *Errors: every mistake, each "file:line: key: what is wrong (did you mean …?)"
//	Default() *Config                      what an empty file means (for tests of other packages); ListenForTest etc. are set by those

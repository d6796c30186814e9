package expand

import (
	"math/bits"
	"slices"
	"time"

	"mtad/internal/spell"
)

// Var is a variable.
type Var uint8

// The variables. $value and $0 to $9 are not among them: items set these.
const (
	PrimaryHostname Var = iota
	VersionNumber
	TodFull
	TodLog
	SenderHostAddress
	SenderHostPort
	SenderHostName
	SenderHeloName
	SenderRcvhost
	SenderIdent
	InterfaceAddress
	InterfacePort
	ReceivedProtocol
	ReceivedFor
	SenderAddress
	SenderAddressDomain
	SenderAddressLocalPart
	SenderHostAuthenticated
	AuthenticatedID
	Auth1
	Auth2
	Auth3
	TLSCipher
	TLSPeerDN
	TLSSNI
	MessageID
	MessageSize
	RecipientsCount
	Host
	HostAddress
	LocalPart
	Domain
	varCount
)

// variables has the name of each, and whether it says what the network said.
var variables = [varCount]struct {
	name    string
	network bool
}{
	PrimaryHostname:         {"primary_hostname", false},
	VersionNumber:           {"version_number", false},
	TodFull:                 {"tod_full", false},
	TodLog:                  {"tod_log", false},
	SenderHostAddress:       {"sender_host_address", false}, // an address in our own spelling
	SenderHostPort:          {"sender_host_port", false},
	SenderHostName:          {"sender_host_name", true},
	SenderHeloName:          {"sender_helo_name", true},
	SenderRcvhost:           {"sender_rcvhost", true},
	SenderIdent:             {"sender_ident", true},
	InterfaceAddress:        {"interface_address", false},
	InterfacePort:           {"interface_port", false},
	ReceivedProtocol:        {"received_protocol", false},
	ReceivedFor:             {"received_for", true},
	SenderAddress:           {"sender_address", true},
	SenderAddressDomain:     {"sender_address_domain", true},
	SenderAddressLocalPart:  {"sender_address_local_part", true},
	SenderHostAuthenticated: {"sender_host_authenticated", false}, // the name of one of our authenticators
	AuthenticatedID:         {"authenticated_id", true},
	Auth1:                   {"auth1", true},
	Auth2:                   {"auth2", true},
	Auth3:                   {"auth3", true},
	TLSCipher:               {"tls_cipher", false},
	TLSPeerDN:               {"tls_peerdn", true},
	TLSSNI:                  {"tls_sni", true},
	MessageID:               {"message_id", false},
	MessageSize:             {"message_size", false},
	RecipientsCount:         {"recipients_count", false},
	Host:                    {"host", true}, // from an MX record
	HostAddress:             {"host_address", false},
	LocalPart:               {"local_part", true},
	Domain:                  {"domain", true},
}

// String returns the name, without a $.
func (v Var) String() string { return variables[v].name }

// FromNetwork reports whether what the variable says was chosen by the network.
func (v Var) FromNetwork() bool { return variables[v].network }

// VarNamed returns the variable of a name.
func VarNamed(name string) (Var, bool) {
	v, ok := varNames[name]
	return v, ok
}

var varNames = func() map[string]Var {
	m := make(map[string]Var, varCount)
	for v, row := range variables {
		m[row.name] = Var(v)
	}
	return m
}()

// Vars is a set of variables.
type Vars uint64

// VarsOf makes a set.
func VarsOf(vs ...Var) Vars {
	var s Vars
	for _, v := range vs {
		s |= 1 << v
	}
	return s
}

// Has reports whether the set has v.
func (s Vars) Has(v Var) bool { return s>>v&1 != 0 }

// Len returns how many the set has.
func (s Vars) Len() int { return bits.OnesCount64(uint64(s)) }

// What exists where.
var (
	// AllVars are all variables.
	AllVars Vars = 1<<varCount - 1
	// DaemonVars exist everywhere.
	DaemonVars = VarsOf(PrimaryHostname, VersionNumber, TodFull, TodLog)
	// HostVars exist where an option is expanded for each host that mail is sent to.
	HostVars = DaemonVars | VarsOf(Host, HostAddress)
	// ConnectionVars exist as soon as a client has connected.
	ConnectionVars = DaemonVars | VarsOf(SenderHostAddress, SenderHostPort, SenderHostName, SenderIdent, InterfaceAddress, InterfacePort)
	// SessionVars exist once the client has said more of itself.
	SessionVars = ConnectionVars | VarsOf(SenderHeloName, SenderRcvhost, ReceivedProtocol, SenderHostAuthenticated, AuthenticatedID, TLSCipher, TLSPeerDN, TLSSNI)
	// AuthVars exist while a client authenticates: what it sent.
	AuthVars = SessionVars | VarsOf(Auth1, Auth2, Auth3)
	// MessageVars exist for a message that was received.
	MessageVars = SessionVars | VarsOf(ReceivedFor, SenderAddress, SenderAddressDomain, SenderAddressLocalPart, MessageID, MessageSize, RecipientsCount)
)

// Env says what the variables hold.
type Env interface {
	// AppendVar appends what v holds to dst: nothing where it is not set.
	AppendVar(dst []byte, v Var) []byte
}

// Values is an Env of given strings.
type Values map[Var]string

func (m Values) AppendVar(dst []byte, v Var) []byte { return append(dst, m[v]...) }

// AppendTodFull appends a time as $tod_full has it (RFC 5322 3.3).
func AppendTodFull(dst []byte, t time.Time) []byte { return t.AppendFormat(dst, time.RFC1123Z) }

// AppendTodLog appends a time as $tod_log has it.
func AppendTodLog(dst []byte, t time.Time) []byte { return t.AppendFormat(dst, "2006-01-02 15:04:05") }

// like returns what was probably meant by a name, as a hint behind an error.
func like(name string, have []string) string {
	slices.Sort(have)
	best := spell.Nearest(name, have)
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

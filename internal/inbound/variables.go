package inbound

import (
	"context"
	"errors"
	"strconv"
	"time"

	"mtad/internal/expand"
	"mtad/internal/lists"
	"mtad/internal/mainlog"
)

// AppendVar makes a session the place where expansions find what variables hold.
func (s *session) AppendVar(b []byte, v expand.Var) []byte {
	switch v {
	case expand.PrimaryHostname:
		return append(b, s.cfg.PrimaryHostname...)
	case expand.VersionNumber:
		return append(b, s.srv.deps.Version...)
	case expand.TodFull:
		return expand.AppendTodFull(b, s.now())
	case expand.TodLog:
		return expand.AppendTodLog(b, s.now())
	case expand.SenderHostAddress:
		return s.client.Addr().AppendTo(b)
	case expand.SenderHostPort:
		return strconv.AppendUint(b, uint64(s.client.Port()), 10)
	case expand.SenderHostName:
		return append(b, s.hostName()...)
	case expand.SenderHeloName:
		return append(b, s.hello.name...)
	case expand.SenderRcvhost:
		return s.appendRcvhost(b)
	case expand.InterfaceAddress:
		return s.sock.LocalAddr().Addr().AppendTo(b)
	case expand.InterfacePort:
		return strconv.AppendUint(b, uint64(s.sock.LocalAddr().Port()), 10)
	case expand.ReceivedProtocol:
		return append(b, s.protocol()...)
	case expand.SenderHostAuthenticated:
		return append(b, s.identity.authenticator...)
	case expand.AuthenticatedID:
		return append(b, s.identity.id...)
	case expand.TLSCipher:
		return append(b, s.sock.State().CipherLog()...)
	case expand.TLSPeerDN:
		return append(b, s.sock.State().PeerDN...)
	case expand.TLSSNI:
		return append(b, s.sock.State().SNI...)
	}
	return s.appendMessageVar(b, v)
}

// appendMessageVar is for those that a message sets. $received_for names a
// single recipient only: who else got it is nobody's business.
func (s *session) appendMessageVar(b []byte, v expand.Var) []byte {
	env := s.txn.env
	if env == nil {
		return b
	}
	switch v {
	case expand.SenderAddress:
		return append(b, env.Sender...)
	case expand.SenderAddressLocalPart:
		local, _ := cutAddress(env.Sender)
		return append(b, local...)
	case expand.SenderAddressDomain:
		_, domain := cutAddress(env.Sender)
		return append(b, domain...)
	case expand.ReceivedFor:
		if len(env.Recipients) == 1 {
			return append(b, env.Recipients[0].Address...)
		}
	case expand.RecipientsCount:
		return strconv.AppendInt(b, int64(len(env.Recipients)), 10)
	case expand.MessageID:
		return append(b, env.ID[:]...)
	case expand.MessageSize:
		return strconv.AppendInt(b, env.Size, 10)
	}
	return b
}

// now is the time of the message under way, so that log and field agree.
func (s *session) now() time.Time {
	if s.txn.env != nil && !s.txn.env.Received.IsZero() {
		return s.txn.env.Received
	}
	return time.Now()
}

// appendRcvhost writes the client as Exim's $sender_rcvhost does.
func (s *session) appendRcvhost(b []byte) []byte {
	if name := s.hostName(); name != "" {
		b = append(append(b, name...), " (["...)
		b = append(s.client.Addr().AppendTo(b), ']')
		if s.hello.name != "" && s.hello.name != name {
			b = append(append(b, " helo="...), s.hello.name...)
		}
		return append(b, ')')
	}
	b = append(s.client.Addr().AppendTo(append(b, '[')), ']')
	if s.hello.name != "" {
		b = append(append(append(b, " (helo="...), s.hello.name...), ')')
	}
	return b
}

func cutAddress(address string) (local, domain string) {
	for i := len(address) - 1; i >= 0; i-- {
		if address[i] == '@' {
			return address[:i], address[i+1:]
		}
	}
	return address, ""
}

// expanded is what an option holds for this client; "" where it is unset, or
// its expansion is forced to fail (chapter 38.1).
func (s *session) expanded(o *expand.String) (expand.Value, error) {
	if o == nil {
		return expand.Value{}, nil
	}
	v, err := o.Eval(s)
	if errors.Is(err, expand.ErrForced) {
		return expand.Value{}, nil
	}
	return v, err
}

// names is what the DNS says of the client's address.
type names struct {
	asked bool
	all   []string
	err   error // cannot be known now
}

// nameTimeout bounds the wait for a client's name.
const nameTimeout = 30 * time.Second

// hostNames asks once a session, and only where something depends on it.
func (s *session) hostNames() ([]string, error) {
	if !s.names.asked {
		ctx, cancel := context.WithTimeout(context.Background(), nameTimeout)
		defer cancel()
		all, err := s.srv.deps.Names(ctx, s.client.Addr())
		s.names = names{true, all, err}
	}
	return s.names.all, s.names.err
}

// hostName is the client's confirmed name, "" without one.
func (s *session) hostName() string {
	if s.srv.deps.Names == nil {
		return ""
	}
	if all, _ := s.hostNames(); len(all) > 0 {
		return all[0]
	}
	return ""
}

// host describes the client for host lists; its name is looked up when an item
// asks for it.
func (s *session) host() lists.Host {
	h := lists.Host{Addr: s.client.Addr()}
	if s.srv.deps.Names != nil {
		h.Names = s.hostNames
	}
	return h
}

// who describes the client for the log, by its name where that was looked up.
func (s *session) who() mainlog.Client {
	c := mainlog.Client{Addr: s.client.Addr(), Helo: s.hello.name}
	if len(s.names.all) > 0 {
		c.Name = s.names.all[0]
	}
	return c
}

package config

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mtad/internal/certs"
	"mtad/internal/expand"
	"mtad/internal/lists"
)

// checkTLS looks at the files that are named in clear, and at what the TLS
// options say of each other. What only an expansion can tell is found out when a
// client connects.
func (b *binder) checkTLS() {
	b.checkTLSFiles()
	b.checkDHParam()
	b.checkTLSListeners()
	b.checkVerification()
	b.checkTLSRelay()
	for _, name := range slices.Sorted(maps.Keys(b.cfg.Transports)) {
		b.checkTransportTLS(b.cfg.Transports[name])
	}
}

// checkTransportTLS looks at a transport's files that are named in clear. One
// named by an expansion is met when a host connects.
func (b *binder) checkTransportTLS(t *Transport) {
	store := certs.NewStore(certs.Options{Dir: b.cfg.Dir, SpoolDir: b.cfg.SpoolDirectory, Hostname: b.cfg.PrimaryHostname})
	path := []string{"transport", t.Name}
	o := certs.Client{Groups: t.TLSGroups}
	cert, certKnown := constant(t.TLSCertificate)
	key, keyKnown := constant(t.TLSPrivateKey)
	if certKnown && keyKnown {
		o.Certificate, o.PrivateKey = cert, key
	}
	o.VerifyCertificates, _ = constant(t.TLSVerifyCertificates)
	o.Ciphers, _ = constant(t.TLSVerifyCiphers)
	warnings, err := store.CheckClient(o)
	for _, w := range warnings {
		option, text := optionOf(w)
		b.warn(under(path, option), "%s", text)
	}
	for _, e := range split(err) {
		for _, e := range split(e) {
			option, text := optionOf(e.Error())
			b.wrong(under(path, option), "%s", text)
		}
	}
	if t.TLSPrivateKey != nil && t.TLSCertificate == nil {
		b.warn(under(path, "tls_privatekey"), "has no effect without tls_certificate")
	}
}

// constant is the text of an option in which there is nothing to expand; ok is
// true for one that is unset too.
func constant(s *expand.String) (text string, ok bool) {
	if s == nil {
		return "", true
	}
	if text, ok = s.Constant(); !ok {
		return "", false
	}
	return text, true
}

func (b *binder) checkTLSFiles() {
	store := certs.NewStore(certs.Options{Dir: b.cfg.Dir, SpoolDir: b.cfg.SpoolDirectory, Hostname: b.cfg.PrimaryHostname})
	o := certs.Server{Groups: b.cfg.TLSGroups}
	cert, certKnown := constant(b.cfg.TLSCertificate)
	key, keyKnown := constant(b.cfg.TLSPrivateKey)
	if certKnown && keyKnown {
		o.Certificate, o.PrivateKey = cert, key
	}
	o.VerifyCertificates, _ = constant(b.cfg.TLSVerifyCertificates)
	o.Ciphers, _ = constant(b.cfg.TLSVerifyCiphers)
	warnings, err := store.CheckServer(o)
	for _, w := range warnings {
		option, text := optionOf(w)
		b.warn([]string{option}, "%s", text)
	}
	for _, e := range split(err) {
		for _, e := range split(e) {
			option, text := optionOf(e.Error())
			b.wrong([]string{option}, "%s", text)
		}
	}
}

// optionOf parts the option's name from what is said of it. What has none is
// about the certificate.
func optionOf(text string) (option, rest string) {
	text = strings.ReplaceAll(text, "\n", "; ")
	if option, rest, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(option, "tls_") && !strings.ContainsAny(option, "/. ") {
		return option, rest
	}
	return "tls_certificate", text
}

func (b *binder) checkDHParam() {
	path := []string{"tls_dhparam"}
	file, known := constant(b.cfg.TLSDHParam)
	switch {
	case file == "" && known:
		return
	case !known:
		b.warn(path, "has no effect: this build has no finite-field Diffie-Hellman, all its ciphers with forward secrecy are ECDHE")
		return
	}
	file, err := b.path(file)
	if err != nil {
		return // it is empty
	}
	notice, err := certs.CheckDHParam(file)
	if err != nil {
		b.wrong(path, "%v", err)
	} else {
		b.warn(path, "%s", notice)
	}
}

// checkTLSListeners: TLS needs a certificate.
func (b *binder) checkTLSListeners() {
	if b.cfg.TLSCertificate != nil || b.faulty("tls_certificate") {
		return
	}
	for i, l := range b.cfg.Listen {
		if l.TLS == "implicit" {
			b.wrong([]string{"listen", strconv.Itoa(i), "tls"}, `TLS needs a tls_certificate; "self-signed" is one`)
		}
	}
	const text = `every STARTTLS will be answered 454: there is no tls_certificate; "self-signed" is one`
	switch {
	case b.cfg.TLSHosts != nil:
		b.warn([]string{"tls_hosts"}, text)
	case b.cfg.TLSAdvertiseHosts != nil:
		b.warn([]string{"tls_advertise_hosts"}, text)
	}
	if b.cfg.TLSPrivateKey != nil {
		b.warn([]string{"tls_privatekey"}, "has no effect without tls_certificate")
	}
}

// checkVerification: what is to be verified, and of whom.
func (b *binder) checkVerification() {
	const text = "has no effect: tls_verify_hosts says whom it is for, and is unset"
	if b.cfg.TLSVerifyHosts != nil {
		return
	}
	if b.cfg.TLSVerifyCertificates != nil {
		b.warn([]string{"tls_verify_certificates"}, text)
	}
	if b.cfg.TLSVerifyCiphers != nil {
		b.warn([]string{"tls_verify_ciphers"}, text)
	}
}

// checkTLSRelay warns of what chapter 38 warns of: a client that has to show
// nothing may say STARTTLS, and send mail anywhere.
func (b *binder) checkTLSRelay() {
	relay, verify := b.cfg.TLSHostAcceptRelay, b.cfg.TLSVerifyHosts
	anybody := func(l *lists.HostList) bool {
		return slices.ContainsFunc(strangers, func(a string) bool {
			return l.Match(lists.Host{Addr: netip.MustParseAddr(a)}).Answer == lists.Yes
		})
	}
	if relay == nil || relay.String() == "" || verify != nil && b.cfg.TLSVerifyCertificates != nil && (anybody(verify) || !anybody(relay)) {
		return
	}
	const remedy = "set tls_verify_certificates, and tls_verify_hosts to the same hosts, so that they have to show a certificate"
	if anybody(relay) {
		b.warn([]string{"tls_host_accept_relay"}, "every host that says STARTTLS may send mail to everywhere through this one. THIS IS AN OPEN RELAY: it will be found within hours, and abused; %s", remedy)
		return
	}
	b.warn([]string{"tls_host_accept_relay"}, "A HOST IN THIS LIST NEED ONLY SAY STARTTLS TO RELAY, without any certificate of its own; %s", remedy)
}

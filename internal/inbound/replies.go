package inbound

import "mtad/internal/smtp"

// What a client is answered, by name. Texts are Exim's where it has the case.
var (
	okReply     = smtp.Reply{Code: 250, Enhanced: "2.0.0", Text: "OK"}
	mailOK      = smtp.Reply{Code: 250, Enhanced: "2.1.0", Text: "OK"}
	rcptOK      = smtp.Reply{Code: 250, Enhanced: "2.1.5", Text: "Accepted"}
	resetOK     = smtp.Reply{Code: 250, Enhanced: "2.0.0", Text: "Reset OK"}
	chunkOK     = smtp.Reply{Code: 250, Enhanced: "2.0.0", Text: "octets received"}
	accepted    = smtp.Reply{Code: 250, Enhanced: "2.0.0", Text: "OK id="}
	goAhead     = smtp.Reply{Code: 354, Text: `Enter message, ending with "." on a line by itself`}
	goodbye     = smtp.Reply{Code: 221, Enhanced: "2.0.0", Text: "closing connection", Hangup: true}
	cannotVrfy  = smtp.Reply{Code: 252, Enhanced: "2.5.2", Text: "cannot VRFY user, but will take the message and try to deliver it"}
	expnRefused = smtp.Reply{Code: 502, Enhanced: "5.7.2", Text: "EXPN is not available"}
	helloOK     = smtp.Reply{Code: 250}

	unknownCommand     = smtp.Reply{Code: 500, Enhanced: "5.5.2", Text: "unrecognized command"}
	lineTooLong        = smtp.Reply{Code: 500, Enhanced: "5.5.2", Text: "command line too long"}
	bareLine           = smtp.Reply{Code: 500, Enhanced: "5.5.2", Text: "bare CR, LF or NUL in a command line", Hangup: true}
	notImplemented     = smtp.Reply{Code: 502, Enhanced: "5.5.1", Text: "command not implemented"}
	noArguments        = smtp.Reply{Code: 501, Enhanced: "5.5.4", Text: "command takes no argument"}
	wantsArgument      = smtp.Reply{Code: 501, Enhanced: "5.5.4", Text: "command needs an argument"}
	helloFirst         = smtp.Reply{Code: 503, Enhanced: "5.5.1", Text: "EHLO or HELO first"}
	mailFirst          = smtp.Reply{Code: 503, Enhanced: "5.5.1", Text: "sender not yet given"}
	rcptFirst          = smtp.Reply{Code: 503, Enhanced: "5.5.1", Text: "valid RCPT command must precede this"}
	nestedMail         = smtp.Reply{Code: 503, Enhanced: "5.5.1", Text: "sender already given"}
	chunksBegun        = smtp.Reply{Code: 503, Enhanced: "5.5.1", Text: "only BDAT or RSET may follow BDAT"}
	bdatUnoffered      = smtp.Reply{Code: 503, Enhanced: "5.5.1", Text: "BDAT command used when CHUNKING not advertised"}
	startTLSRefused    = smtp.Reply{Code: 503, Enhanced: "5.5.1", Text: "STARTTLS command used when not advertised"}
	alreadyTLS         = smtp.Reply{Code: 554, Enhanced: "5.5.1", Text: "Already in TLS"}
	tlsGoAhead         = smtp.Reply{Code: 220, Enhanced: "2.0.0", Text: "TLS go ahead"}
	tlsUnavailable     = smtp.Reply{Code: 454, Enhanced: "4.7.0", Text: "TLS currently unavailable"}
	tlsRequired        = smtp.Reply{Code: 503, Enhanced: "5.7.0", Text: "Use of TLS required"}
	authRefused        = smtp.Reply{Code: 503, Enhanced: "5.5.1", Text: "AUTH command used when not advertised"}
	authTwice          = smtp.Reply{Code: 503, Enhanced: "5.5.1", Text: "already authenticated"}
	authInMail         = smtp.Reply{Code: 503, Enhanced: "5.5.1", Text: "AUTH is not allowed in a mail transaction"}
	authLineTooLong    = smtp.Reply{Code: 500, Enhanced: "5.5.6", Text: "authentication line too long"}
	wantsMechanism     = smtp.Reply{Code: 501, Enhanced: "5.5.4", Text: "AUTH takes a mechanism and at most one initial response"}
	authRequired       = smtp.Reply{Code: 550, Enhanced: "5.7.0", Text: "authentication required"}
	submissionAuth     = smtp.Reply{Code: 530, Enhanced: "5.7.0", Text: "Authentication required"}
	senderRefused      = smtp.Reply{Code: 550, Enhanced: "5.7.1"}
	tooManyGuesses     = smtp.Reply{Code: 421, Enhanced: "4.7.0", Text: "too many failed authentications", Hangup: true}
	securityFailure    = smtp.Reply{Code: 554, Enhanced: "5.7.0", Text: "Security failure"}
	syncError          = smtp.Reply{Code: 554, Enhanced: "5.5.0", Text: "SMTP synchronization error", Hangup: true}
	wrongProtocol      = smtp.Reply{Code: 554, Enhanced: "5.5.0", Text: "this is an SMTP server", Hangup: true}
	wantsFrom          = smtp.Reply{Code: 501, Enhanced: "5.5.4", Text: "MAIL takes FROM:<address>"}
	wantsTo            = smtp.Reply{Code: 501, Enhanced: "5.5.4", Text: "RCPT takes TO:<address>"}
	unqualified        = smtp.Reply{Code: 501, Enhanced: "5.1.3", Text: "address must contain a domain"}
	nullRecipient      = smtp.Reply{Code: 501, Enhanced: "5.1.3", Text: "empty address"}
	badBody            = smtp.Reply{Code: 501, Enhanced: "5.5.4", Text: "BODY takes 7BIT or 8BITMIME"}
	zeroChunk          = smtp.Reply{Code: 501, Enhanced: "5.5.4", Text: "zero size for BDAT without LAST"}
	relayDenied        = smtp.Reply{Code: 550, Enhanced: "5.7.1"}
	restrictedLocal    = smtp.Reply{Code: 550, Enhanced: "5.1.3", Text: "restricted characters in address"}
	hostRefused        = smtp.Reply{Code: 554, Enhanced: "5.7.1", Text: "SMTP service not available", Hangup: true}
	messageTooBig      = smtp.Reply{Code: 552, Enhanced: "5.3.4", Text: "message size exceeds maximum permitted"}
	headerTooBig       = smtp.Reply{Code: 552, Enhanced: "5.3.4", Text: "message header is too long"}
	tooManyReceived    = smtp.Reply{Code: 554, Enhanced: "5.4.6", Text: "too many Received: headers: the message goes in circles"}
	faultyText         = smtp.Reply{Code: 554, Enhanced: "5.6.0"}
	tooManyRcpt        = smtp.Reply{Code: 452, Enhanced: "4.5.3", Text: "too many recipients"}
	spaceShortage      = smtp.Reply{Code: 452, Enhanced: "4.3.1", Text: "space shortage, please try later"}
	localError         = smtp.Reply{Code: 451, Enhanced: "4.3.0", Text: "local problem, please try later"}
	tooManyErrors      = smtp.Reply{Code: 421, Enhanced: "4.7.0", Text: "too many syntax or protocol errors", Hangup: true}
	tooManyRefusals    = smtp.Reply{Code: 421, Enhanced: "4.7.0", Text: "too many refused recipients", Hangup: true}
	tooMuchJunk        = smtp.Reply{Code: 421, Enhanced: "4.7.0", Text: "too many commands without mail", Hangup: true}
	tooManyChunks      = smtp.Reply{Code: 421, Enhanced: "4.7.0", Text: "too many small chunks", Hangup: true}
	tooManyMessages    = smtp.Reply{Code: 421, Enhanced: "4.7.0", Text: "too many messages in this connection", Hangup: true}
	commandTimeout     = smtp.Reply{Code: 421, Enhanced: "4.4.2", Text: "SMTP command timeout - closing connection", Hangup: true}
	dataTimeout        = smtp.Reply{Code: 421, Enhanced: "4.4.2", Text: "SMTP incoming data timeout - closing connection", Hangup: true}
	shuttingDown       = smtp.Reply{Code: 421, Enhanced: "4.3.2", Text: "shutting down, please try later", Hangup: true}
	tooManyConnections = smtp.Reply{Code: 421, Enhanced: "4.7.0", Text: "too many concurrent SMTP connections; please try again later", Hangup: true}
	tooManyFromHost    = smtp.Reply{Code: 421, Enhanced: "4.7.0", Text: "too many concurrent SMTP connections from your host; please try again later", Hangup: true}
)

// silence is the reply of a command that was answered already.
var silence smtp.Reply

// faulty reports a reply that counts for smtp_max_errors: the command was not
// understood or not in its place.
func faulty(r smtp.Reply) bool {
	switch r.Code {
	case 500, 501, 502, 503, 504, 553, 555:
		return true
	}
	return false
}

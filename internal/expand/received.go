package expand

// DefaultReceivedHeader is received_header_text where the option is not set:
//
//	Received: from client.x.example ([192.0.2.1] helo=client.x.example)
//		by relay.example.net with esmtps (TLSv1.3:TLS_AES_128_GCM_SHA256:128)
//		(mtad 1.0)
//		id 1vNDqi-0000Gx-2A
//		for b@y.example; Mon, 23 Nov 2026 10:00:00 +0000
//
// The name is the client's choice: what could end the comment or the field
// becomes a question mark. $received_for is set for a single recipient only.
const DefaultReceivedHeader = `Received: from ` + heloInHeader + ` ([$sender_host_address] helo=` + heloInHeader + `)\n\t` +
	`by $primary_hostname with $received_protocol${if def:tls_cipher { ($tls_cipher)}}\n\t` +
	`(mtad $version_number)\n\t` +
	`id $message_id` +
	`${if def:received_for {\n\tfor $received_for}}; $tod_full`

const heloInHeader = `${sg{$sender_helo_name}{\N[^!-~]|[()\\";,<>]\N}{?}}`

package tlsstate

// frame follows a stream of TLS records (RFC 8446 5.1) and knows where the
// current one ends. It looks at no more than the header: what a record says is
// crypto/tls's business.
type frame struct {
	head [recordHeader]byte // header of the current record, as far as it came
	have int                // bytes of head that came; 0: between two records
	left int                // bytes of the current record still to come, once head is whole
}

const (
	recordHeader = 5
	maxRecord    = recordHeader + 16384 + 256 // RFC 8446 5.2
)

// isRecord tells whether a record can begin with b: change_cipher_spec, alert,
// handshake, application_data (RFC 8446 5.1). No line of SMTP begins so.
func isRecord(b byte) bool { return 20 <= b && b <= 23 }

// between tells whether the last record has ended and none has begun.
func (f *frame) between() bool { return f.have == 0 }

// next takes note of the stream's next bytes b and returns how many of them
// belong to the current record: at least one of them, unless b is empty.
func (f *frame) next(b []byte) int {
	n := 0
	if f.have < recordHeader {
		n = copy(f.head[f.have:], b)
		if f.have += n; f.have < recordHeader {
			return n
		}
		f.left = int(f.head[3])<<8 | int(f.head[4])
	}
	body := min(f.left, len(b)-n)
	if f.left -= body; f.left == 0 {
		f.have = 0
	}
	return n + body
}

package load

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
)

// Fate is what became of a message, as the side that writes the entry knows it.
type Fate string

const (
	Intent  Fate = "intent"  // sender: about to be sent
	Acked   Fate = "acked"   // sender: 2xx to the end of the message
	Nacked  Fate = "nacked"  // sender: refused, at whatever stage
	Unknown Fate = "unknown" // sender: the connection died without a reply
	Got     Fate = "got"     // sink: received whole; Code is the reply it got
)

// Entry is one line of a ledger.
type Entry struct {
	Fate   Fate
	ID     string
	Sender string
	Rcpts  []string // intent: all of them; acked, nacked and got: those that RCPT was accepted for
	SHA    string   // SHA-256 in hex
	Size   int64
	Code   int    // the reply to the end of the message, or the one that ended it; 0: none, or withheld
	Conn   int    // sink: which connection
	Text   []byte // sink: the message, dots taken out, where Sink.Reports asks for it
}

func (e Entry) String() string {
	sha := e.SHA
	if sha == "" {
		sha = "-"
	}
	return fmt.Sprintf("%s\t%s\t%d\t<%s>\t%s\t%s\t%d", e.Fate, e.ID, e.Code, e.Sender, strings.Join(e.Rcpts, ","), sha, e.Size)
}

// Ledger is an append-only file of entries, one a line: fate, id, code,
// sender, recipients, SHA-256, size, with tabs between them.
type Ledger struct {
	mu  sync.Mutex
	f   *os.File
	w   *bufio.Writer
	err error // the first one
}

// OpenLedger opens or makes a ledger and appends to it.
func OpenLedger(name string) (*Ledger, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot open the ledger: %w", err)
	}
	return &Ledger{f: f, w: bufio.NewWriterSize(f, 64<<10)}, nil
}

// Record appends an entry. A nil ledger takes it and forgets it.
func (l *Ledger) Record(e Entry) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintln(l.w, e); err != nil && l.err == nil {
		l.err = err
	}
}

// Flush writes out what is buffered.
func (l *Ledger) Flush() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.w.Flush(); err != nil && l.err == nil {
		l.err = err
	}
}

// Close writes out what is buffered; its error is the first that any write had.
func (l *Ledger) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, err := range []error{l.w.Flush(), l.f.Close()} {
		if l.err == nil {
			l.err = err
		}
	}
	return l.err
}

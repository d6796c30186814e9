package resolver

import (
	"errors"
	"fmt"
)

// Kind is what a look-up came to.
type Kind uint8

const (
	Found     Kind = iota
	NXDomain       // the name does not exist: a fact, and it holds for all types
	NoData         // the name exists and has no record of the type asked: a fact
	Temporary      // nobody could say: servers silent or failing, answers that make no sense
)

// String returns the kind as the label of metrics has it.
func (k Kind) String() string {
	return [...]string{"found", "nxdomain", "nodata", "temporary"}[k]
}

// Error says that a look-up found nothing, or that it could not be made. It may
// be shared between callers: it is never changed.
type Error struct {
	Kind Kind   // never Found
	Type string // what was asked for: "MX", "A or AAAA"
	Name string // of whom
	Text string // which server was asked, and what it said
	Err  error  // the context's error where the caller ran out of time; else nil
}

// Error says what was asked of whom, and what came back.
func (e *Error) Error() string {
	switch e.Kind {
	case NXDomain:
		return fmt.Sprintf("%s does not exist (%s)", e.Name, e.Text)
	case NoData:
		return fmt.Sprintf("%s has no %s record (%s)", e.Name, e.Type, e.Text)
	default:
		return fmt.Sprintf("cannot look up %s of %s: %s", e.Type, e.Name, e.Text)
	}
}

// Unwrap returns the context's error, if that was the reason.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns what a look-up that gave err came to. An error that is not of
// this package is Temporary: it proves nothing about the name.
func KindOf(err error) Kind {
	if err == nil {
		return Found
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Temporary
}

// neither joins what A and AAAA came to where neither found anything. A
// temporary failure of one leaves the whole open; NXDOMAIN is believed when
// both say it, since servers are known that answer it to AAAA alone.
func neither(four, six *Error) *Error {
	for _, e := range []*Error{four, six} {
		if e.Kind == Temporary {
			return e
		}
	}
	worst := four
	if six.Kind == NoData {
		worst = six
	}
	return &Error{Kind: worst.Kind, Type: "A or AAAA", Name: worst.Name, Text: worst.Text}
}

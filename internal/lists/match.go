package lists

// list is a parsed list for subjects of type S.
type list[S any] struct {
	entries []entry[S]
	text    string
}

// entry is one item, or a run of like items: a matcher and its sign.
type entry[S any] struct {
	not  bool   // behind a !
	text string // the item as written, with its !
	matcher[S]
}

// matcher is what an item says without its sign. The string names the item
// that decided where that is not the entry itself (one of a run, a line of a
// file); it is "" otherwise.
type matcher[S any] interface {
	match(S) (Answer, string)
}

// inline is a matcher whose items stand in the list as if written there: the
// lines of a file.
type inline[S any] interface {
	entries() ([]entry[S], error)
}

// absorber is a matcher that can take in the item behind it, where both have
// the same sign, and answer for both at the cost of one.
type absorber[S any] interface {
	absorb(matcher[S]) bool
	label(item string) // how its one item, so far, is written in the list
}

// match walks the list. What is not known does not end it: where a later item
// gives the answer that the unknown one would have given too, it does not
// matter what that one was.
func (l *list[S]) match(s S) Result {
	var w walk
	if walkEntries(&w, l.entries, s, false) {
		return w.result
	}
	return w.end()
}

// walk is the state of one match.
type walk struct {
	result   Result
	lastNot  bool // the sign of the last item seen decides at the end of the list
	maybeYes bool // an item that may have matched would have said yes
	maybeNo  bool
	unknown  string // the first such item
}

// walkEntries reports whether an item decided. flip is the sign of the file
// that the entries stand in.
func walkEntries[S any](w *walk, entries []entry[S], s S, flip bool) bool {
	for i := range entries {
		e := &entries[i]
		not := e.not != flip
		w.lastNot = not
		if in, ok := e.matcher.(inline[S]); ok {
			lines, err := in.entries()
			if err != nil {
				w.doubt(e.text+" ("+err.Error()+")", true, true)
			} else if walkEntries(w, lines, s, not) {
				return true
			}
			continue
		}
		answer, item := e.match(s)
		if item == "" {
			item = e.text
		}
		switch answer {
		case Yes:
			w.decide(not, item)
			return true
		case Unknown:
			w.doubt(item, !not, not)
		}
	}
	return false
}

func (w *walk) doubt(item string, yes, no bool) {
	if !w.maybeYes && !w.maybeNo {
		w.unknown = item
	}
	w.maybeYes = w.maybeYes || yes
	w.maybeNo = w.maybeNo || no
}

func (w *walk) decide(not bool, item string) {
	w.result = Result{Yes, item}
	other := w.maybeNo
	if not {
		w.result.Answer, other = No, w.maybeYes
	}
	if other {
		w.result = Result{Unknown, w.unknown}
	}
}

// end is the answer where no item decided: a list that ends in a negated item
// lets all else in.
func (w *walk) end() Result {
	w.decide(!w.lastNot, "")
	return w.result
}

// add appends an item, to the one before it where that can take it in.
func (l *list[S]) add(e entry[S]) {
	if n := len(l.entries); n > 0 && l.entries[n-1].not == e.not {
		if a, ok := l.entries[n-1].matcher.(absorber[S]); ok && a.absorb(e.matcher) {
			return
		}
	}
	l.entries = append(l.entries, e)
}

// sublist is +name: a list of its own, with its own end.
type sublist[S any] struct{ list *list[S] }

func (m sublist[S]) match(s S) (Answer, string) {
	return m.list.match(s).Answer, ""
}

// everything is *.
type everything[S any] struct{}

func (everything[S]) match(S) (Answer, string) { return Yes, "" }

func answer(yes bool) Answer {
	if yes {
		return Yes
	}
	return No
}

package expand

// node is a part of a parsed string; eval writes what it stands for.
type node interface {
	eval(e *evaluation) error
}

// sequence is a string: its parts one after the other.
type sequence []node

func (s sequence) eval(e *evaluation) error {
	for _, n := range s {
		if err := n.eval(e); err != nil {
			return err
		}
	}
	return nil
}

// constant returns the text where there is nothing else in the string.
func (s sequence) constant() (string, bool) {
	if len(s) == 0 {
		return "", true
	}
	t, ok := s[0].(text)
	return string(t), ok && len(s) == 1
}

// take evaluates a string apart from what was written before.
func (s sequence) take(e *evaluation) (Value, error) {
	if t, ok := s.constant(); ok {
		return Value{text: t}, nil
	}
	at, before := len(e.out), e.network
	e.network = false
	err := s.eval(e)
	v := Value{string(e.out[at:]), e.network}
	e.out, e.network = e.out[:at], before
	return v, err
}

// takeAll evaluates strings in their order.
func takeAll(e *evaluation, args []sequence) ([]Value, error) {
	vs := make([]Value, len(args))
	for i, a := range args {
		var err error
		if vs[i], err = a.take(e); err != nil {
			return nil, err
		}
	}
	return vs, nil
}

// text stands for itself.
type text string

func (t text) eval(e *evaluation) error { return e.write(string(t), false) }

// variable is $name.
type variable Var

func (v variable) eval(e *evaluation) error {
	at := len(e.out)
	e.out = e.env.AppendVar(e.out, Var(v))
	added := len(e.out) - at
	e.network = e.network || added > 0 && Var(v).FromNetwork()
	return e.spend(added)
}

// value is $value.
type value struct{}

func (value) eval(e *evaluation) error { return e.write(e.value.text, e.value.network) }

// group is $0 to $9, and those above, which are empty.
type group int

func (g group) eval(e *evaluation) error {
	if int(g) >= len(e.groups) {
		return nil
	}
	return e.write(e.groups[g].text, e.groups[g].network)
}

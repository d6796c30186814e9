package crash

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// fake is a relay in a hundred lines, right unless it is a mutant. Its map is
// its disk: a kill takes all else.
type fake struct {
	addr, nextHop string
	mutant        string // "" or one of those in the tests

	mu    sync.Mutex
	life  int // which start; what belongs to an earlier one can touch nothing
	disk  map[int]*mail
	seq   int
	conns map[io.Closer]bool

	in, out int // counts of this life
}

type mail struct {
	from   string
	to     []string
	body   []byte
	inHand int // the life that delivers it
	done   bool
}

func newFake(nextHop, mutant string) *fake {
	addr, err := lowAddr()
	if err != nil {
		panic(err)
	}
	return &fake{addr: addr, nextHop: nextHop, mutant: mutant, disk: map[int]*mail{}}
}

func (f *fake) Addr() string { return f.addr }

func (f *fake) Queued() (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, m := range f.disk {
		if !m.done {
			n++
		}
	}
	return n, nil
}

func (f *fake) Counts() (messages, recipients int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.in, f.out, nil
}

func (f *fake) Left() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mutant == "litter" && f.life > 1 {
		return []string{"body/1"}, nil
	}
	return nil, nil
}

func (f *fake) State() string { return "fake" }

func (f *fake) Start() error {
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.life++
	life := f.life
	f.conns = map[io.Closer]bool{l: true}
	f.in, f.out = 0, 0
	f.mu.Unlock()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if f.own(life, conn) {
				go f.serve(life, textproto.NewConn(conn))
			}
		}
	}()
	for range 4 {
		if f.mutant != "lazy" {
			go f.deliver(life)
		}
	}
	return nil
}

func (f *fake) Kill() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conns == nil {
		return errors.New("dead already")
	}
	f.life++
	for c := range f.conns {
		c.Close()
	}
	f.conns = nil
	return nil
}

// own notes what a kill must close; false if it has struck.
func (f *fake) own(life int, c io.Closer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if life != f.life {
		c.Close()
		return false
	}
	f.conns[c] = true
	return true
}

// store writes to the disk, unless a kill has struck.
func (f *fake) store(life int, m mail) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if life != f.life {
		return false
	}
	f.seq++
	f.in++
	f.disk[f.seq] = &m
	return true
}

func (f *fake) serve(life int, c *textproto.Conn) {
	defer c.Close()
	c.PrintfLine("220 fake")
	var m mail
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(line, ":")
		addr := strings.Trim(arg, "<> ")
		switch verb {
		case "MAIL FROM":
			m = mail{from: addr}
		case "RCPT TO":
			m.to = append(m.to, addr)
		case "DATA":
			c.PrintfLine("354 go")
			if m.body, err = c.ReadDotBytes(); err != nil {
				return
			}
			if f.mutant == "mute" {
				c.ReadLine() // until a kill
				return
			}
			if f.mutant == "M3" {
				c.PrintfLine("250 OK")
				time.Sleep(3 * time.Millisecond)
				f.store(life, m)
				continue
			}
			if !f.store(life, m) {
				return
			}
		}
		c.PrintfLine("250 OK")
	}
}

// take gives out a message that nobody of this life has in hand.
func (f *fake) take(life int) (int, *mail, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, m := range f.disk {
		if life == f.life && m.inHand != life {
			m.inHand = life
			return id, m, true
		}
	}
	return 0, nil, life == f.life
}

func (f *fake) forget(life, id int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if life == f.life {
		delete(f.disk, id)
	}
}

// done counts a delivery and records it.
func (f *fake) done(life, id int, m *mail) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if life != f.life {
		return
	}
	if f.mutant != "miscounting" || id%10 != 0 {
		f.out += len(m.to)
	}
	m.done = true
	if f.mutant != "forgetful" || id%20 != 0 {
		delete(f.disk, id)
	} // otherwise it comes again after a restart
}

func (f *fake) deliver(life int) {
	for {
		id, m, alive := f.take(life)
		switch {
		case !alive:
			return
		case m == nil:
			time.Sleep(time.Millisecond)
			continue
		}
		if f.mutant == "M4" {
			f.forget(life, id)
			time.Sleep(2 * time.Millisecond)
		}
		body := m.body
		if f.mutant == "torn" && id%50 == 0 {
			body = bytes.Clone(body)
			body[len(body)-3] ^= 1
		}
		if err := f.send(life, id, m, body); err != nil {
			return // killed
		}
	}
}

// send records the delivery before it says QUIT.
func (f *fake) send(life, id int, m *mail, body []byte) error {
	conn, err := net.Dial("tcp", f.nextHop)
	if err != nil || !f.own(life, conn) {
		return net.ErrClosed
	}
	c, err := smtp.NewClient(conn, "fake")
	if err != nil {
		return err
	}
	if err := c.Mail(m.from); err != nil {
		return err
	}
	for _, rcpt := range m.to {
		if err := c.Rcpt(rcpt); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	w.Write(body)
	if err := w.Close(); err != nil {
		return err
	}
	f.done(life, id, m)
	return c.Quit()
}

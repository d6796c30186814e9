package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"mtad/test/interop/peer"
)

// mtad is the relay that counts: the built program as a child process.
type mtad struct {
	bin, dir string
	config   peer.MtadConfig
	child    *peer.Mtad
}

// newMtad takes the program, a folder for its spool and, for a program built
// with the tag mutant, the name of the mutant.
func newMtad(bin, dir, nextHop, mutant string) (*mtad, error) {
	addr, err := lowAddr()
	if err != nil {
		return nil, err
	}
	admin, err := lowAddr()
	if err != nil {
		return nil, err
	}
	return &mtad{bin: bin, dir: dir, config: peer.MtadConfig{Addr: addr, Admin: admin, NextHop: nextHop,
		Retry: time.Second, Env: []string{"MTAD_MUTANT=" + mutant}}}, nil
}

// lowAddr is a free port that the system gives to no outgoing connection: while
// the relay is dead, senders that knock would now and then be given its own port.
func lowAddr() (string, error) {
	for range 100 {
		port := 10000 + rand.IntN(20000)
		if _, twice := given.LoadOrStore(port, true); twice {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("no free port between 10000 and 30000")
}

var given sync.Map // ports that lowAddr has given out

func (m *mtad) Addr() string { return m.config.Addr }

func (m *mtad) Start() error {
	child, err := peer.StartMtad(m.bin, m.dir, &m.config)
	m.child = child
	return err
}

func (m *mtad) Kill() error {
	if m.child == nil {
		return errors.New("it never started")
	}
	select {
	case <-m.child.Done():
		return fmt.Errorf("mtad ended by itself: %v", m.child.Err())
	default:
	}
	m.child.Kill()
	return nil
}

var client = http.Client{Timeout: 10 * time.Second}

func (m *mtad) get(path string) (string, error) {
	resp, err := client.Get("http://" + m.config.Admin + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// metric adds up one metric over all its labels.
func metric(page, name string) (int, error) {
	var sum float64
	found := false
	for lines := bufio.NewScanner(strings.NewReader(page)); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		n, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+n, true
	}
	if !found {
		return 0, errors.New("no " + name + " among the metrics")
	}
	return int(sum), nil
}

func (m *mtad) Queued() (int, error) {
	page, err := m.get("/metrics")
	if err != nil {
		return 0, err
	}
	return metric(page, "mtad_queue_messages")
}

func (m *mtad) Counts() (messages, recipients int, err error) {
	page, err := m.get("/metrics")
	if err != nil {
		return 0, 0, err
	}
	messages, err1 := metric(page, "mtad_messages_received_total")
	recipients, err2 := metric(page, "mtad_recipients_delivered_total")
	return messages, recipients, errors.Join(err1, err2)
}

// Left is what is in the spool's folder of large bodies, and what was set aside.
func (m *mtad) Left() ([]string, error) {
	var left []string
	for _, folder := range []string{"body", "broken"} {
		entries, err := os.ReadDir(filepath.Join(m.dir, "spool.d", folder))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			left = append(left, folder+"/"+e.Name())
		}
	}
	return left, nil
}

// State is what the daemon says of itself, what it printed and the ends of its logs.
func (m *mtad) State() string {
	status, err := m.get("/api/v1/status")
	if err != nil {
		status = err.Error()
	}
	s := "status: " + strings.TrimSpace(status) + "\n"
	if m.child != nil {
		s += "output:\n" + m.child.Output()
	}
	logs, _ := filepath.Glob(filepath.Join(m.dir, "log", "*"))
	for _, name := range logs {
		s += "\n" + filepath.Base(name) + ":\n" + tail(name, 3<<10)
	}
	return s
}

// tail is the end of a file.
func tail(name string, n int64) string {
	f, err := os.Open(name)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	b := make([]byte, min(n, st.Size()))
	k, _ := f.ReadAt(b, st.Size()-int64(len(b)))
	return string(b[:k])
}

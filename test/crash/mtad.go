package crash

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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
	addr, err := peer.FreeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := peer.FreeAddr()
	if err != nil {
		return nil, err
	}
	return &mtad{bin: bin, dir: dir, config: peer.MtadConfig{Addr: addr, Admin: admin, NextHop: nextHop,
		Retry: time.Second, Env: []string{"MTAD_MUTANT=" + mutant}}}, nil
}

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
		return fmt.Errorf("mtad ended by itself: %v\n%s", m.child.Err(), m.child.Output())
	default:
	}
	m.child.Kill()
	return nil
}

// Queued adds up the gauge of all states.
func (m *mtad) Queued() (int, error) {
	resp, err := http.Get("http://" + m.config.Admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var sum float64
	found := false
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "mtad_queue_messages") {
			n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				return 0, err
			}
			sum, found = sum+n, true
		}
	}
	if !found {
		return 0, errors.New("no mtad_queue_messages among the metrics")
	}
	return int(sum), nil
}

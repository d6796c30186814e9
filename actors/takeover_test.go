package actors

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"mtad/internal/mainlog"
	"mtad/internal/outbound"
	"mtad/internal/queue"
	"mtad/spool"
)

// H3, H4: an attempt whose connection could not be taken over decides nothing, about
// the message or the host, and asks to go again at once.
func TestH3NothingIsDecidedByATakeOver(t *testing.T) {
	for name, learnt := range map[string]bool{"it closes": false, "learnt while it lingered": true} {
		t.Run(name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, h *tlsHop) {
				h.when("fin")
				r := relayOn(t, t.TempDir(), h.hop, nil, `tls_handoff_fallback = "reconnect"`)
				host := queue.HostAddr{Name: "127.0.0.1", Addr: mustAddrPort(h.addr)}
				settings, fault := r.setup.Load().transports["smtp"].Settings(target(host))
				if fault != nil {
					t.Fatal(fault)
				}
				conn, fault := outbound.Dial(t.Context(), target(host), settings)
				if fault != nil {
					t.Fatal(fault)
				}
				if learnt {
					r.handoffs.learn(host, time.Hour, "test")
				}
				id := r.keep(t)
				a := r.newDelivery(queue.Job{Message: id, Transport: "smtp", Host: host, Rcpts: []int{0}, LastHost: true}, r.setup.Load(), conn).attempt
				a.run()
				got := a.report
				if !got.Again || got.Open || got.Host != queue.HostUntried || len(got.Outcomes) > 0 || got.Error != "" || a.conn != nil {
					t.Errorf("%+v", got)
				}
				if _, _, _, shutdowns, _ := h.saw(); learnt && shutdowns > 0 {
					t.Error("H5: TLS was shut down though the host is known not to go on")
				}
				if env, err := r.spool.Envelope(id); err != nil || env.Recipients[0].Attempts != 0 || env.Recipients[0].LastError != "" {
					t.Errorf("the spool has %+v, %v", env, err)
				}
			})
		})
	}
}

// keep puts a message into the spool of which the queue hears nothing.
func (r *relay) keep(t *testing.T) spool.ID {
	t.Helper()
	d := r.spool.NewDraft()
	defer d.Discard()
	*d.Envelope = spool.Envelope{ID: r.spool.NextID(), Received: time.Now(), Sender: "a@x.test", Recipients: []spool.Recipient{{Address: "b@y.test"}}}
	if _, err := io.WriteString(d, "Subject: kept\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := r.spool.Commit(&spool.Batch{New: []*spool.Draft{d}}); err != nil {
		t.Fatal(err)
	}
	return d.Envelope.ID
}

// What is remembered of hosts is not touched any more once the spool may be closed.
func TestH5NothingIsForgottenAfterTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log, err := mainlog.Open(mainlog.Options{Path: filepath.Join(dir, "%slog"), Format: "exim"})
		if err != nil {
			t.Fatal(err)
		}
		sp, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := newHandoffs(sp, log)
		h.learn(queue.HostAddr{Name: "mx.y.example", Addr: mustAddrPort("192.0.2.9:25")}, time.Hour, "test")
		h.close()
		if err := sp.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		log.Close()
	})
	if text, _ := os.ReadFile(filepath.Join(dir, "paniclog")); len(text) > 0 {
		t.Errorf("%s", text)
	}
	sp, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	facts := 0
	sp.HostFacts(func(spool.HostFact) bool { facts++; return true })
	if facts != 1 {
		t.Errorf("the spool remembers %d hosts", facts)
	}
}

package peer

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mtad/internal/config"
)

func TestMtadConfigIsAccepted(t *testing.T) {
	t.Parallel()
	c := MtadConfig{Addr: "127.0.0.1:2525", Admin: "127.0.0.1:9925", NextHop: "127.0.0.1:2626", Connections: 20, Retry: time.Second,
		Routes: map[string]string{"d1.test": "127.1.0.1:2626", "d2.test": "127.1.0.2:2626"}}
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(c.toml()), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, c.toml())
	}
	if h := got.Routers[0].RouteList["d2.test"]; len(h) != 1 || h[0] != "127.1.0.2:2626" || got.Transports["smtp"].MaxConnections != 20 || got.Admin.Address != c.Admin {
		t.Errorf("%+v", got)
	}
	if step := got.Retry[0].Rule[0]; step.Interval != c.Retry {
		t.Errorf("retry %+v", step)
	}
}

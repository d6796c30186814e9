package peer

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// BuildMtad builds mtad into dir, with build tags if any, and returns the program.
func BuildMtad(dir, tags string) (string, error) {
	bin := filepath.Join(dir, "mtad")
	out, err := exec.Command("go", "build", "-trimpath", "-tags", tags, "-o", bin, "mtad/cmd/mtad").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cannot build mtad: %w\n%s", err, out)
	}
	return bin, nil
}

// Mtad is a running mtad with a folder of its own.
type Mtad struct {
	*Child
	Addr  string // SMTP
	Admin string
}

// MtadConfig is what differs from one run to another. All mail goes to
// NextHop, except that of the domains in Routes.
type MtadConfig struct {
	Addr, Admin string // "" takes a free one
	NextHop     string // host:port
	Routes      map[string]string
	Connections int           // to one host; 0 leaves the default
	Retry       time.Duration // after a temporary failure; 0 leaves the default
	Env         []string      // added to the environment
	Relay       string        // host_accept_relay; "" is who is on this machine
	Options     string        // TOML lines, main options on top
	Transport   string        // TOML lines of [transport.smtp]
}

// StartMtad writes config.toml into dir, starts the program there and waits
// until it listens. A second start in the same dir finds the first one's spool.
func StartMtad(bin, dir string, c *MtadConfig) (*Mtad, error) {
	free, err := freeAddrs(2)
	if err != nil {
		return nil, err
	}
	if c.Addr == "" { // a restart keeps its address, which others may be reading
		c.Addr = free[0]
	}
	if c.Admin == "" {
		c.Admin = free[1]
	}
	file := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte(c.toml()), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, "serve", "-config", file)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), c.Env...)
	child, err := startChild(filepath.Join(dir, "output"), cmd)
	if err != nil {
		return nil, err
	}
	return &Mtad{child, c.Addr, c.Admin}, child.ready(c.Addr, 30*time.Second)
}

func (c *MtadConfig) toml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "primary_hostname = \"relay.test\"\nspool_directory = \"spool.d\"\nlog_file_path = \"log/%%slog\"\n")
	fmt.Fprintf(&b, "host_accept_relay = %q\nrecipients_max = 10000\nremote_max_parallel = 1000\n", cmp.Or(c.Relay, "127.0.0.0/8"))
	b.WriteString(c.Options)
	fmt.Fprintf(&b, "\n[[listen]]\naddress = %q\n\n[admin]\naddress = %q\n", c.Addr, c.Admin)
	fmt.Fprintf(&b, "\n[[router]]\nname = \"smarthost\"\ndriver = \"domainlist\"\ndomains = \"*\"\nhosts = [%q]\ntransport = \"smtp\"\n", c.NextHop)
	if len(c.Routes) > 0 {
		b.WriteString("[router.route_list]\n")
		for domain, host := range c.Routes {
			fmt.Fprintf(&b, "%q = [%q]\n", domain, host)
		}
	}
	b.WriteString("\n[transport.smtp]\n")
	if c.Connections > 0 {
		fmt.Fprintf(&b, "max_connections = %d\n", c.Connections)
	}
	b.WriteString(c.Transport)
	if c.Retry > 0 {
		fmt.Fprintf(&b, "\n[[retry]]\ndomains = \"*\"\nrule = \"F,4d,%s\"\n", c.Retry)
	}
	return b.String()
}

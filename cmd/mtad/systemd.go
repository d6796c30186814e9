package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"mtad/internal/config"
)

// notify tells a service manager of our state (sd_notify(3)): "READY=1",
// "STOPPING=1". Without NOTIFY_SOCKET it does nothing.
func notify(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	if strings.HasPrefix(name, "@") {
		name = "\x00" + name[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return // nobody listens: nothing we do depends on it
	}
	defer conn.Close()
	conn.Write([]byte(state))
}

// sockets are those that a service manager opened for us.
type sockets map[string]net.Listener

// inherited takes them over (sd_listen_fds(3)); the environment then no longer
// tells of them.
func inherited() (sockets, error) {
	pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID"))
	fds := os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pid != os.Getpid() {
		return nil, nil
	}
	n, err := strconv.Atoi(fds)
	if err != nil {
		return nil, fmt.Errorf("LISTEN_FDS=%q is not a number", fds)
	}
	socks := make(sockets, n)
	const first = 3 // SD_LISTEN_FDS_START
	for fd := first; fd < first+n; fd++ {
		f := os.NewFile(uintptr(fd), "LISTEN_FD_"+strconv.Itoa(fd))
		l, err := net.FileListener(f) // close-on-exec, as the original is not
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("socket %d of LISTEN_FDS is not a listening stream socket: %w", fd, err)
		}
		socks[config.Endpoint(l.Addr().String())] = l
	}
	return socks, nil
}

// take returns the socket for an address of the configuration, once; nil: there is none.
func (s sockets) take(address string) net.Listener {
	key := config.Endpoint(address)
	l := s[key]
	delete(s, key)
	return l
}

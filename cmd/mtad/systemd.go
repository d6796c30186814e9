package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
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

// inherited returns the listening sockets that a service manager has opened for
// us (sd_listen_fds(3)), by their address.
func inherited() (map[string]net.Listener, error) {
	if pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID")); pid != os.Getpid() {
		return nil, nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil {
		return nil, fmt.Errorf("LISTEN_FDS=%q is not a number", os.Getenv("LISTEN_FDS"))
	}
	socks := make(map[string]net.Listener, n)
	const first = 3 // SD_LISTEN_FDS_START
	for fd := first; fd < first+n; fd++ {
		f := os.NewFile(uintptr(fd), "LISTEN_FD_"+strconv.Itoa(fd))
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("socket %d of LISTEN_FDS is not a listening stream socket: %w", fd, err)
		}
		socks[l.Addr().String()] = l
	}
	return socks, nil
}

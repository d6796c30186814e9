package config

import (
	"net"
	"net/netip"
)

// Endpoint makes equal what means the same: ":25", "0.0.0.0:25" and "[::]:25".
func Endpoint(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		return ":" + port
	} else if err == nil {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(host, port)
}

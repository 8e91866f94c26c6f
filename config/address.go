// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// socketPathLimit is the room for a path in Linux's sockaddr_un, less its zero.
const socketPathLimit = 107

// isSocketPath tells the path of a Unix socket from host and port.
func isSocketPath(address string) bool { return strings.Contains(address, "/") }

// listenAddressProblem says what is wrong with the address of a listener, or "".
func listenAddressProblem(network, address string) string {
	if network == "unix" {
		return socketPathProblem(address)
	}
	host, problem := splitAddress(address, 0)
	if problem != "" || host == "" {
		return problem
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
		return fmt.Sprintf("a listener needs an IP address of this machine, found %q", host)
	}
	return ""
}

// hostAddressProblem says what is wrong with the address of a host, or "".
func hostAddressProblem(address string) string {
	if isSocketPath(address) {
		return socketPathProblem(address)
	}
	host, problem := splitAddress(address, 1)
	if problem == "" && host == "" {
		return fmt.Sprintf("expected \"host:port\", found %q without a host", address)
	}
	return problem
}

func socketPathProblem(path string) string {
	if len(path) > socketPathLimit {
		return fmt.Sprintf("the path of a Unix socket has at most %d bytes, found %d", socketPathLimit, len(path))
	}
	return ""
}

// splitAddress takes "host:port" apart and says what is wrong with it.
func splitAddress(address string, portMin int) (host, problem string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Sprintf("expected \"host:port\", found %q", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < portMin || n > 65535 || port[0] == '+' {
		return "", fmt.Sprintf("expected a port from %d to 65535, found %q in %q", portMin, port, address)
	}
	if strings.Contains(host, "%") {
		return "", fmt.Sprintf("addresses with a zone are not supported, found %q", address)
	}
	if host != "" && !isHost(host) {
		return "", fmt.Sprintf("expected an IP address or a name before the port, found %q", host)
	}
	return host, ""
}

// isHost tells an IP address or a DNS name. A name that looks like an IPv4
// address must be one.
func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	const nameLimit = 253 // RFC 1035, 2.3.4, without the root's length byte
	name := strings.TrimSuffix(host, ".")
	if name == "" || len(name) > nameLimit {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return false
		}
		last = label
	}
	return strings.Trim(last, "0123456789") != ""
}

// isLabel tells a label of a name (RFC 1123, 2.1), with the underscores that
// names of services have.
func isLabel(label string) bool {
	const labelLimit = 63
	if label == "" || len(label) > labelLimit || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if c := label[i]; !isWord(c) && c != '-' {
			return false
		}
	}
	return true
}

// socketKey is equal for addresses that cannot both be bound. It is empty for
// port 0, which is another port each time, and for what is not an address.
func socketKey(network, address string) string {
	if network == "unix" {
		return "unix:" + filepath.Clean(address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	n, err := strconv.Atoi(port)
	if err != nil || n == 0 {
		return ""
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err != nil || ip.IsUnspecified() {
		host = ""
	} else {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(host, strconv.Itoa(n))
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net"
	"net/netip"
	"strconv"
)

// Admin is where the process is operated from.
type Admin struct {
	// Address is "ip:port", empty where there is no admin server.
	Address string
	// Pprof is where Go's profiles are served, empty for nowhere but an admin
	// server on the loopback.
	Pprof string
}

// Loopback tells whether an address can be reached from this host only.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func (b *builder) admin(root view) Admin {
	var a Admin
	if root.has("admin") {
		v := root.child("admin").child("address").child("socket_address")
		a.Address = v.adminAddress("address", "port_value")
	}
	if v := root.child("pprof"); v.flag("debug") {
		a.Pprof = v.adminAddress("endpoint", "port_value")
	}
	return a
}

// adminAddress joins an address and a port, which nothing protects but that they
// are of the loopback.
func (v view) adminAddress(host, port string) string {
	address := net.JoinHostPort(v.text(host), strconv.Itoa(v.integer(port)))
	if problem := listenAddressProblem("tcp", address); problem != "" {
		v.errorf(host, "%s", problem)
	} else if !Loopback(address) {
		v.warnf(host, "there is no authentication: whoever reaches %s can read the configuration and stop the process", v.text(host))
	}
	return address
}

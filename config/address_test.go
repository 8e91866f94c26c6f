// SPDX-License-Identifier: Apache-2.0

package config

import "testing"

func TestHostAddress(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:80", "[::1]:80", "[2001:db8::1]:65535", "a:1", "a.b.svc.cluster.local.:8080", "my_service-1:80", "/run/a.sock", "./a.sock", "1a:80", "xn--bcher-kva.example:443",
	} {
		if problem := hostAddressProblem(address); problem != "" {
			t.Errorf("%q: %s", address, problem)
		}
	}
	for _, address := range []string{
		"", "a", ":80", "a:", "a:0", "a:65536", "a:+80", "a:-1", "a:http", "::1:80", "[::1]", "1.2.3:80", "256.1.1.1:80", "1.2.3.4.5:80",
		"a..b:80", ".:80", "-a:80", "a-:80", "a b:80", "é:80", "[fe80::1%1]:80", "a%b:80", "*:80",
	} {
		if problem := hostAddressProblem(address); problem == "" {
			t.Errorf("%q was accepted", address)
		}
	}
}

func TestListenAddress(t *testing.T) {
	for _, address := range []string{":80", "0.0.0.0:0", "127.0.0.1:2045", "[::]:80", "localhost:80"} {
		if problem := listenAddressProblem("tcp", address); problem != "" {
			t.Errorf("%q: %s", address, problem)
		}
	}
	for _, address := range []string{"80", "example.com:80", "127.0.0.1:65536", "[fe80::1%eth0]:80", "/run/a.sock"} {
		if problem := listenAddressProblem("tcp", address); problem == "" {
			t.Errorf("%q was accepted", address)
		}
	}
	if problem := listenAddressProblem("unix", "a.sock"); problem != "" {
		t.Errorf("a relative path: %s", problem)
	}
}

// TestSocketKey: equal keys are addresses that cannot both be bound.
func TestSocketKey(t *testing.T) {
	for _, same := range [][2]string{
		{":80", "0.0.0.0:80"}, {":80", "[::]:80"}, {"127.0.0.1:80", "localhost:080"}, {"127.0.0.1:80", "[::ffff:127.0.0.1]:80"}, {"[::1]:80", "[0:0::1]:80"},
	} {
		if a, b := socketKey("tcp", same[0]), socketKey("tcp", same[1]); a != b || a == "" {
			t.Errorf("%q and %q have the keys %q and %q", same[0], same[1], a, b)
		}
	}
	for _, other := range [][2]string{{"127.0.0.1:80", "127.0.0.2:80"}, {"127.0.0.1:80", "127.0.0.1:81"}, {"[::1]:80", "127.0.0.1:80"}} {
		if a, b := socketKey("tcp", other[0]), socketKey("tcp", other[1]); a == b {
			t.Errorf("%q and %q have the same key %q", other[0], other[1], a)
		}
	}
	if key := socketKey("tcp", "127.0.0.1:0"); key != "" {
		t.Errorf("port 0 has the key %q", key)
	}
	if socketKey("unix", "/run//a") != socketKey("unix", "/run/a") {
		t.Error("one path has two keys")
	}
}

func TestDomains(t *testing.T) {
	set := make(domainSet)
	for _, domain := range []string{"*", "a.com", "a.com:80", "*.a.com", "*.a.com:443", "*-x.com", "[::1]", "[::1]:80", "*:80", "localhost:*"} {
		if problem := set.add(domain, domain); problem != "" {
			t.Errorf("%q: %s", domain, problem)
		}
	}
	for _, domain := range []string{
		"*:*", "A.COM", "a.com:*", "*.A.com", "[::1]:*", "localhost", // there already
		"", ":80", "a.*", "**", "*.*.com", "a:b", "a:0", "a:65536", "a:+1", "a:", "::1", "a b", "http://a", "u@a",
	} {
		if problem := set.add(domain, domain); problem == "" {
			t.Errorf("%q was accepted", domain)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strconv"
	"strings"
)

// domainSet is the domains of one router and where each was given.
type domainSet map[string]string

// add says what is wrong with a domain, or "". Two domains are the same when
// MOSN could not choose between them: whatever the case, and with any port
// written or left out.
func (s domainSet) add(domain, path string) string {
	host, port, problem := splitDomain(strings.ToLower(domain))
	if problem != "" {
		return problem
	}
	key := host + ":" + port
	if first, ok := s[key]; ok {
		if key == "*:*" {
			return fmt.Sprintf("a router has one default domain, and %s is it already", first)
		}
		return fmt.Sprintf("the domain %q was given at %s already", domain, first)
	}
	s[key] = path
	return ""
}

// splitDomain takes a domain apart; the port is "*" when there is none. The
// host is a name, "*" or "*" and the end of a name.
func splitDomain(domain string) (host, port, problem string) {
	host, port = domain, "*"
	if i := strings.LastIndexByte(domain, ':'); i >= 0 && !strings.HasSuffix(domain, "]") {
		host, port = domain[:i], domain[i+1:]
	}
	if port != "*" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || port[0] == '+' {
			return "", "", fmt.Sprintf("expected a port from 1 to 65535 or \"*\" after the colon, found %q in %q", port, domain)
		}
	}
	bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
	switch {
	case host == "":
		return "", "", fmt.Sprintf("a domain needs a host, found %q; \"*\" is every host", domain)
	case strings.Contains(host[1:], "*"):
		return "", "", fmt.Sprintf("only the beginning of a domain can be \"*\", found %q", domain)
	case strings.ContainsAny(host, " /@"):
		return "", "", fmt.Sprintf("expected a host name, found %q", domain)
	case strings.Contains(host, ":") && !bracketed:
		return "", "", fmt.Sprintf("an IPv6 address stands in brackets, found %q", domain)
	}
	return host, port, ""
}

// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/sideloop/sideloop/config"
)

// resolver finds the addresses of a name, at least one unless it fails, in the
// order of the answer.
type resolver interface {
	lookup(ctx context.Context, name string) (addresses []netip.Addr, ttl time.Duration, err error)
}

// systemFile is where the system says which servers to ask.
const systemFile = "/etc/resolv.conf"

// newResolver returns the system's resolver, which knows /etc/hosts, too, unless
// the configuration names servers or wants to know how long an answer holds,
// which the system does not tell.
func newResolver(d *config.DNS) (resolver, error) {
	if len(d.Servers) == 0 && d.File == "" && !d.RespectTTL {
		return &system{d}, nil
	}
	a := &asker{
		servers: d.Servers, search: d.Search, ndots: d.Ndots, attempts: d.Attempts, family: d.Family,
		udp: dns.Client{Net: "udp", Timeout: d.Timeout}, tcp: dns.Client{Net: "tcp", Timeout: d.Timeout},
	}
	if len(a.servers) > 0 {
		return a, nil
	}
	file := d.File
	if file == "" {
		file = systemFile
	}
	c, err := dns.ClientConfigFromFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	for _, s := range c.Servers {
		a.servers = append(a.servers, net.JoinHostPort(s, d.Port))
	}
	if len(a.servers) == 0 {
		return nil, fmt.Errorf("%s names no server", file)
	}
	a.ndots = c.Ndots
	if len(a.search) == 0 {
		a.search = c.Search
	}
	return a, nil
}

// system asks as every program of the machine does.
type system struct{ config *config.DNS }

func (s *system) lookup(ctx context.Context, name string) ([]netip.Addr, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout*time.Duration(s.config.Attempts))
	defer cancel()
	network := map[config.AddressFamily]string{config.IPv4: "ip4", config.IPv6: "ip6", config.AnyFamily: "ip"}[s.config.Family]
	found, err := net.DefaultResolver.LookupNetIP(ctx, network, name)
	if err == nil && len(found) == 0 {
		err = errNoAddress
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, 0, err
}

// asker asks servers by itself.
type asker struct {
	servers, search []string
	ndots, attempts int
	family          config.AddressFamily
	udp, tcp        dns.Client
}

var errNoAddress = errors.New("the name has no address of the family that is asked for")

// lookup tries the names that name may stand for, as resolv.conf(5) says, until
// one has an address.
func (a *asker) lookup(ctx context.Context, name string) (found []netip.Addr, ttl time.Duration, err error) {
	if strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") {
		return a.loopback(), ttlMax, nil // RFC 6761, 6.3
	}
	for _, candidate := range a.candidates(name) {
		found, ttl, err = a.addresses(ctx, candidate)
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return found, ttl, err
}

func (a *asker) loopback() []netip.Addr {
	if a.family == config.IPv6 {
		return []netip.Addr{netip.IPv6Loopback()}
	}
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
}

// candidates are the absolute names that name may stand for.
func (a *asker) candidates(name string) []string {
	if dns.IsFqdn(name) {
		return []string{name}
	}
	var list []string
	for _, domain := range a.search {
		list = append(list, dns.Fqdn(name+"."+strings.TrimSuffix(domain, ".")))
	}
	absolute := dns.Fqdn(name)
	if strings.Count(name, ".") >= a.ndots {
		return slices.Insert(list, 0, absolute)
	}
	return append(list, absolute)
}

// addresses asks for all addresses of one name. With both families one of them
// is enough.
func (a *asker) addresses(ctx context.Context, name string) (found []netip.Addr, ttl time.Duration, err error) {
	ttl = ttlMax
	for _, kind := range a.kinds() {
		answer, e := a.ask(ctx, name, kind)
		if e != nil {
			err = e
			continue
		}
		for _, record := range answer.Answer {
			address, ok := addressOf(record)
			if ok {
				found = append(found, address)
			}
			// The names on the way to an address expire, too.
			ttl = min(ttl, time.Duration(record.Header().Ttl)*time.Second)
		}
	}
	switch {
	case len(found) > 0:
		return found, ttl, nil
	case err == nil:
		err = errNoAddress
	}
	return nil, 0, err
}

func (a *asker) kinds() []uint16 {
	switch a.family {
	case config.IPv4:
		return []uint16{dns.TypeA}
	case config.IPv6:
		return []uint16{dns.TypeAAAA}
	}
	return []uint16{dns.TypeA, dns.TypeAAAA}
}

func addressOf(r dns.RR) (netip.Addr, bool) {
	var ip net.IP
	switch r := r.(type) {
	case *dns.A:
		ip = r.A
	case *dns.AAAA:
		ip = r.AAAA
	}
	address, ok := netip.AddrFromSlice(ip)
	return address.Unmap(), ok
}

// ask asks the servers one after the other, each as often as configured, until
// one knows: a server that says that there is no such name does.
func (a *asker) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	question := new(dns.Msg)
	question.SetQuestion(name, kind)
	var err error
	for range a.attempts {
		for _, server := range a.servers {
			var answer *dns.Msg
			if answer, err = a.exchange(ctx, question, server); err == nil {
				return answer, rcodeError(answer, name)
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	return nil, err
}

// exchange asks one server once, over TCP if the answer is too long for UDP. An
// error is anything but a statement about the name.
func (a *asker) exchange(ctx context.Context, question *dns.Msg, server string) (*dns.Msg, error) {
	answer, err := converse(ctx, &a.udp, question, server)
	if err == nil && answer.Truncated {
		answer, err = converse(ctx, &a.tcp, question, server)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", server, err)
	}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("ask %s: it answered %s", server, rcodeName(answer.Rcode))
	}
	return answer, nil
}

// converse asks over a connection of its own, which the end of ctx closes: the
// client by itself would wait for its timeout.
func converse(ctx context.Context, c *dns.Client, question *dns.Msg, server string) (*dns.Msg, error) {
	conn, err := c.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		if stop() {
			conn.Close()
		}
	}()
	answer, _, err := c.ExchangeWithConnContext(ctx, question, conn)
	return answer, err
}

func rcodeError(answer *dns.Msg, name string) error {
	if answer.Rcode == dns.RcodeNameError {
		return fmt.Errorf("there is no name %s", name)
	}
	return nil
}

func rcodeName(code int) string {
	if s, ok := dns.RcodeToString[code]; ok {
		return s
	}
	return strconv.Itoa(code)
}

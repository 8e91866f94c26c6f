// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"bytes"
	"embed"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed templates
var files embed.FS

// maxRequests stands where a program wants a limit on requests per connection:
// no run sends as many.
const maxRequests = 4_000_000_000

// maxHosts is what targets has addresses for.
const maxHosts = 256 * hostsPerSubnet

// settings is what templates see.
type settings struct {
	Hop
	ListenHost, ListenPort string
	AdminHost, AdminPort   string
	TargetHost, TargetPort string
	Dir                    string
	MaxRequests            uint64
	Decoys                 []int    // numbers of the routes before the one that matches
	Targets                []string // host:port of each host
	// Paths of what hops with TLS need.
	Certificate, Key, Authority string
}

// hostsPerSubnet keeps the last number of an address from 1 to 250.
const hostsPerSubnet = 250

// targets are n addresses that lead to target: itself, or others of the loopback
// network.
func targets(target, port string, n int) []string {
	if n <= 1 {
		return []string{target}
	}
	var all []string
	for i := range n {
		all = append(all, net.JoinHostPort(fmt.Sprintf("127.0.%d.%d", i/hostsPerSubnet, 1+i%hostsPerSubnet), port))
	}
	return all
}

// mosnNames are the protocols' names in MOSN's configuration.
var mosnNames = map[Protocol]string{Bolt: "bolt", HTTP2: "Http2"}

var templates = template.Must(template.New("").Option("missingkey=error").Funcs(template.FuncMap{
	"mosn": func(p Protocol) string { return mosnNames[p] },
}).ParseFS(files, "templates/*.tmpl"))

// render fills a template in. Names that could leave their quotes are refused
// rather than escaped in five syntaxes.
func render(name, dir string, hop Hop) ([]byte, error) {
	s := settings{
		Hop: hop, Dir: dir, MaxRequests: maxRequests, Certificate: filepath.Join(dir, CertificateFile),
		Key: filepath.Join(dir, KeyFile), Authority: filepath.Join(dir, AuthorityFile),
	}
	var err error
	if s.ListenHost, s.ListenPort, err = net.SplitHostPort(hop.Listen); err != nil {
		return nil, err
	}
	if s.TargetHost, s.TargetPort, err = net.SplitHostPort(hop.Target); err != nil {
		return nil, err
	}
	if hop.Admin != "" {
		if s.AdminHost, s.AdminPort, err = net.SplitHostPort(hop.Admin); err != nil {
			return nil, err
		}
	}
	if hop.Routes < 0 || hop.Hosts < 0 || hop.Hosts > maxHosts {
		return nil, fmt.Errorf("%d routes and %d hosts are not between 0 and %d", hop.Routes, hop.Hosts, maxHosts)
	}
	for i := 1; i < hop.Routes; i++ {
		s.Decoys = append(s.Decoys, i)
	}
	s.Targets = targets(hop.Target, s.TargetPort, hop.Hosts)
	for _, text := range []string{hop.Listen, hop.Target, hop.Admin, dir} {
		if strings.ContainsAny(text, "\"'\\;{}#, \t\r\n") {
			return nil, fmt.Errorf("%q has a character that not every configuration can hold", text)
		}
	}
	if mosnNames[hop.Down] == "" || mosnNames[hop.Up] == "" {
		return nil, fmt.Errorf("no protocol %q to %q", hop.Down, hop.Up)
	}
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, s); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Protocol is what one side of a hop speaks.
type Protocol string

// Protocols, by the names that loopbench's command line uses.
const (
	Bolt  Protocol = "bolt"
	HTTP2 Protocol = "http2"
)

// Hop is one proxy process: where it listens and where it sends to, both
// host:port with an IP address.
type Hop struct {
	Listen, Target string
	Down, Up       Protocol
	// DownTLS and UpTLS encrypt the side of the clients and that of the target,
	// with the certificate that Command finds in its folder.
	DownTLS, UpTLS bool
	Size
	// Admin is where Sideloop answers its admin requests, empty for nowhere.
	Admin string
	// AccessLog is where Sideloop writes a line per request, empty for nowhere.
	AccessLog string
}

// Files that a hop with TLS needs, in the folder that Command is given.
const (
	// CertificateFile is the certificate of every server, and KeyFile its key.
	CertificateFile = "tls.crt"
	KeyFile         = "tls.crt.key" // HAProxy looks for it under this name
	// AuthorityFile is the certificate that it was signed with.
	AuthorityFile = "ca.crt"
)

// Size is how much a proxy has to choose from. Only configurations of Sideloop
// and MOSN, and only Sideloop's workers, can be more than one, for which 0 stands.
type Size struct {
	Routes  int // of which the last one matches
	Hosts   int // addresses of the loopback network with the target's port
	Workers int
}

// Programs are the binaries that are not looked up on PATH.
type Programs struct {
	Loopbench, Sideloop string
	SideloopB           string // another build to set beside it; may be empty
	MOSN                string // empty when there is none
}

// Peer is a proxy of the comparison.
type Peer struct {
	ID   string // on the command line
	Name string // in tables
	Note string // what the reader of a comparison must know; may be empty
	Ours bool
	// HTTP1 says that the proxy cannot speak HTTP/2 to its backend, which must
	// be the HTTP/1.1 echo service.
	HTTP1 bool
	// Admin says that it has Sideloop's admin server, which a hop can ask for.
	Admin bool
	// TLS says that it takes part where there is TLS.
	TLS bool

	program func(Programs) (path, missing string)
	version []string // arguments that print it; nil for loopbench's own
	// accessLog makes a peer one that is there only when it is asked for.
	accessLog string
	template  string // name of the configuration's template, empty when there is none
	carries   func(down, up Protocol) bool
	command   func(config string, h Hop) (args, env []string)
}

// Carries reports whether the proxy can serve such a hop.
func (p *Peer) Carries(h Hop) bool {
	return p.carries(h.Down, h.Up) && (p.TLS || !h.DownTLS && !h.UpTLS)
}

// Find returns the proxy's program, or why it is missing.
func (p *Peer) Find(programs Programs) (path, missing string) { return p.program(programs) }

// Command writes the configuration for hop into dir and returns how program is
// started with it. Paths of the process are in dir, which the caller removes
// after it.
func (p *Peer) Command(program, dir string, hop Hop) (*exec.Cmd, error) {
	config := filepath.Join(dir, p.ID+".conf")
	hop.AccessLog = p.accessLog
	if p.template != "" {
		text, err := render(p.template, dir, hop)
		if err != nil {
			return nil, fmt.Errorf("configuration of %s: %w", p.Name, err)
		}
		if err := os.WriteFile(config, text, 0o644); err != nil {
			return nil, fmt.Errorf("configuration of %s: %w", p.Name, err)
		}
	}
	args, env := p.command(config, hop)
	c := exec.Command(program, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), env...)
	return c, nil
}

// versionTimeout is for programs that do something else when asked for their
// version.
const versionTimeout = 5 * time.Second

// Version is the first line that the program prints about itself, or empty.
func (p *Peer) Version(ctx context.Context, program string) string {
	if p.version == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	c := exec.CommandContext(ctx, program, p.version...)
	// Some log on the one and answer on the other, some have only the other.
	var out, err bytes.Buffer
	c.Stdout, c.Stderr = &out, &err
	_ = c.Run() // some exit with a code when asked; what was printed counts
	for _, said := range []string{out.String(), err.String()} {
		first, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
		if first = strings.TrimSpace(first); first != "" {
			return first
		}
	}
	return ""
}

// All returns the peers in the order of reports, Sideloop first.
func All() []*Peer {
	return []*Peer{
		sideloop(), sideloopB(), sideloopLog("sideloop-log", "access.log"), sideloopLog("sideloop-null", "/dev/null"), relay(), haproxyTCP(), haproxyHTTP2(), nghttpx(), h2o(), nginx(), reverseProxy(), mosn(),
	}
}

// Select returns the named peers in the order of All; without names, all. The
// second Sideloop takes part where there is one, whether it is named or not.
func Select(ids []string, programs Programs) ([]*Peer, error) {
	all := All()
	var known []string
	for _, p := range all {
		known = append(known, p.ID)
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return nil, fmt.Errorf("there is no peer %q; there are %s", id, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(p *Peer) bool {
		switch {
		case p.ID == secondSideloop && programs.SideloopB != "":
			return false
		case len(ids) == 0:
			return p.ID == secondSideloop || p.accessLog != ""
		}
		return !slices.Contains(ids, p.ID)
	}), nil
}

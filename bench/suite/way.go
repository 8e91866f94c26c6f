// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/sideloop/sideloop/bench/peers"
)

// way is a running echo service and the proxies before it.
type way struct {
	address string // where clients connect
	proxies []*process
	admins  []string // of proxies, where a scenario needs them
	backend *process
}

// build starts an echo service and c's proxies for sc, each once the one behind
// it listens. With direct, clients connect to the service itself.
func (r *runner) build(ctx context.Context, sc *scenario, c *contender) (*way, error) {
	w := &way{}
	err := r.serve(ctx, w, sc, c)
	for i := len(sc.hops) - 1; c != direct && i >= 0 && err == nil; i-- {
		err = r.proxy(ctx, w, c, sc.hops[i], sc.figure == collectorPercent)
	}
	if err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

// serve starts the echo service.
func (r *runner) serve(ctx context.Context, w *way, sc *scenario, c *contender) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	listen := address
	if c.size.Hosts > 1 { // it is all of them
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		listen = net.JoinHostPort("0.0.0.0", port)
	}
	args := []string{"http1echo", listen}
	if !c.HTTP1 {
		args = []string{"serve", "--protocol", string(sc.backend()), "--address", listen}
	}
	if sc.hops[len(sc.hops)-1].upTLS {
		args = append(args, "--tls-cert", filepath.Join(r.secrets, peers.CertificateFile), "--tls-key", filepath.Join(r.secrets, peers.KeyFile))
	}
	if sc.reply > 0 {
		args = append(args, "--body", strconv.Itoa(sc.reply))
	}
	if w.backend, err = r.start("echo service", exec.Command(r.Programs.Loopbench, args...), onOtherCPUs); err != nil {
		return err
	}
	w.address = address
	return w.backend.listening(ctx, address)
}

// proxy puts a proxy before what is there; inspected ones have an admin server.
func (r *runner) proxy(ctx context.Context, w *way, c *contender, h hop, inspected bool) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(r.dir, c.ID)
	if err != nil {
		return err
	}
	if h.downTLS || h.upTLS {
		if err := os.CopyFS(dir, os.DirFS(r.secrets)); err != nil {
			return err
		}
	}
	admin := ""
	if inspected {
		if admin, err = freeAddress(); err != nil {
			return err
		}
		w.admins = append(w.admins, admin)
	}
	cmd, err := c.Command(c.program, dir, peers.Hop{
		Listen: address, Target: w.address, Down: h.down, Up: h.up, DownTLS: h.downTLS, UpTLS: h.upTLS, Size: c.size.Size, Admin: admin,
	})
	if err != nil {
		return err
	}
	p, err := r.start(c.Name, cmd, onProxyCPU)
	if err != nil {
		return err
	}
	w.proxies = append(w.proxies, p)
	w.address = address
	return p.listening(ctx, address)
}

// alive is an error if one of the processes has ended.
func (w *way) alive() error {
	for _, p := range append(w.proxies, w.backend) {
		if err := p.alive(); err != nil {
			return err
		}
	}
	return nil
}

// stop ends all of them.
func (w *way) stop() {
	for _, p := range append(w.proxies, w.backend) {
		if p != nil {
			p.stop()
		}
	}
}

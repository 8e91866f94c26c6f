// SPDX-License-Identifier: Apache-2.0

package test

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
	"github.com/sideloop/sideloop/test/authority"
)

// volume is a directory as Kubernetes mounts secrets: the files are links through
// a link that is replaced as a whole.
type volume struct {
	t       testing.TB
	dir     string
	version int
}

func (v *volume) put(p authority.Pair, ca string) {
	v.t.Helper()
	v.version++
	data := filepath.Join(v.dir, fmt.Sprintf("..%d", v.version))
	fresh := filepath.Join(v.dir, "..data_tmp")
	must := func(err error) {
		v.t.Helper()
		if err != nil {
			v.t.Fatal(err)
		}
	}
	must(os.Mkdir(data, 0o700))
	for name, text := range map[string]string{"tls.crt": p.Certificate, "tls.key": p.Key, "ca.crt": ca} {
		must(os.WriteFile(filepath.Join(data, name), []byte(text), 0o600))
		if link := filepath.Join(v.dir, name); v.version == 1 {
			must(os.Symlink(filepath.Join("..data", name), link))
		}
	}
	must(os.Symlink(filepath.Base(data), fresh))
	must(os.Rename(fresh, filepath.Join(v.dir, "..data")))
}

func (v *volume) context(more string) string {
	return fmt.Sprintf(`, "tls_context": {"status": true, "ca_cert": %q, "cert_chain": %q, "private_key": %q%s}`,
		filepath.Join(v.dir, "ca.crt"), filepath.Join(v.dir, "tls.crt"), filepath.Join(v.dir, "tls.key"), more)
}

// Certificates change a hundred times under load: no call fails, new connections
// get the new one, old ones live on. One that is wrong is reported and leaves the
// one before.
func TestTLSCertificateChange(t *testing.T) {
	m := newMesh(t)
	v := &volume{t: t, dir: t.TempDir()}
	v.put(m.proxy, m.ca.PEM)
	up := startBoltServiceOn(t, tlsListener(t, m.hostConfig()), echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()},
		tls: v.context(mutual), clusterKV: v.context("")}))
	lasting := m.dialBolt(p.address("in"))
	stop := make(chan struct{})
	var load sync.WaitGroup
	var calls, failures atomic.Int64
	for range 4 {
		load.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := tls.Dial("tcp", p.address("in"), m.clientConfig())
				if err == nil {
					c := newBoltClient(t, conn)
					err = echoOnce(c, fmt.Sprint("call ", i))
					c.close()
				}
				if calls.Add(1); err != nil {
					failures.Add(1)
					t.Errorf("call %d: %v", i, err)
				}
			}
		})
	}
	for i := range 100 {
		name := fmt.Sprintf("proxy%d", i)
		v.put(m.ca.Issue(t, name, "proxy", "127.0.0.1"), m.ca.PEM)
		p.RefreshCertificates()
		if got := p.subject(m); got != name {
			t.Fatalf("a new connection got the certificate of %q, want %q", got, name)
		}
		if err := echoOnce(lasting, name); err != nil {
			t.Fatalf("the connection from before: %v", err)
		}
	}
	v.put(authority.Pair{Certificate: "nothing", Key: "nothing"}, m.ca.PEM)
	p.RefreshCertificates()
	if got := p.subject(m); got != "proxy99" {
		t.Errorf("after a wrong certificate %q is used", got)
	}
	all := p.Certificates()
	if len(all) != 2 || !strings.Contains(all[0].Failure, "private_key") || all[0].Subject != "CN=proxy99" || all[0].NotAfter.IsZero() || all[1].Owner != "cluster in" {
		t.Errorf("%+v", all)
	}
	v.put(m.proxy, m.ca.PEM)
	p.RefreshCertificates()
	if all := p.Certificates(); all[0].Failure != "" || all[1].Failure != "" || p.subject(m) != "proxy" {
		t.Errorf("after a good one: %+v", all)
	}
	close(stop)
	load.Wait()
	if calls.Load() == 0 || failures.Load() > 0 {
		t.Errorf("%d of %d calls failed", failures.Load(), calls.Load())
	}
}

// subject is the name in the certificate that a new connection gets.
func (p *proxy) subject(m *mesh) string {
	p.t.Helper()
	c, err := tls.Dial("tcp", p.address("in"), m.clientConfig())
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// A configuration whose certificates cannot be used is refused by the check and
// by the start, with the place.
func TestTLSCheck(t *testing.T) {
	m := newMesh(t)
	other := authority.New(t, "other").Issue(t, "x")
	expired := m.ca.Sign(t, authority.Request{Names: []string{"x"}, Expired: true})
	for name, tc := range map[string]struct{ tls, want string }{
		"missing file": {`, "tls_context": {"status": true, "cert_chain": "/nowhere/a.pem", "private_key": "/nowhere/b.pem"}`, "cert_chain: open /nowhere/a.pem: no such file or directory"},
		"directory":    {`, "tls_context": {"status": true, "cert_chain": "/", "private_key": "/"}`, "cert_chain: / is not a regular file"},
		"mismatch":     {`, "tls_context": ` + m.context(authority.Pair{Certificate: m.proxy.Certificate, Key: other.Key}, ""), "private key does not match public key"},
		"expired":      {`, "tls_context": ` + m.context(expired, ""), "the certificate of CN=x has expired"},
		"no authority": {strings.Replace(m.toClients(""), "BEGIN CERTIFICATE", "BEGIN NOTHING", 1), "ca_cert: there is no certificate in it"},
	} {
		t.Run(name, func(t *testing.T) {

			for place, h := range map[string]hop{
				"listener in: servers[0].listeners[0].filter_chains[0].tls_context": {tls: tc.tls},
				"cluster in: cluster_manager.clusters[0].tls_context":               {clusterKV: tc.tls},
			} {
				with := hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{"127.0.0.1:1"}, tls: h.tls, clusterKV: h.clusterKV}
				c, problems := config.Parse("test.json", []byte(configOf(with)))
				if problems.HasErrors() {
					t.Fatal(problems)
				}
				err := server.Check(c)
				if err == nil || !strings.Contains(err.Error(), place+": ") || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("check: %v", err)
				}
				if s, started := server.Start(c, server.Options{Concurrency: 1}); started == nil {
					s.Stop(t.Context())
					t.Error("it started")
				}
			}

		})
	}
}

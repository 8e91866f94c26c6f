// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"fmt"
	"os/exec"
	"strconv"
)

// Every proxy has one worker, as it states it: a thread, a loop, a Go processor;
// Sideloop as many as its hop says.

func sideloop() *Peer {
	return &Peer{
		ID: "sideloop", Name: "Sideloop", Ours: true, Admin: true, TLS: true,
		program: func(p Programs) (string, string) { return given(p.Sideloop, "no binary; make build makes it") },
		version: []string{"version"}, template: "mosn.json.tmpl",
		carries: func(Protocol, Protocol) bool { return true },
		command: func(config string, h Hop) ([]string, []string) {
			return []string{"start", "-c", config, "--concurrency", strconv.Itoa(max(h.Workers, 1))}, nil
		},
	}
}

// secondSideloop is the peer that is there only when it is asked for.
const secondSideloop = "sideloop-b"

// sideloopB is another build of Sideloop, to set beside the first.
func sideloopB() *Peer {
	p := sideloop()
	p.ID, p.Name, p.Ours = secondSideloop, "Sideloop B", false
	p.program = func(p Programs) (string, string) { return given(p.SideloopB, "--sideloop-b names no binary") }
	return p
}

// sideloopLog is Sideloop with an access log of the default format.
func sideloopLog(id, path string) *Peer {
	p := sideloop()
	p.ID, p.Name, p.Ours, p.accessLog = id, "Sideloop, log to "+path, false, path
	return p
}

func relay() *Peer {
	return &Peer{
		ID: "relay", Name: "bare relay",
		Note:    "bare relay: loopbench relay, which copies bytes with epoll and parses nothing, one thread: about the floor. It has one upstream connection per client connection.",
		program: ownProgram, carries: anyBytes,
		command: func(_ string, h Hop) ([]string, []string) {
			return []string{"relay", h.Listen, h.Target}, []string{"GOMAXPROCS=1"}
		},
	}
}

func haproxyTCP() *Peer {
	p := haproxy("haproxy-tcp", "HAProxy tcp", "haproxy-tcp.cfg.tmpl", anyBytes)
	p.Note = "HAProxy tcp: mode tcp, so it parses nothing either, and has one upstream connection per client connection."
	return p
}

func haproxyHTTP2() *Peer {
	return haproxy("haproxy-h2", "HAProxy h2", "haproxy-h2.cfg.tmpl", onlyHTTP2)
}

func haproxy(id, name, template string, carries func(Protocol, Protocol) bool) *Peer {
	return &Peer{
		ID: id, Name: name, TLS: true, program: onPath("haproxy"), version: []string{"-v"},
		template: template, carries: carries,
		command: func(config string, _ Hop) ([]string, []string) {
			return []string{"-db", "-q", "-f", config}, nil
		},
	}
}

func nghttpx() *Peer {
	return &Peer{
		ID: "nghttpx", Name: "nghttpx", TLS: true, program: onPath("nghttpx"), version: []string{"--version"},
		template: "nghttpx.conf.tmpl", carries: onlyHTTP2,
		command: func(config string, _ Hop) ([]string, []string) { return []string{"--conf=" + config}, nil },
	}
}

func h2o() *Peer {
	return &Peer{
		ID: "h2o", Name: "h2o", HTTP1: true, program: onPath("h2o"), version: []string{"--version"},
		Note:     "h2o: release 2.2 cannot speak HTTP/2 to a backend, so its backend is an HTTP/1.1 echo service (Go's net/http), one request per connection at a time; it takes in a whole upload before it passes it on.",
		template: "h2o.conf.tmpl", carries: onlyHTTP2,
		command: func(config string, _ Hop) ([]string, []string) { return []string{"-m", "worker", "-c", config}, nil },
	}
}

func nginx() *Peer {
	return &Peer{
		ID: "nginx", Name: "nginx", program: onPath("nginx"), version: []string{"-v"},
		Note:     "nginx: HTTP/2 to the backend through grpc_pass, the only way it has in 1.22, with one request per backend connection at a time and connections kept alive.",
		template: "nginx.conf.tmpl", carries: onlyHTTP2,
		command: func(config string, _ Hop) ([]string, []string) {
			// Before the configuration is read, messages would go to /var/log.
			return []string{"-e", "stderr", "-c", config}, nil
		},
	}
}

func reverseProxy() *Peer {
	return &Peer{
		ID: "go", Name: "Go ReverseProxy", program: ownProgram, carries: onlyHTTP2,
		Note: "Go ReverseProxy: net/http/httputil.ReverseProxy, h2c on both sides, GOMAXPROCS=1 (loopbench reverseproxy).",
		command: func(_ string, h Hop) ([]string, []string) {
			return []string{"reverseproxy", h.Listen, h.Target}, []string{"GOMAXPROCS=1"}
		},
	}
}

func mosn() *Peer {
	return &Peer{
		ID: "mosn", Name: "MOSN",
		program: func(p Programs) (string, string) { return given(p.MOSN, "MOSN_BIN names no binary") },
		version: []string{"--version"}, template: "mosn.json.tmpl",
		// Releases since 0.11 do not convert.
		carries: func(down, up Protocol) bool { return down == up },
		command: func(config string, _ Hop) ([]string, []string) {
			return []string{"start", "-c", config}, []string{"GOMAXPROCS=1"}
		},
	}
}

func anyBytes(Protocol, Protocol) bool { return true }

func onlyHTTP2(down, up Protocol) bool { return down == HTTP2 && up == HTTP2 }

func ownProgram(p Programs) (string, string) { return p.Loopbench, "" }

// given is a program that the user names.
func given(name, missing string) (string, string) {
	if name == "" {
		return "", missing
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Sprintf("%s: %s", name, missing)
	}
	return path, ""
}

// onPath is a program of the system. Debian has daemons in /usr/sbin, which is
// not on every user's PATH.
func onPath(name string) func(Programs) (string, string) {
	return func(Programs) (string, string) {
		for _, at := range []string{name, "/usr/sbin/" + name} {
			if path, err := exec.LookPath(at); err == nil {
				return path, ""
			}
		}
		return "", name + " is not installed; make bench-deps installs it"
	}
}

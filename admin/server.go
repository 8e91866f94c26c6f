// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
)

const (
	// connectionLimit bounds what clients of the admin server can make the
	// process hold; more wait in the kernel's queue.
	connectionLimit = 64
	// requestLimit bounds the requests answered at once, probes apart.
	requestLimit = 16
	// headerLimit is far above what any tool sends.
	headerLimit = 16 << 10
	// bodyLimit is that of a configuration.
	bodyLimit = 64 << 20
	// headerTime, requestTime and idleTime bound slow clients.
	headerTime  = 5 * time.Second
	requestTime = 30 * time.Second
	idleTime    = 2 * time.Minute
)

// Options is what the server shows and does.
type Options struct {
	Control server.Control
	// File may be nil where the configuration is no file.
	File *server.File
	// Version stands in /version and metrics.
	Version string
	// Drain begins to end the process's work, and Stop the process after it.
	Drain, Stop func()
	// Upgrade has another process take over: that of the program at a path,
	// which is this one's if empty. It returns the process's id when that
	// accepts connections, or why it does not.
	Upgrade func(path string) (pid int, err error)
	Log     *slog.Logger
}

// Server is the admin server.
type Server struct {
	listener net.Listener
	http     http.Server
	limited  *limitedListener
	done     chan struct{}
	leaving  atomic.Bool
	busy     atomic.Int64 // connections of which a request is expected, or answered
}

// Listen takes an address. Requests wait until Serve; Close must follow.
func Listen(address string) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return &Server{listener: l}, nil
}

// On serves a socket that listens already. Close must follow.
func On(l net.Listener) *Server { return &Server{listener: l} }

// SyscallConn implements syscall.Conn, to pass the socket on.
func (s *Server) SyscallConn() (syscall.RawConn, error) {
	l, ok := s.listener.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return l.SyscallConn()
}

// Addr is the address listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers requests from now on.
func (s *Server) Serve(o Options) {
	s.serve(newRouter(o, config.Loopback(s.Addr().String())), o.Log)
}

// ServeProfiles answers requests for Go's profiles only.
func (s *Server) ServeProfiles(log *slog.Logger) {
	r := &router{local: config.Loopback(s.Addr().String())}
	r.profiles()
	s.serve(r, log)
}

// ServeMetrics answers scrapes only.
func (s *Server) ServeMetrics(o Options, sink config.PrometheusSink) {
	r := &router{local: config.Loopback(s.Addr().String())}
	m := newMetrics(&admin{Options: o, control: o.Control}, sink)
	r.add(route{path: sink.Endpoint, get: m.serve, help: "metrics for Prometheus; ?hosts=true adds series of hosts"})
	s.serve(r, o.Log)
}

func (s *Server) serve(h http.Handler, log *slog.Logger) {
	s.done = make(chan struct{})
	s.http = http.Server{
		Handler:           s.closing(h),
		ConnState:         s.observe,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerLimit,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	s.limited = &limitedListener{Listener: s.listener, places: make(chan struct{}, connectionLimit), closed: make(chan struct{})}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(s.limited); !errors.Is(err, http.ErrServerClosed) && !s.leaving.Load() {
			log.Error("the admin server ended", "error", err)
		}
	}()
}

// Close ends the server and the requests that it is answering.
func (s *Server) Close() error {
	if s.done == nil {
		return s.listener.Close()
	}
	err := s.http.Close()
	<-s.done
	return err
}

// limitedListener accepts while there is a place.
type limitedListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn gives its place back when it closes.
type limitedConn struct {
	net.Conn
	leave func()
	busy  bool // see Server.busy; of the connection's own goroutine
}

func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

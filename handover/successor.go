// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// environment names the descriptor of the channel to the old process.
const environment = "SIDELOOP_UPGRADE"

// Successor is the process that is to take over, seen from the old one.
type Successor struct {
	// PID is its process id.
	PID int

	channel *channel
	kept    map[string]bool
	exited  chan struct{}
	exit    error // set before exited is closed

	mu      sync.Mutex
	last    uint64                 // id of the latest connection
	waiting map[uint64]func(error) // by id; nil before the first
	broken  bool                   // nobody reads verdicts any more
	reading sync.WaitGroup
}

// Start runs a program as the successor, with the arguments of this process, its
// directory, environment, input and outputs. One of Close and Kill must follow.
func Start(path string, arguments []string) (*Successor, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "to the process before")
	defer theirs.Close()
	conn, err := unixConn(os.NewFile(uintptr(pair[0]), "to the process after"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, arguments...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", environment, activationFirst))
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, err
	}
	s := &Successor{
		PID: cmd.Process.Pid, channel: &channel{conn: conn}, exited: make(chan struct{}),
		kept: make(map[string]bool),
	}
	go func() {
		s.exit = cmd.Wait() // whatever becomes of it, it leaves no zombie
		close(s.exited)
	}()
	return s, nil
}

// unixConn makes a connection of one end of a socket pair, which it takes.
func unixConn(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("it is not a Unix socket")
	}
	return u, nil
}

// Prepare gives the successor the listening sockets and waits until it has bound
// what else it needs. An error says why it will not be.
func (s *Successor) Prepare(ctx context.Context, offers []Offer) error {
	stop := s.interruptedBy(ctx)
	defer stop()
	if err := s.channel.send(kindHello, greeting{protocolVersion}, -1); err != nil {
		return s.why(ctx, err)
	}
	for i := range offers {
		o := &offers[i]
		if err := withDescriptor(o.Socket, func(fd int) error { return s.channel.send(kindSocket, o, fd) }); err != nil {
			return s.why(ctx, fmt.Errorf("socket %q: %w", o.Key, err))
		}
	}
	if err := s.channel.send(kindSockets, nil, -1); err != nil {
		return s.why(ctx, err)
	}
	var r readiness
	if err := s.expect(kindPrepared, &r); err != nil {
		return s.why(ctx, err)
	}
	for _, key := range r.Kept {
		s.kept[key] = true
	}
	return nil
}

// Commit has the successor accept connections and waits until it does.
func (s *Successor) Commit(ctx context.Context) error {
	stop := s.interruptedBy(ctx)
	defer stop()
	err := s.channel.send(kindCommit, nil, -1)
	if err == nil {
		err = s.expect(kindServing, nil)
	}
	if err != nil {
		return s.why(ctx, err)
	}
	return nil
}

// Kept tells whether the successor has taken the socket of that key.
func (s *Successor) Kept(key string) bool { return s.kept[key] }

// expect waits for one message; body may be nil.
func (s *Successor) expect(k kind, body any) error {
	m, err := s.channel.receive(time.Time{})
	if err != nil {
		return err
	}
	defer m.close()
	switch {
	case m.kind == kindFailed:
		var f failure
		if err := m.read(&f); err != nil {
			return err
		}
		return errors.New(f.Reason)
	case m.kind != k:
		return fmt.Errorf("it said %d where %d was due", m.kind, k)
	case body == nil:
		return nil
	}
	return m.read(body)
}

// interruptedBy ends what is waited for when ctx does. The returned function ends
// that.
func (s *Successor) interruptedBy(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, s.channel.close)
}

// exitPatience is how long it may take that a process which has closed the
// channel is seen to have ended.
const exitPatience = time.Second

// why explains an error of the channel, by what became of the process where that
// is the reason.
func (s *Successor) why(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var op *net.OpError
	if !errors.As(err, &op) && !strings.HasSuffix(err.Error(), "EOF") {
		return err
	}
	select {
	case <-s.exited:
		if s.exit == nil {
			return errors.New("the new process ended by itself; what it printed says more")
		}
		return fmt.Errorf("the new process ended: %w; what it printed says more", s.exit)
	case <-time.After(exitPatience):
		return fmt.Errorf("the new process has closed the channel: %w", err)
	}
}

// Close tells the successor that nothing more comes. When it returns, there is a
// verdict on all connections.
func (s *Successor) Close() {
	s.channel.close()
	s.reading.Wait()
}

// Kill ends a successor that is not to be, and returns when it has ended.
func (s *Successor) Kill() {
	s.channel.close()
	// An error means that it has ended already, and has been waited for.
	select {
	case <-s.exited:
		return
	default:
		_ = syscall.Kill(s.PID, syscall.SIGKILL)
	}
	<-s.exited
}

// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// inheritTime bounds the wait for an old process that says nothing.
const inheritTime = 10 * time.Second

// Predecessor is the process that is to be taken over from, seen from the new
// one. A nil *Predecessor is none; its methods then do nothing.
type Predecessor struct {
	channel *channel
}

// Inherit takes the sockets of the process that has started this one for an
// upgrade. Without one, both are nil. The variable that says so is removed.
func Inherit() (*Predecessor, *Sockets, error) {
	text := os.Getenv(environment)
	if text == "" {
		return nil, nil, nil
	}
	_ = os.Unsetenv(environment) // fails for names that are not, only
	fd, err := strconv.Atoi(text)
	if err != nil || fd < activationFirst {
		return nil, nil, fmt.Errorf("%s is %q; it is set by a process that upgrades itself, and by nobody else", environment, text)
	}
	conn, err := unixConn(os.NewFile(uintptr(fd), "to the process before"))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: descriptor %d: %w", environment, fd, err)
	}
	p := &Predecessor{channel: &channel{conn: conn}}
	sockets, err := p.inherit()
	if err != nil {
		sockets.CloseRest()
		err = fmt.Errorf("upgrade: %w", err)
		p.Fail(err)
		return nil, nil, err
	}
	return p, sockets, nil
}

func (p *Predecessor) inherit() (*Sockets, error) {
	s := new(Sockets)
	deadline := time.Now().Add(inheritTime)
	for {
		m, err := p.channel.receive(deadline)
		if err != nil {
			return s, err
		}
		switch m.kind {
		case kindHello:
			err = meet(m)
		case kindSocket:
			err = s.accept(m)
		case kindSockets:
			return s, nil
		default:
			err = fmt.Errorf("the old process said %d where a socket was due", m.kind)
		}
		m.close()
		if err != nil {
			return s, err
		}
	}
}

func meet(m *message) error {
	var g greeting
	if err := m.read(&g); err != nil {
		return err
	}
	if g.Version != protocolVersion {
		return fmt.Errorf("the old process speaks version %d of the upgrade, this one %d: they need a restart", g.Version, protocolVersion)
	}
	return nil
}

func (s *Sockets) accept(m *message) error {
	var o Offer
	if err := m.read(&o); err != nil {
		return err
	}
	if m.file == nil {
		return fmt.Errorf("socket %q came without its descriptor", o.Key)
	}
	l, err := listenerOf(m.file)
	m.file = nil
	if err != nil {
		return fmt.Errorf("socket %q: %w", o.Key, err)
	}
	s.add(&Given{Listener: l, Shared: o.Shared, OwnsPath: o.OwnsPath, key: o.Key})
	return nil
}

// Prepared says that this process is ready to accept, with the sockets of those
// keys, and waits until it may. An error means that the old one goes on.
func (p *Predecessor) Prepared(kept []string) error {
	if p == nil {
		return nil
	}
	if err := p.channel.send(kindPrepared, readiness{kept}, -1); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	m, err := p.channel.receive(time.Time{})
	if errors.Is(err, io.EOF) {
		return errors.New("upgrade: the old process has given it up")
	}
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	defer m.close()
	if m.kind != kindCommit {
		return fmt.Errorf("upgrade: the old process said %d where %d was due", m.kind, kindCommit)
	}
	return nil
}

// Serving says that this process accepts connections. Serve follows.
func (p *Predecessor) Serving() error {
	if p == nil {
		return nil
	}
	if err := p.channel.send(kindServing, nil, -1); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	return nil
}

// Fail says why this process will not take over.
func (p *Predecessor) Fail(reason error) {
	if p == nil {
		return
	}
	// The old process finds out by itself if it is not told.
	_ = p.channel.send(kindFailed, failure{reason.Error()}, -1)
	p.channel.close()
}

// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Connection is an open one that a process hands over.
type Connection struct {
	ID uint64
	// Listener is the name of the one that accepted it.
	Listener string
	// Protocol is what it speaks, as far as it has told.
	Protocol string
	// Early is input that was read already.
	Early []byte `json:",omitempty"`
}

// errLost is for connections of which it is not known who has them.
var errLost = errors.New("the new process did not say whether it has taken the connection")

// Move gives the successor a connection, whose descriptor stays the caller's.
// verdict is called once, unless there is an error, from another goroutine: with
// nil when the successor has it, ErrRefused when it has not. With any other error
// nobody knows, and it is to be taken for given.
func (s *Successor) Move(c Connection, fd int, verdict func(error)) error {
	s.mu.Lock()
	if s.broken {
		s.mu.Unlock()
		return errLost
	}
	if s.waiting == nil {
		s.waiting = make(map[uint64]func(error))
		s.reading.Add(1)
		go s.readVerdicts()
	}
	s.last++
	c.ID = s.last
	s.waiting[c.ID] = verdict
	s.mu.Unlock()
	err := s.channel.send(kindConnection, &c, fd)
	if err != nil {
		// Some of the message may have arrived, but not all of it: the
		// successor does not have the connection, and gets no other.
		s.mu.Lock()
		s.broken = true
		delete(s.waiting, c.ID)
		s.mu.Unlock()
		s.channel.close()
	}
	return err
}

// ErrRefused is the verdict on a connection that stays.
var ErrRefused = errors.New("the new process did not take the connection")

// readVerdicts passes verdicts on until the channel is closed.
func (s *Successor) readVerdicts() {
	defer s.reading.Done()
	for {
		m, err := s.channel.receive(time.Time{})
		if err != nil {
			break
		}
		var v verdict
		err = m.read(&v)
		m.close()
		if err != nil || m.kind != kindTaken && m.kind != kindRefused {
			break
		}
		s.mu.Lock()
		tell := s.waiting[v.ID]
		delete(s.waiting, v.ID)
		s.mu.Unlock()
		switch {
		case tell == nil:
		case m.kind == kindTaken:
			tell(nil)
		default:
			tell(fmt.Errorf("%w: %s", ErrRefused, v.Reason))
		}
	}
	s.mu.Lock()
	s.broken = true
	left := s.waiting
	s.waiting = make(map[uint64]func(error))
	s.mu.Unlock()
	for _, tell := range left {
		tell(errLost)
	}
}

// Serve takes the connections that the old process still hands over, until it has
// no more. adopt owns the connection that it is given.
func (p *Predecessor) Serve(adopt func(Connection, net.Conn) error) error {
	if p == nil {
		return nil
	}
	defer p.channel.close()
	for {
		m, err := p.channel.receive(time.Time{})
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = p.take(m, adopt)
		}
		if err != nil {
			return fmt.Errorf("upgrade: connections of the old process: %w", err)
		}
	}
}

// take answers one connection. An error ends the channel.
func (p *Predecessor) take(m *message, adopt func(Connection, net.Conn) error) error {
	defer m.close()
	var c Connection
	if m.kind != kindConnection {
		return fmt.Errorf("it said %d where a connection was due", m.kind)
	}
	if err := m.read(&c); err != nil {
		return err
	}
	if m.file == nil {
		return errors.New("a connection came without its descriptor")
	}
	nc, err := net.FileConn(m.file)
	if err == nil {
		err = adopt(c, nc)
	}
	if err != nil {
		return p.channel.send(kindRefused, verdict{c.ID, err.Error()}, -1)
	}
	return p.channel.send(kindTaken, verdict{ID: c.ID}, -1)
}

// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// headerSize is the kind of a message, whether it has a descriptor, two
	// bytes of zero, and the length of its JSON.
	headerSize = 8
	// messageLimit is above what the largest message has, which are the early
	// bytes of a connection in base64, and the reasons of a failed start.
	messageLimit = 16 << 20
	// sendTime bounds a message to a process that does not read.
	sendTime = 10 * time.Second
)

// kind is what a message says.
type kind uint8

const (
	kindHello      kind = iota + 1 // greeting: the first message
	kindSocket                     // offer, with its descriptor
	kindSockets                    // that was the last socket
	kindPrepared                   // readiness
	kindCommit                     // accept connections
	kindServing                    // it does
	kindFailed                     // failure: why there will be no new process
	kindConnection                 // Connection, with its descriptor
	kindTaken                      // verdict: it is served by the new process
	kindRefused                    // verdict: it stays with the old one
)

// protocolVersion changes when an older process could not go on with what a newer
// one says. Fields that are not known are ignored.
const protocolVersion = 1

type greeting struct{ Version int }

type readiness struct {
	// Kept are the keys of sockets that the new process uses.
	Kept []string
}

type failure struct{ Reason string }

type verdict struct {
	ID     uint64
	Reason string `json:",omitempty"`
}

// channel is one end of the socket pair. send may be called from several
// goroutines, receive from one.
type channel struct {
	conn    *net.UnixConn
	sending sync.Mutex
}

// send sends a message, with a descriptor unless fd is negative. The descriptor
// stays the caller's.
func (c *channel) send(k kind, body any, fd int) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if len(text) > messageLimit {
		return fmt.Errorf("a message of %d bytes is too long", len(text))
	}
	var header [headerSize]byte
	var rights []byte
	header[0] = byte(k)
	if fd >= 0 {
		header[1], rights = 1, unix.UnixRights(fd)
	}
	binary.BigEndian.PutUint32(header[4:], uint32(len(text)))
	c.sending.Lock()
	defer c.sending.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
		return err
	}
	n, sent, err := c.conn.WriteMsgUnix(header[:], rights, nil)
	if err == nil && (n < headerSize || sent < len(rights)) {
		err = io.ErrShortWrite
	}
	if err == nil {
		_, err = c.conn.Write(text)
	}
	return err
}

// message is one that was received. Its descriptor, unless nil, is the caller's.
type message struct {
	kind kind
	body []byte
	file *os.File
}

func (m *message) close() {
	if m.file != nil {
		m.file.Close()
	}
}

// read takes the body apart.
func (m *message) read(to any) error {
	if err := json.Unmarshal(m.body, to); err != nil {
		return fmt.Errorf("message %d: %w", m.kind, err)
	}
	return nil
}

// receive waits for the next message, until a deadline unless that is zero.
func (c *channel) receive(deadline time.Time) (*message, error) {
	if err := c.conn.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	var header [headerSize]byte
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := c.conn.ReadMsgUnix(header[:], oob)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return nil, err
	}
	m := &message{kind: kind(header[0])}
	if m.file, err = descriptor(oob[:oobn]); err != nil {
		return nil, err
	}
	if err = c.readBody(m, header[:], n); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// readBody reads what follows the first n bytes of a header.
func (c *channel) readBody(m *message, header []byte, n int) error {
	if _, err := io.ReadFull(c.conn, header[n:]); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(header[4:])
	if length > messageLimit {
		return fmt.Errorf("a message of %d bytes is too long", length)
	}
	if (header[1] != 0) != (m.file != nil) {
		return errors.New("a descriptor was lost: the limit of open files, perhaps")
	}
	m.body = make([]byte, length)
	_, err := io.ReadFull(c.conn, m.body)
	return err
}

// descriptor is the one in control data, nil where there is none.
func descriptor(oob []byte) (*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	parts, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var file *os.File
	for i := range parts {
		list, err := unix.ParseUnixRights(&parts[i])
		if err != nil {
			continue // another kind of control data
		}
		for _, fd := range list {
			if file != nil {
				unix.Close(fd)
				continue
			}
			file = os.NewFile(uintptr(fd), "handed over")
		}
	}
	return file, nil
}

func (c *channel) close() { _ = c.conn.Close() }

// withDescriptor calls f with the descriptor of a socket, which stays open
// meanwhile.
func withDescriptor(s syscall.Conn, f func(fd int) error) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := raw.Control(func(fd uintptr) { result = f(int(fd)) }); err != nil {
		return err
	}
	return result
}

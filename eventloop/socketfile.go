// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// probeTimeout bounds the question whether a Unix socket still has a
	// listener; the kernel answers at once unless its queue is full.
	probeTimeout = time.Second
	// bindAttempts and bindPause bound the wait for another process that is
	// binding in the same directory, which takes it microseconds.
	bindAttempts = 50
	bindPause    = 20 * time.Millisecond
)

// socketFile is a Unix socket in the file system, known by its inode: whatever
// lies at the path later is not ours to remove. The zero value is none.
type socketFile struct {
	path   string
	device uint64
	inode  uint64
}

// listenUnix binds a Unix socket. A socket that a process answers on is left
// alone; one that a dead process left behind is replaced.
func listenUnix(path string) (net.Listener, socketFile, error) {
	var file socketFile
	if path == "" {
		return nil, file, errors.New("the path is empty")
	}
	abstract := path[0] == '@'
	if !abstract {
		unlock, err := lockDirectory(filepath.Dir(path))
		if err != nil {
			return nil, file, err
		}
		defer unlock()
		if err := clearStale(path); err != nil {
			return nil, file, err
		}
	}
	inner, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, file, err
	}
	inner.SetUnlinkOnClose(false)
	return inner, fileOf(path), nil
}

// remove unlinks the socket, unless another has taken its path.
func (f socketFile) remove() {
	if f.path == "" {
		return
	}
	var st unix.Stat_t
	if err := unix.Lstat(f.path, &st); err == nil && uint64(st.Dev) == f.device && st.Ino == f.inode {
		_ = unix.Unlink(f.path) // gone already is as good
	}
}

// clearStale removes a socket at path that nobody answers on.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return errors.New("the path exists and is not a socket")
	}
	probe, err := net.DialTimeout("unix", path, probeTimeout)
	if err == nil {
		probe.Close()
		return unix.EADDRINUSE
	}
	if errors.Is(err, unix.ECONNREFUSED) {
		return os.Remove(path)
	}
	if errors.Is(err, unix.EAGAIN) { // alive, with a full queue
		return unix.EADDRINUSE
	}
	return fmt.Errorf("cannot tell whether the existing socket is in use: %w", err)
}

// lockDirectory keeps two processes from clearing and binding a path at once,
// one of them removing what the other has just bound.
func lockDirectory(dir string) (unlock func(), err error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	for range bindAttempts {
		if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != unix.EWOULDBLOCK && err != unix.EINTR {
			break
		}
		time.Sleep(bindPause)
	}
	if err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "lock", Path: dir, Err: err}
	}
	return func() { unix.Close(fd) }, nil
}

// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"

	"golang.org/x/sys/unix"
)

// pair is a client's connection and the one to the target that serves it.
type pair struct {
	client, server end
	up             bool // the target has accepted
}

// end is one of the two connections, and the direction that it is the source of.
type end struct {
	fd       int
	serial   int32
	interest uint32
	pair     *pair
	watched  bool // known to epoll
	// held is what the other end did not accept yet; nothing is read while it
	// is not empty. It is a part of buffer, which is nil when nothing is held.
	held, buffer []byte
	read         bool // the peer has sent its FIN
	done         bool // which was passed on
}

// other is the end that x's bytes go to.
func (p *pair) other(x *end) *end {
	if x == &p.client {
		return &p.server
	}
	return &p.client
}

// ready does what events allow at x.
func (p *pair) ready(r *relay, x *end, events uint32) {
	if events&unix.EPOLLERR != 0 {
		p.abort(r)
		return
	}
	ok := true
	if !p.up {
		if x != &p.server || events&unix.EPOLLOUT == 0 {
			if events&unix.EPOLLHUP != 0 {
				p.abort(r)
			}
			return
		}
		p.up = true
	} else if events&unix.EPOLLOUT != 0 {
		ok = p.flush(r, p.other(x))
	}
	if ok && events&(unix.EPOLLIN|unix.EPOLLHUP) != 0 && !x.read && len(x.held) == 0 {
		ok = p.copy(r, x)
	}
	switch {
	case !ok:
		p.abort(r)
	case p.client.done && p.server.done:
		p.close(r)
	default:
		p.watch(r)
	}
}

// copy reads from x once and writes to the other end. It reports whether the
// connections are sound.
func (p *pair) copy(r *relay, x *end) bool {
	n, err := unix.Read(x.fd, r.scratch)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return true
	case err != nil:
		return false
	case n == 0:
		x.read = true
		return p.flush(r, x)
	}
	rest, err := write(p.other(x).fd, r.scratch[:n])
	if err != nil {
		return false
	}
	if len(rest) > 0 {
		x.buffer = r.buffer()
		x.held = x.buffer[:copy(x.buffer, rest)]
	}
	return true
}

// flush writes what x holds to the other end, then its FIN.
func (p *pair) flush(r *relay, x *end) bool {
	if len(x.held) > 0 {
		rest, err := write(p.other(x).fd, x.held)
		if err != nil {
			return false
		}
		x.held = rest
		if len(rest) > 0 {
			return true
		}
		r.release(x)
	}
	if x.read && !x.done {
		x.done = true
		return unix.Shutdown(p.other(x).fd, unix.SHUT_WR) == nil
	}
	return true
}

// write writes as much of b as the kernel accepts and returns the rest.
func write(fd int, b []byte) ([]byte, error) {
	for {
		n, err := unix.Write(fd, b)
		switch {
		case err == nil:
			return b[n:], nil
		case errors.Is(err, unix.EAGAIN):
			return b, nil
		case !errors.Is(err, unix.EINTR):
			return b, err
		}
	}
}

// watch asks epoll for what each end can do next.
func (p *pair) watch(r *relay) {
	for _, x := range []*end{&p.client, &p.server} {
		var want uint32
		if !x.read && len(x.held) == 0 {
			want |= unix.EPOLLIN
		}
		if len(p.other(x).held) > 0 {
			want |= unix.EPOLLOUT
		}
		if err := r.watch(x, want, want == 0 && p.other(x).done); err != nil {
			p.abort(r)
			return
		}
	}
}

// watch changes what epoll reports of x. With forget that is nothing: an end
// that has both sent and got a FIN hangs up, which epoll would otherwise report
// without end while the other end has yet to take what was read.
func (r *relay) watch(x *end, want uint32, forget bool) error {
	op := unix.EPOLL_CTL_MOD
	switch {
	case forget && !x.watched, x.watched && !forget && want == x.interest:
		return nil
	case forget:
		op = unix.EPOLL_CTL_DEL
	case !x.watched:
		op = unix.EPOLL_CTL_ADD
	}
	x.watched, x.interest = !forget, want
	return r.control(op, x.fd, want, x.serial)
}

// close closes both ends, whose directions are done.
func (p *pair) close(r *relay) {
	for _, x := range []*end{&p.client, &p.server} {
		r.ends[x.fd] = nil
		r.release(x)
		// Nothing is unsent that the kernel has not taken over.
		_ = unix.Close(x.fd)
	}
	r.resume()
}

// abort resets both ends: what failed at one must not look complete at the other.
func (p *pair) abort(r *relay) {
	for _, x := range []*end{&p.client, &p.server} {
		r.ends[x.fd] = nil
		r.release(x)
		reset(x.fd)
	}
	r.resume()
}

// reset closes a connection with RST.
func reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(fd)
}

// buffer is a buffer of readSize that is given back with release.
func (r *relay) buffer() []byte {
	if n := len(r.spare); n > 0 {
		b := r.spare[n-1]
		r.spare = r.spare[:n-1]
		return b
	}
	return make([]byte, readSize)
}

func (r *relay) release(x *end) {
	if x.buffer != nil {
		r.spare = append(r.spare, x.buffer)
		x.buffer, x.held = nil, nil
	}
}

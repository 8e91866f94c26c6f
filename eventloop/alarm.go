// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// alarm is the one timerfd of a loop. gnet serves it as if it were a
// connection, so that it wakes the loop without another goroutine. It is armed
// only while a timer is pending or work was left over.
type alarm struct {
	fd int
	at int64 // the time it is armed for; notArmed when it is not
}

// newCarrier returns a connection that gnet can enroll and whose descriptor is
// a timerfd: gnet takes only sockets, so the timerfd is put in the place of one.
func newCarrier() (net.Conn, error) {
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	defer unix.Close(timer)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[1])
	file := os.NewFile(uintptr(pair[0]), "carrier")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	var dupErr error
	err = raw.Control(func(fd uintptr) { dupErr = unix.Dup3(timer, int(fd), unix.O_CLOEXEC) })
	if err == nil {
		err = dupErr
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("dup3 of a timerfd: %w", err)
	}
	return conn, nil
}

// set arms the alarm for a time. now is the present time, not the turn's.
func (a *alarm) set(at, now int64) error {
	wait := max(at-now, 1) // 0 would disarm it
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(wait)}
	if err := unix.TimerfdSettime(a.fd, 0, &spec, nil); err != nil {
		return os.NewSyscallError("timerfd_settime", err)
	}
	a.at = at
	return nil
}

// onAlarm is the timerfd's event: it may be for a timer that was stopped since,
// or for a flush that waited for a descriptor that was not served.
func (l *Loop) onAlarm() {
	l.enter()
	l.ahead.forget()
	l.alarm.at = notArmed
	l.stats.Alarms++
	if l.inboxLeft {
		l.readInbox()
	}
	l.expireExact()
	l.expire()
	l.leaveBatch(false)
}

// expire calls the timers that are due, up to a bound; the rest is due at once
// in the next turn.
func (l *Loop) expire() {
	now := tickBefore(l.now)
	for range firesPerTurn {
		t := l.wheel.pop(now)
		if t == nil {
			break
		}
		l.stats.Timers++
		l.fire(t.Expire)
	}
	l.wheel.look()
}

func (l *Loop) fire(e Expirer) {
	defer l.rescue("timer", nil)
	e.OnTimer(l.now)
}

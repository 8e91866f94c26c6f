// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/sideloop/sideloop/handover"
)

var (
	errEnding = errors.New("the proxy is shutting down")
	errUnit   = errors.New("systemd would take the end of this process for that of the service, and end the new one: the unit needs Type=notify")
	errInit   = errors.New("this is process 1, whose end ends its container and the new process with it: start another container, or run the proxy below a supervisor that stays")
)

// upgradeRequest asks for another process to take over.
type upgradeRequest struct {
	program string // empty for that of this process
	result  chan upgradeResult
}

type upgradeResult struct {
	pid int
	err error
}

// upgrade is the one that is under way. The zero value is none.
type upgrade struct {
	abort   context.CancelCauseFunc // nil when none is
	outcome chan upgradeOutcome
	done    bool // another process accepts
	late    bool // this process ends
	// hurry has what is left drain that is still served as if it were to stay;
	// nil unless another process accepts.
	hurry context.CancelFunc
}

// hasten tells whether a signal to end was the first one after another process
// has taken over: what is to be done for an orderly end is being done.
func (u *upgrade) hasten(s os.Signal) bool {
	if u.hurry == nil || s == syscall.SIGQUIT {
		return false
	}
	u.hurry()
	u.hurry = nil
	return true
}

type upgradeOutcome struct {
	request   upgradeRequest
	successor *handover.Successor
	err       error // there is none then
}

// cancel gives up an upgrade that has not succeeded yet.
func (u *upgrade) cancel(why error) {
	if u.abort != nil {
		u.abort(why)
	}
}

// beginUpgrade starts the new process. What becomes of it is r.upgrade.outcome.
func (r *run) beginUpgrade(q upgradeRequest) {
	err := r.mayUpgrade()
	program := q.program
	if err == nil && program == "" {
		program, err = r.program.path()
	}
	if err == nil {
		err = r.server.BeginUpgrade()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "upgrade: refused: %v\n", err)
		q.result <- upgradeResult{err: err}
		return
	}
	fmt.Fprintf(os.Stderr, "upgrade: starting %s\n", program)
	late := fmt.Errorf("the new process was not ready within %v", r.UpgradeTime)
	ctx, abort := context.WithCancelCause(context.Background())
	ctx, release := context.WithTimeoutCause(ctx, r.UpgradeTime, late)
	offers := append(r.server.Offers(), r.operator.offers()...)
	outcome := make(chan upgradeOutcome, 1)
	r.upgrade.abort, r.upgrade.outcome = abort, outcome
	go func() {
		defer release()
		s, err := succeed(ctx, program, offers)
		outcome <- upgradeOutcome{q, s, err}
	}()
}

// mayUpgrade says why no new process may take over now, nil if one may.
func (r *run) mayUpgrade() error {
	switch {
	case r.drained != nil:
		return errEnding
	case os.Getpid() == 1:
		return errInit
	case os.Getenv("SYSTEMD_EXEC_PID") == strconv.Itoa(os.Getpid()) && os.Getenv("NOTIFY_SOCKET") == "":
		return errUnit
	}
	return nil
}

// succeed returns the new process when it accepts connections. On an error there
// is no such process any more.
func succeed(ctx context.Context, program string, offers []handover.Offer) (*handover.Successor, error) {
	s, err := handover.Start(program, os.Args[1:])
	if err != nil {
		return nil, err
	}
	if err = s.Prepare(ctx, offers); err == nil {
		err = s.Commit(ctx)
	}
	if err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// endUpgrade draws the conclusion from what became of the new process. It tells
// whether this one is to end.
func (r *run) endUpgrade(o upgradeOutcome) (ending bool) {
	r.upgrade.abort(nil)
	r.upgrade.abort, r.upgrade.outcome = nil, nil
	if o.err != nil {
		r.failUpgrade(o.err)
		o.request.result <- upgradeResult{err: o.err}
		return false
	}
	if r.drained != nil || r.upgrade.late {
		// Both were to end, and the new process came to be too soon to be told.
		o.successor.Close()
		_ = syscall.Kill(o.successor.PID, syscall.SIGTERM) // gone is as good
		o.request.result <- upgradeResult{err: errEnding}
		return false
	}
	r.upgrade.done = true
	tellSupervisor(fmt.Sprintf("MAINPID=%d", o.successor.PID))
	r.server.Leave(o.successor.Kept)
	r.operator.leave()
	fmt.Fprintf(os.Stderr, "upgrade: process %d has taken over\n", o.successor.PID)
	o.request.result <- upgradeResult{pid: o.successor.PID}
	r.depart(o.successor)
	return true
}

// depart begins to end this process, which another has taken over from: it gets
// what connections it can within half of the time, and the others drain.
func (r *run) depart(successor *handover.Successor) {
	limit := r.drainTime()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	moving, hurry := context.WithTimeout(ctx, limit/2)
	r.drained, r.expire, r.upgrade.hurry = make(chan struct{}), cancel, hurry
	go func() {
		defer close(r.drained)
		r.server.Move(moving, successor)
		successor.Close()
		r.server.Drain(ctx)
	}()
}

// abandonUpgrade leaves no new process behind that is not one yet, when this one
// ends.
func (r *run) abandonUpgrade() {
	if r.upgrade.abort == nil {
		return
	}
	r.upgrade.late = true
	r.upgrade.abort(errEnding)
	r.endUpgrade(<-r.upgrade.outcome)
}

// failUpgrade goes on as if nothing had been.
func (r *run) failUpgrade(err error) {
	r.server.EndUpgrade()
	fmt.Fprintf(os.Stderr, "upgrade: nothing was changed: %v\n", err)
	if r.drained != nil || r.upgrade.late || ownsPid(r.pidFile) {
		return
	}
	if err := writePid(r.pidFile); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

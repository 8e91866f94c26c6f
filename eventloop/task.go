// SPDX-License-Identifier: Apache-2.0

package eventloop

// Runner is what a Task runs.
type Runner interface {
	Run()
}

// Task is embedded in what wants to be called back after the running callback
// has returned. Runner must be set before the first Queue. It is not copied and
// belongs to one loop.
type Task struct {
	Runner Runner

	next   *Task
	queued bool
}

// Queue runs t after the running callback has returned and before this turn's
// output is flushed, in the order of the calls. A task that is queued already
// stays where it is. Only the loop may call it; it allocates nothing.
func (l *Loop) Queue(t *Task) {
	if t.queued {
		return
	}
	t.queued = true
	if l.tasks.tail == nil {
		l.tasks.head = t
	} else {
		l.tasks.tail.next = t
	}
	l.tasks.tail = t
}

// tasksPerRound bounds how many tasks run before output is flushed and the
// sockets get their turn, so that a task that queues itself starves nobody.
const tasksPerRound = 1024

// taskList is a first-in first-out list of tasks linked through themselves.
type taskList struct {
	head, tail *Task
}

func (q *taskList) empty() bool { return q.head == nil }

func (q *taskList) pop() *Task {
	t := q.head
	if t == nil {
		return nil
	}
	q.head = t.next
	if q.head == nil {
		q.tail = nil
	}
	t.next, t.queued = nil, false
	return t
}

// runTasks runs what is queued, and what that queues, up to a bound.
func (l *Loop) runTasks() {
	for range tasksPerRound {
		t := l.tasks.pop()
		if t == nil {
			return
		}
		l.runTask(t)
	}
}

func (l *Loop) runTask(t *Task) {
	defer l.rescue("task", nil)
	t.Runner.Run()
}

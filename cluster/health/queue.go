// SPDX-License-Identifier: Apache-2.0

package health

import "container/heap"

// unqueued is the index of a host that is not in the queue.
const unqueued = -1

// queue is hosts ordered by when they are probed next.
type queue struct{ list hostHeap }

func (q *queue) push(h *host) { heap.Push(&q.list, h) }

func (q *queue) pop() *host { return heap.Pop(&q.list).(*host) }

// first is the host that is due first, nil when there is none.
func (q *queue) first() *host {
	if len(q.list) == 0 {
		return nil
	}
	return q.list[0]
}

func (q *queue) remove(h *host) {
	if h.check.index != unqueued {
		heap.Remove(&q.list, h.check.index)
	}
}

// hostHeap implements heap.Interface.
type hostHeap []*host

func (l hostHeap) Len() int           { return len(l) }
func (l hostHeap) Less(i, j int) bool { return l[i].check.next < l[j].check.next }

func (l hostHeap) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].check.index, l[j].check.index = i, j
}

func (l *hostHeap) Push(x any) {
	h := x.(*host)
	h.check.index = len(*l)
	*l = append(*l, h)
}

func (l *hostHeap) Pop() any {
	last := len(*l) - 1
	h := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	h.check.index = unqueued
	return h
}

// SPDX-License-Identifier: Apache-2.0

package balance

// deadlines takes hosts in the order in which their next request is due
// (earliest deadline first): each request of a host moves its deadline on by the
// inverse of its weight at that time. So the weights may change from one choice
// to the next, a choice costs O(log n), and the requests of one host are spread
// evenly among those of the others.
type deadlines struct {
	heap []deadline
}

type deadline struct {
	at   float64
	host int32
}

// newDeadlines starts every host at a random point of its first interval, so
// that loops do not move in step.
func newDeadlines(n int, r *source, weight func(i int) float64) *deadlines {
	d := &deadlines{heap: make([]deadline, n)}
	for i := range n {
		d.heap[i] = deadline{r.unit() / weight(i), int32(i)}
	}
	for i := n/2 - 1; i >= 0; i-- {
		d.sink(i)
	}
	return d
}

// serve moves the deadline of the host at place k of the heap on by one request
// at weight w.
func (d *deadlines) serve(k int, w float64) {
	d.heap[k].at += 1 / w
	d.sink(k)
}

func (d *deadlines) sink(i int) {
	moving := d.heap[i]
	for {
		child := 2*i + 1
		if child >= len(d.heap) {
			break
		}
		if r := child + 1; r < len(d.heap) && d.heap[r].at < d.heap[child].at {
			child = r
		}
		if moving.at <= d.heap[child].at {
			break
		}
		d.heap[i] = d.heap[child]
		i = child
	}
	d.heap[i] = moving
}

// choose serves the usable host that is due first, or returns -1. One that is
// not usable loses its turn, and does not catch up later.
func (d *deadlines) choose(v View, weight func(i int) float64) int {
	for range drawLimit {
		i := int(d.heap[0].host)
		d.serve(0, weight(i))
		if v.Usable(i) {
			return i
		}
	}
	return d.search(v, weight)
}

// search looks at every host.
func (d *deadlines) search(v View, weight func(i int) float64) int {
	place := -1
	for k, h := range d.heap {
		if v.Usable(int(h.host)) && (place < 0 || h.at < d.heap[place].at) {
			place = k
		}
	}
	if place < 0 {
		return -1
	}
	i := int(d.heap[place].host)
	d.serve(place, weight(i))
	return i
}

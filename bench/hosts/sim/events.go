package sim

// What happens.
type kind uint8

const (
	found    kind = iota // the coordinator has scanned the next subtree
	offered              // the broker keeps an item
	taken                // a host has it
	scanned              // and knows its entries
	archived             // its archive is in the spool
	sent                 // its object is complete
	sealing              // a host's pack is old enough
	answered             // the coordinator has the answer
	recorded             // and counted it
	expired              // a lease is over
	failed               // a host is gone
	back                 // and here again
)

// An event happens at a time. life is of the host: what a host that is gone had planned does not
// happen.
type event struct {
	at   float64
	seq  uint64 // events of one time happen in the order in which they were planned
	item int32
	host int32
	life uint32
	kind kind
}

func (e *event) before(f *event) bool {
	if e.at != f.at {
		return e.at < f.at
	}
	return e.seq < f.seq
}

// agenda is a heap of events, the next one first.
type agenda struct {
	heap []event
	seq  uint64
}

func (a *agenda) add(e event) {
	a.seq++
	e.seq = a.seq
	a.heap = push(a.heap, e, (*event).before)
}

func (a *agenda) next() (e event, ok bool) {
	if len(a.heap) == 0 {
		return e, false
	}
	e, a.heap = pop(a.heap, (*event).before)
	return e, true
}

// push adds to a heap, of which the first is before all others.
func push[T any](h []T, v T, before func(a, b *T) bool) []T {
	h = append(h, v)
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !before(&h[i], &h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
	return h
}

// pop takes the first of a heap.
func pop[T any](h []T, before func(a, b *T) bool) (T, []T) {
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if before(&h[child], &h[least]) {
				least = child
			}
		}
		if least == i {
			return first, h
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// A server works on one thing at a time, in the order in which they come.
type server struct{ free float64 }

// serve returns when something that comes now and takes so long is done.
func (s *server) serve(now, takes float64) float64 {
	s.free = max(s.free, now) + takes
	return s.free
}

// ranks is a heap of numbers of items, the smallest, which is the largest item, first; or a queue.
type ranks struct {
	all    []int32
	head   int // of a queue
	sorted bool
}

func (r *ranks) len() int { return len(r.all) - r.head }

func (r *ranks) add(n int32) {
	if r.sorted {
		r.all = push(r.all, n, smaller)
	} else {
		r.all = append(r.all, n)
	}
}

func smaller(a, b *int32) bool { return *a < *b }

func (r *ranks) take() (n int32) {
	if r.sorted {
		n, r.all = pop(r.all, smaller)
		return n
	}
	n = r.all[r.head]
	if r.head++; r.head > 1<<12 && r.head > len(r.all)/2 {
		r.all = append(r.all[:0], r.all[r.head:]...)
		r.head = 0
	}
	return n
}

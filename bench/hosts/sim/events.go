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
	a.heap = append(a.heap, e)
	h, i := a.heap, len(a.heap)-1
	for i > 0 {
		up := (i - 1) / 2
		if !h[i].before(&h[up]) {
			return
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func (a *agenda) next() (e event, ok bool) {
	if len(a.heap) == 0 {
		return e, false
	}
	e = a.heap[0]
	last := len(a.heap) - 1
	a.heap[0] = a.heap[last]
	a.heap = a.heap[:last]
	h := a.heap
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if h[child].before(&h[least]) {
				least = child
			}
		}
		if least == i {
			return e, true
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
	r.all = append(r.all, n)
	if !r.sorted {
		return
	}
	h, i := r.all, len(r.all)-1
	for i > 0 && h[i] < h[(i-1)/2] {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		i = (i - 1) / 2
	}
}

func (r *ranks) take() (n int32) {
	n = r.all[r.head]
	if !r.sorted {
		if r.head++; r.head > 1<<12 && r.head > len(r.all)/2 {
			r.all = append(r.all[:0], r.all[r.head:]...)
			r.head = 0
		}
		return n
	}
	last := len(r.all) - 1
	r.all[0] = r.all[last]
	r.all = r.all[:last]
	h := r.all
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if h[child] < h[least] {
				least = child
			}
		}
		if least == i {
			return n
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

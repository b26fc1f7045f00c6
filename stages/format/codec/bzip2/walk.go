package bzip2

// A walker undoes the block sort: a permutation leads from rotation to rotation, and each gives a
// byte. Every step waits for memory, so walks begin at many marked rotations, a few lanes run at
// once, and each walk ends at the next mark.
type walker struct {
	last   []byte
	counts [256]uint32
	// next is, by rotation, the following one << 8 | its first byte, or marked | the walk that
	// begins.
	next  *[nextSize]uint32
	lanes *[laneCount * laneStride]byte // nil until a block needs them
	walks [walkCount]walk
}

// A walk is one stretch of the block.
type walk struct {
	entry uint32 // what next holds where it begins
	lane  int
	from  int // in the lane's bytes
	to    int
	then  int // the walk that follows
}

const (
	nextSize   = 1 << 20
	laneCount  = 8
	laneStride = nextSize + 5*64 // lanes must not all fall on the same cache lines
	walkCount  = 96
	marked     = 1 << 31
	fewBytes   = 4096 // below this, walking one by one is as fast
)

func newWalker() walker {
	return walker{
		last: make([]byte, maxBlock),
		next: new([nextSize]uint32),
	}
}

// restore writes to dst the block whose last bytes are in w.last, and whose place is origin.
func (w *walker) restore(dst []byte, origin int) {
	n := len(dst)
	sum := uint32(0)
	var at [256]uint32
	for c, k := range w.counts {
		at[c] = sum
		sum += k
	}
	next := w.next
	for i, c := range w.last[:n] {
		p := at[c]
		at[c] = p + 1
		next[p&(nextSize-1)] = uint32(i)<<8 | uint32(c)
	}
	if n < fewBytes {
		e := next[origin]
		for i := range dst {
			dst[i] = byte(e)
			e = next[e>>8&(nextSize-1)]
		}
		return
	}
	if w.lanes == nil {
		w.lanes = new([laneCount * laneStride]byte)
	}
	w.begin(n, origin)
	w.run(n)
	w.collect(dst)
}

// begin marks where walks begin; the first of them begins the block.
func (w *walker) begin(n, origin int) {
	for k := range w.walks {
		place := n / walkCount * k
		if k == 0 {
			place = origin
		} else if place == origin {
			place++
		}
		w.walks[k] = walk{entry: w.next[place]}
		w.next[place] = marked | uint32(k)
	}
	// A lane without a walk stays on a rotation that does not exist.
	w.next[n] = uint32(n) << 8
}

// run takes every walk to its end.
func (w *walker) run(n int) {
	var e [laneCount]uint32
	var on [laneCount]int
	for lane := range laneCount {
		on[lane] = lane
		w.walks[lane].lane = lane
		e[lane] = w.walks[lane].entry
	}
	begun, running := laneCount, laneCount
	for i := 0; ; {
		i = w.stride(&e, i)
		for lane := range laneCount {
			if e[lane] < marked {
				continue
			}
			done := &w.walks[on[lane]]
			done.to = i
			done.then = int(e[lane] &^ marked)
			if begun == walkCount {
				e[lane] = uint32(n) << 8
				running--
				continue
			}
			on[lane] = begun
			w.walks[begun].lane, w.walks[begun].from = lane, i
			e[lane] = w.walks[begun].entry
			begun++
		}
		if running == 0 {
			return
		}
	}
}

// stride writes the lanes' bytes from place i on and steps until a lane comes to a marked entry. It
// returns the place at which that lane's byte is not written.
func (w *walker) stride(e *[laneCount]uint32, i int) int {
	const m = nextSize - 1
	next, out := w.next, w.lanes
	e0, e1, e2, e3, e4, e5, e6, e7 := e[0], e[1], e[2], e[3], e[4], e[5], e[6], e[7]
	for (e0 | e1 | e2 | e3 | e4 | e5 | e6 | e7) < marked {
		k := uint(i) & m
		out[k] = byte(e0)
		out[k+laneStride] = byte(e1)
		out[k+2*laneStride] = byte(e2)
		out[k+3*laneStride] = byte(e3)
		out[k+4*laneStride] = byte(e4)
		out[k+5*laneStride] = byte(e5)
		out[k+6*laneStride] = byte(e6)
		out[k+7*laneStride] = byte(e7)
		i++
		e0 = next[e0>>8&m]
		e1 = next[e1>>8&m]
		e2 = next[e2>>8&m]
		e3 = next[e3>>8&m]
		e4 = next[e4>>8&m]
		e5 = next[e5>>8&m]
		e6 = next[e6>>8&m]
		e7 = next[e7>>8&m]
	}
	*e = [laneCount]uint32{e0, e1, e2, e3, e4, e5, e6, e7}
	return i
}

// collect joins the walks. A periodic block's are several equal circles: one is repeated.
func (w *walker) collect(dst []byte) {
	for k := 0; len(dst) > 0; {
		s := &w.walks[k]
		from := s.lane * laneStride
		dst = dst[copy(dst, w.lanes[from+s.from:from+s.to]):]
		k = s.then
	}
}

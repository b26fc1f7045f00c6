package deflate

// An effort is what a level stands for.
type effort struct {
	deep  bool // look in the finder's short, and in long by more bytes
	plan  bool // look in mid too, and cut along the cheapest way; else lazily
	chunk int  // bytes of input in a chunk
	nice  int  // a match of so many bytes is taken without a look at later positions
}

// lazy takes a match unless a better one begins a byte later, or two at a deep level.
func (e *Encoder) lazy() {
	matched := windowSize // where the last match ended
	for p := windowSize; p < e.end; {
		e.lookUp(p)
		length, distance := e.search(p, minMatch-1)
		if length == 0 {
			for range min(1+min((p-matched)>>hurry, maxHurry), e.end-p) {
				e.literal(p)
				p++
			}
			continue
		}
		for length < e.effort.nice {
			e.lookUp(p)
			n, d := e.search(p+1, length-1)
			if n != 0 && e.saved(length, distance, n, d) > oneLater {
				e.literal(p)
				p++
				length, distance = n, d
				continue
			}
			if !e.deep {
				break
			}
			n, d = e.search(p+2, length)
			if n == 0 || e.saved(length, distance, n, d) <= twoLater {
				break
			}
			e.literal(p)
			e.literal(p + 1)
			p += 2
			length, distance = n, d
		}
		e.emit(p, length, distance)
		p += length
		matched = p
	}
}

// After 2^hurry bytes without a match every second position is searched, then every third …
const (
	hurry    = 9
	maxHurry = 15
)

// oneLater and twoLater are about what it costs in bits to begin a match so much later.
const (
	oneLater = 1
	twoLater = 6
)

// lookUp prepares the finder for p and the two positions after it.
func (e *Encoder) lookUp(p int) {
	for p+2 >= e.filled && e.filled < e.end {
		e.fill()
	}
}

// saved estimates how many bits a match of n bytes at d saves over one of length at distance.
func (e *Encoder) saved(length, distance, n, d int) int {
	return 4*(n-length) + int(e.slots.distance(uint32(distance-1))>>1) - int(e.slots.distance(uint32(d-1))>>1)
}

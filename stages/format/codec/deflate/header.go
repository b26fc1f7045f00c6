package deflate

// The longest codes. RFC 1951 allows 15 bits for literals; of 14, four fit between two flushes.
const (
	literalLimit  = 14
	distanceLimit = 15
	precodeLimit  = 7
)

// A header is a dynamic block's: code lengths, themselves coded (RFC 1951, section 3.2.7).
type header struct {
	literalLength  [literals]uint8
	distanceLength [distances]uint8
	literal        int                          // code lengths of literals that are sent
	distance       int                          // code lengths of distances that are sent
	items          [literals + distances]uint16 // symbols of the precode | extra bits << 8
	filled         int                          // of items
	precode        [precodes]uint8
	precodes       int // code lengths of the precode that are sent
}

// choose makes codes for c and returns how many bits the header takes.
func (h *header) choose(c *counts, by *coder) (size int) {
	by.lengths(h.literalLength[:], c.literal[:literals], literalLimit)
	by.lengths(h.distanceLength[:], c.distance[:distances], distanceLimit)
	h.literal = used(h.literalLength[:], firstLength)
	h.distance = used(h.distanceLength[:], 1)

	var all [literals + distances]uint8
	n := copy(all[:], h.literalLength[:h.literal])
	n += copy(all[n:], h.distanceLength[:h.distance])
	var freq [precodes]uint32
	h.runs(all[:n], &freq)
	by.lengths(h.precode[:], freq[:], precodeLimit)
	h.precodes = precodes
	for order := precodeOrder(); h.precodes > 4 && h.precode[order[h.precodes-1]] == 0; {
		h.precodes--
	}
	size = 5 + 5 + 4 + 3*h.precodes
	for i, f := range freq {
		size += int(f) * (int(h.precode[i]) + precodeExtra(i))
	}
	return size
}

// used is the number of lengths without trailing zeros, at least least.
func used(lengths []uint8, least int) int {
	n := len(lengths)
	for n > least && lengths[n-1] == 0 {
		n--
	}
	return n
}

func precodeOrder() [precodes]uint8 {
	return [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
}

// precodeExtra is the number of extra bits of a symbol of the precode.
func precodeExtra(symbol int) int {
	switch symbol {
	case 16:
		return 2
	case 17:
		return 3
	case 18:
		return 7
	}
	return 0
}

// runs turns lengths into items and counts them.
func (h *header) runs(lengths []uint8, freq *[precodes]uint32) {
	h.filled = 0
	put := func(symbol, extra int) {
		h.items[h.filled] = uint16(symbol | extra<<8)
		h.filled++
		freq[symbol]++
	}
	for i := 0; i < len(lengths); {
		length := lengths[i]
		run := 1
		for i+run < len(lengths) && lengths[i+run] == length {
			run++
		}
		i += run
		if length == 0 {
			for run >= 11 {
				k := min(run, 138)
				put(18, k-11)
				run -= k
			}
			if run >= 3 {
				put(17, run-3)
				run = 0
			}
		} else if run >= 4 {
			put(int(length), 0)
			run--
			for run >= 3 {
				k := min(run, 6)
				put(16, k-3)
				run -= k
			}
		}
		for range run {
			put(int(length), 0)
		}
	}
}

// write writes the header without the first three bits of the block.
func (h *header) write(w *bitWriter) {
	w.add(uint64(h.literal-firstLength), 5)
	w.add(uint64(h.distance-1), 5)
	w.add(uint64(h.precodes-4), 4)
	w.flush()
	order := precodeOrder()
	for _, symbol := range order[:h.precodes] {
		w.add(uint64(h.precode[symbol]), 3)
		w.flush()
	}
	var codes [precodes]code
	canonical(codes[:], h.precode[:])
	for _, item := range h.items[:h.filled] {
		symbol := int(item & 0xff)
		w.put(codes[symbol])
		w.add(uint64(item>>8), uint(precodeExtra(symbol)))
		w.flush()
	}
}

// fixedLengths are the code lengths of a block without a header (RFC 1951, section 3.2.6). Its
// alphabets have extra symbols that never occur and sort last.
func fixedLengths() (literal [288]uint8, distance [32]uint8) {
	for i := range literal {
		switch {
		case i >= 144 && i < 256:
			literal[i] = 9
		case i >= 256 && i < 280:
			literal[i] = 7
		default:
			literal[i] = 8
		}
	}
	for i := range distance {
		distance[i] = 5
	}
	return literal, distance
}

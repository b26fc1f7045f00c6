package bzip2

const (
	blockMark  = 0x314159265359 // the decimals of pi
	streamMark = 0x177245385090 // those of its root
)

// writeBlock appends one block: its head, its tables, its symbols.
func writeBlock(w *bitWriter, crc uint32, origin int, m *moveToFront, t *tables) {
	w.put(blockMark>>24, 24)
	w.put(blockMark&0xffffff, 24)
	w.put(uint64(crc), 32)
	w.put(0, 1) // not randomised
	w.put(uint64(origin), 24)
	writeUsed(w, &m.used)
	w.put(uint64(t.count), 3)
	w.put(uint64(len(t.selectors)), 15)
	writeSelectors(w, t.selectors)
	for k := range t.count {
		writeLengths(w, t.lengths[k][:m.alpha])
	}
	writeSymbols(w, m.symbols, t)
}

// writeUsed writes which bytes occur: a bit for each sixteenth of the range, then the used ones.
func writeUsed(w *bitWriter, used *[256]bool) {
	var parts uint64
	var in [16]uint64
	for c, u := range used {
		if u {
			parts |= 0x8000 >> (c / 16)
			in[c/16] |= 0x8000 >> (c % 16)
		}
	}
	w.put(parts, 16)
	for _, bits := range in {
		if bits != 0 {
			w.put(bits, 16)
		}
	}
}

// writeSelectors moves them to front and writes each in unary.
func writeSelectors(w *bitWriter, selectors []uint8) {
	list := [maxTables]uint8{0, 1, 2, 3, 4, 5}
	for _, s := range selectors {
		at := 0
		for list[at] != s {
			at++
		}
		copy(list[1:], list[:at])
		list[0] = s
		w.put(1<<(at+1)-2, uint(at)+1)
	}
}

// writeLengths writes a table as steps up (10) and down (11); 0 ends each symbol.
func writeLengths(w *bitWriter, lengths []uint8) {
	now := lengths[0]
	w.put(uint64(now), 5)
	for _, l := range lengths {
		for ; now < l; now++ {
			w.put(2, 2)
		}
		for ; now > l; now-- {
			w.put(3, 2)
		}
		w.put(0, 1)
	}
}

func writeSymbols(w *bitWriter, symbols []uint16, t *tables) {
	for _, k := range t.selectors {
		codes := &t.codes[k]
		n := min(groupLen, len(symbols))
		for _, s := range symbols[:n] {
			c := codes[s]
			w.put(uint64(c>>8), uint(c&0xff))
		}
		symbols = symbols[n:]
	}
}

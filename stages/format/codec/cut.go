package codec

// A Cutter is a Format whose blocks end where their content says. The blocks of every other Format hold BlockSize bytes each.
type Cutter interface {
	// NewCut makes what cuts one archive.
	NewCut() Cut
}

// A Cut finds where the blocks of one archive end. What it finds depends on the bytes alone, not on how many it is shown at
// a time. It is not safe for concurrent use.
type Cut interface {
	// Scan is shown the next bytes and says how many of them belong to the block at hand, and whether the block ends with
	// these. If it does, the next call begins a new block and has to be shown the rest of p first; else n is len(p).
	// No block is empty, and none is larger than BlockSize.
	Scan(p []byte) (n int, full bool)
	// Room is a number of bytes that belong to the block at hand whatever they are. It may be 0.
	Room() int
}

// NewCut makes what cuts an archive into f's blocks. The last block ends with the archive.
func NewCut(f Format) Cut {
	if c, ok := f.(Cutter); ok {
		return c.NewCut()
	}
	return &equalCut{size: f.BlockSize(), left: f.BlockSize()}
}

// An equalCut makes blocks of one size.
type equalCut struct{ size, left int }

func (c *equalCut) Room() int { return c.left }

func (c *equalCut) Scan(p []byte) (n int, full bool) {
	if len(p) < c.left {
		c.left -= len(p)
		return len(p), false
	}
	n, c.left = c.left, c.size
	return n, true
}

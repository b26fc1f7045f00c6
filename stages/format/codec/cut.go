package codec

// A Cut finds where the blocks of one archive end. The result depends on the bytes alone, not on
// how they are split between calls. It is not safe for concurrent use.
type Cut interface {
	// Scan takes the next bytes and returns how many belong to the current block, and whether it
	// ends there; the next call begins with the rest of p then. No block is empty or above
	// BlockSize.
	Scan(p []byte) (n int, full bool)
	// Room is how many bytes belong to the block whatever their values; perhaps 0.
	Room() int
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

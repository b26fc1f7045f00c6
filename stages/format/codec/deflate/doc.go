// Package deflate encodes blocks in the deflate format (RFC 1951).
//
// An [Encoder] turns a block and the bytes before it into deflate blocks that end at a byte
// boundary, in three steps: a parser (lazy.go, or optimal.go at the highest level) cuts the block
// into literals and matches, which a finder (finder.go, view.go) finds; a splitter (split.go) finds
// where their statistics change; a writer (block.go, header.go, huffman.go) writes each
// part as the smallest of a stored, a fixed and a dynamic block.
//
// Its output depends on the level, the window and the block alone, on every machine. The time for a
// block is bounded: at each position at most thirteen places are compared. The package knows
// nothing of gzip, files or other blocks. Sizes are bytes unless a name says bits.
package deflate

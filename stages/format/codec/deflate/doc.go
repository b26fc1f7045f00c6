// Package deflate encodes blocks in the deflate format (RFC 1951).
//
// An [Encoder] takes a block and the bytes before it, and makes of them deflate blocks that end at a byte boundary. Three steps follow each
// other, one file each: a parser (lazy.go, or optimal.go at the highest level) cuts the block into literals and matches, which a finder (finder.go, view.go) looks for; a
// splitter (split.go) finds where their statistics change; a writer (block.go, header.go, huffman.go, bits.go) puts each stretch
// down as the smallest of a stored, a fixed and a dynamic block.
//
// The package promises that what it makes depends on the level, the window and the block alone, on every machine, and that the time a
// block takes has a bound: at each position no more than thirteen places are looked at, however much the input repeats itself.
// It knows nothing of gzip, of files or of other blocks. Sizes are bytes unless a name says bits.
package deflate

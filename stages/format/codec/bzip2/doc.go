// Package bzip2 encodes and decodes the bzip2 format, block by block.
//
// # Encoding
//
// An Encoder encodes a piece of input on its own; a Joiner shifts the bits of all pieces into one
// standard stream: one header, one end mark, one combined check value. The stream depends on the
// input and the level, never on the number of encoders.
//
// The stages of an Encoder are one file each: the run-length stage (rle.go), the sort of all
// rotations of a block (sort.go and what it names), move to front with its runs of zeros (mtf.go),
// up to six Huffman tables (tables.go) and the bits of a block (block.go).
//
// # Decoding
//
// NewReader reads any bzip2 file: concatenated streams, bytes after the last one, randomised blocks
// of version 0.9.0 and before. It finds blocks by their 48-bit mark and decodes several at once.
//
// The package knows nothing of archives, files or pipelines. Sizes are bytes unless a name says
// bits.
package bzip2

// Package bzip2 encodes and decodes the bzip2 format, block by block.
//
// # Encoding
//
// A piece of input of BlockSize bytes is encoded by an Encoder, alone and
// without knowledge of its neighbours; a Joiner shifts the resulting bit
// strings into place and makes one standard stream of them: one header, one
// end mark, one combined check value. The bytes of the stream are a function of
// the input and the level, never of how many encoders worked on it.
//
// The stages of an Encoder are one file each: the run-length stage (rle.go),
// the sort of all rotations of a block (sort.go and what it names), move to
// front with its runs of zeros (mtf.go), up to six Huffman tables (tables.go,
// lengths.go) and the bits of a block (block.go).
//
// # Decoding
//
// NewReader reads any bzip2 file, whoever wrote it: concatenated streams, bytes
// after the last one, randomised blocks of version 0.9.0 and before. Blocks are
// found by their 48-bit mark and decoded side by side.
//
// The package knows nothing of archives, files or pipelines. Sizes are bytes
// unless a name says bits.
package bzip2

package bzip2

import (
	"slices"

	"firn/stages/format/codec/huffman"
)

const (
	maxCodeLen = 17 // decoders take 20; bzip2 since 1.0.3 writes no more than 17
	// minWeight keeps a symbol that a table never meets codable.
	minWeight = 1
)

// codeLengths writes to lengths the lengths of a Huffman code for freq, none above maxCodeLen. A
// code that comes out too long is made again from flatter weights.
func codeLengths(lengths []uint8, freq []uint32) {
	n := len(freq)
	var leaves [maxSymbols]uint64 // weight << 16 | symbol
	var depths [maxSymbols]uint8
	var tree huffman.Tree
	for i, f := range freq {
		leaves[i] = uint64(max(f, minWeight))<<16 | uint64(i)
	}
	for {
		slices.Sort(leaves[:n])
		tree.Depths(depths[:n], leaves[:n])
		if slices.Max(depths[:n]) <= maxCodeLen {
			break
		}
		for i, w := range leaves[:n] {
			leaves[i] = (w>>16/2+1)<<16 | w&0xffff
		}
	}
	for i, w := range leaves[:n] {
		lengths[w&0xffff] = depths[i]
	}
}

// assignCodes makes canonical codes: rising with length, then symbol. A code is bits << 8 | length.
func assignCodes(codes []uint32, lengths []uint8) {
	var count [maxCodeLen + 2]uint32
	for _, l := range lengths {
		count[l+1]++
	}
	var next [maxCodeLen + 2]uint32
	for l := 1; l <= maxCodeLen; l++ {
		next[l+1] = (next[l] + count[l+1]) << 1
	}
	for s, l := range lengths {
		codes[s] = next[l]<<8 | uint32(l)
		next[l]++
	}
}

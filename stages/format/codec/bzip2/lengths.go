package bzip2

import "slices"

const (
	maxCodeLen = 17 // decoders take 20; bzip2 since 1.0.3 writes no more than 17
	// minWeight keeps a symbol that a table never meets codable.
	minWeight = 1
)

// codeLengths writes to lengths the lengths of a Huffman code for freq, none
// above maxCodeLen, by the two-queue method on sorted weights (van Leeuwen
// 1976). A code that comes out too long is made again from flatter weights.
func codeLengths(lengths []uint8, freq []uint32) {
	n := len(freq)
	var leaves [maxSymbols]uint64 // weight << 16 | symbol
	for i, f := range freq {
		leaves[i] = uint64(max(f, minWeight))<<16 | uint64(i)
	}
	for {
		slices.Sort(leaves[:n])
		if treeDepths(lengths, leaves[:n]) <= maxCodeLen {
			return
		}
		for i, w := range leaves[:n] {
			leaves[i] = (w>>16/2+1)<<16 | w&0xffff
		}
	}
}

// treeDepths builds the tree over sorted leaves, of which there are at least
// two, writes each one's depth to lengths and returns the largest.
func treeDepths(lengths []uint8, leaves []uint64) int {
	n := len(leaves)
	var weight [maxSymbols]uint64 // of inner nodes, in order of creation
	var parent [2 * maxSymbols]uint16
	leaf, inner := 0, 0
	for made := range n - 1 {
		sum := uint64(0)
		for range 2 {
			if inner == made || leaf < n && leaves[leaf]>>16 <= weight[inner] {
				sum += leaves[leaf] >> 16
				parent[leaf] = uint16(made)
				leaf++
			} else {
				sum += weight[inner]
				parent[n+inner] = uint16(made)
				inner++
			}
		}
		weight[made] = sum
	}
	var depth [maxSymbols]uint8
	for k := n - 3; k >= 0; k-- {
		depth[k] = depth[parent[n+k]] + 1
	}
	deepest := 0
	for i, w := range leaves {
		d := depth[parent[i]] + 1
		lengths[w&0xffff] = d
		deepest = max(deepest, int(d))
	}
	return deepest
}

// assignCodes gives the canonical codes: rising with length, then with symbol.
// A code holds its bits << 8 | its length.
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

// Package huffman holds what encoders share that weigh symbols: Huffman trees and logarithms. It
// knows no format: what limits the lengths of a code is the caller's.
package huffman

import "math/bits"

// MaxSymbols is the largest alphabet, in symbols.
const MaxSymbols = 288

// A Tree is scratch. The zero value is ready for use.
type Tree struct {
	weight [MaxSymbols]uint64 // of inner nodes, in order of creation
	parent [2 * MaxSymbols]uint16
	depth  [MaxSymbols]uint8 // of inner nodes
}

// Depths writes the depth of each leaf in the Huffman tree of two or more sorted leaves, each
// weight << 16 | symbol, by the two-queue method (van Leeuwen 1976).
func (t *Tree) Depths(depths []uint8, leaves []uint64) {
	n := len(leaves)
	leaf, inner := 0, 0
	for made := range n - 1 {
		sum := uint64(0)
		for range 2 {
			if inner == made || leaf < n && leaves[leaf]>>16 <= t.weight[inner] {
				sum += leaves[leaf] >> 16
				t.parent[leaf] = uint16(made)
				leaf++
			} else {
				sum += t.weight[inner]
				t.parent[n+inner] = uint16(made)
				inner++
			}
		}
		t.weight[made] = sum
	}
	t.depth[n-2] = 0
	for k := n - 3; k >= 0; k-- {
		t.depth[k] = t.depth[t.parent[n+k]] + 1
	}
	for i := range depths[:n] {
		depths[i] = t.depth[t.parent[i]] + 1
	}
}

// Log2 is 256·log2(x), rounded down, for 1 ≤ x < 2^32: by integers, equal on every machine.
func Log2(x uint64) uint16 {
	whole := bits.Len64(x) - 1
	result := uint16(whole)
	m := x << (31 - whole) // 2^31 to 2^32
	for range 8 {
		m = m * m >> 31
		result <<= 1
		if m >= 1<<32 {
			m >>= 1
			result |= 1
		}
	}
	return result
}

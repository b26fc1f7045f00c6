package huffman_test

import (
	"slices"
	"testing"

	"firn/stages/format/codec/huffman"
)

func TestDepths(t *testing.T) {
	var tree huffman.Tree // used again: nothing may carry over
	for _, c := range []struct {
		weights []uint64
		want    []uint8
	}{
		{[]uint64{1, 1}, []uint8{1, 1}},
		{[]uint64{1, 1, 2, 4, 8}, []uint8{4, 4, 3, 2, 1}},
		{[]uint64{1, 1, 1, 1}, []uint8{2, 2, 2, 2}},
		{[]uint64{1, 9, 9}, []uint8{2, 2, 1}},
	} {
		leaves := make([]uint64, len(c.weights))
		for i, w := range c.weights {
			leaves[i] = w<<16 | uint64(i)
		}
		got := make([]uint8, len(leaves))
		if tree.Depths(got, leaves); !slices.Equal(got, c.want) {
			t.Errorf("weights %d: depths %d, not %d", c.weights, got, c.want)
		}
	}
}

package bzip2

import (
	"math/bits"
	"slices"
)

const smallSort = 16 // up to so many words, no partition pays

// sortWords sorts distinct words; spare is at least as long.
func sortWords(a, spare []uint64) {
	if len(a) == 2 {
		a[0], a[1] = min(a[0], a[1]), max(a[0], a[1])
		return
	}
	sortInto(a, a, spare[:len(a)], 2*bits.Len(uint(len(a))))
}

// sortInto sorts from into to, the same array or other: a quicksort between two arrays that moves
// words without unpredictable branches. After too many bad pivots it uses slices.Sort.
func sortInto(to, from, other []uint64, rounds int) {
	for len(from) > smallSort && rounds > 0 {
		rounds--
		m := partition(other, from, pivot(from))
		sortInto(to[:m], other[:m], from[:m], rounds)
		to, from, other = to[m:], other[m:], from[m:]
	}
	if &to[0] != &from[0] {
		copy(to, from)
	}
	if len(to) > smallSort {
		slices.Sort(to)
		return
	}
	exchangeSort(to)
}

// partition puts the words of from that are below pivot first in to, and returns how many they are:
// with a median of three distinct words or more for a pivot, some but not all.
func partition(to, from []uint64, pivot uint64) int {
	low, high := 0, len(from)-1
	to = to[:len(from)]
	for _, w := range from {
		to[low] = w
		to[high] = w
		_, below := bits.Sub64(w, pivot, 0)
		low += int(below)
		high -= 1 - int(below)
	}
	return low
}

// pivot is a median of three words, or of three such.
func pivot(a []uint64) uint64 {
	n := len(a)
	if n < 256 {
		return median(a[n/4], a[n/2], a[n/4*3])
	}
	e := n / 9
	return median(median(a[e/2], a[e], a[2*e]), median(a[3*e], a[4*e], a[5*e]), median(a[6*e], a[7*e], a[8*e]))
}

func median(x, y, z uint64) uint64 {
	return max(min(x, y), min(max(x, y), z))
}

// exchangeSort is an insertion sort without branches that depend on the words.
func exchangeSort(a []uint64) {
	for i := 1; i < len(a); i++ {
		w := a[i]
		before := a[:i]
		for j, x := range before {
			before[j] = min(x, w)
			w = max(x, w)
		}
		a[i] = w
	}
}

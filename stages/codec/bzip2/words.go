package bzip2

import (
	"math/bits"
	"slices"
)

const smallSort = 16 // up to this many words, insertion is the fastest

// sortWords sorts distinct words; spare is at least as long.
func sortWords(a, spare []uint64) {
	sortWordsIn(a, spare, 2*bits.Len(uint(len(a))))
}

// sortWordsIn is a quicksort that moves by arithmetic rather than by branches
// that a processor cannot foresee. After rounds of bad luck it gives up on that.
func sortWordsIn(a, spare []uint64, rounds int) {
	for len(a) > smallSort {
		if rounds == 0 {
			slices.Sort(a)
			return
		}
		rounds--
		m := partition(a, spare[:len(a)], median(a[len(a)/4], a[len(a)/2], a[len(a)/4*3]))
		if m < len(a)-m {
			sortWordsIn(a[:m], spare, rounds)
			a = a[m:]
		} else {
			sortWordsIn(a[m:], spare, rounds)
			a = a[:m]
		}
	}
	exchangeSort(a)
}

// partition puts the words below pivot first and returns how many they are:
// with the median of three distinct words for a pivot, some but not all.
func partition(a, spare []uint64, pivot uint64) int {
	low, high := 0, len(a)-1
	for _, w := range a {
		spare[low] = w
		spare[high] = w
		_, below := bits.Sub64(w, pivot, 0)
		low += int(below)
		high -= 1 - int(below)
	}
	copy(a, spare)
	return low
}

func median(x, y, z uint64) uint64 {
	return max(min(x, y), min(max(x, y), z))
}

// exchangeSort puts each word in its place among those before it, without a
// branch that depends on them.
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

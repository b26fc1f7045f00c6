// Package stat has the one statistic that the comparisons quote.
package stat

import (
	"cmp"
	"slices"
)

// Median of a figure over runs, of which there must be at least one; the upper
// of the two middle ones if their number is even.
func Median[R any, F cmp.Ordered](runs []R, figure func(R) F) F {
	figures := make([]F, len(runs))
	for i, r := range runs {
		figures[i] = figure(r)
	}
	slices.Sort(figures)
	return figures[len(figures)/2]
}

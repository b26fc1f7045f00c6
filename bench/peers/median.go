package main

import (
	"cmp"
	"slices"
)

// medians of each figure, which need not be of the same run.
func medians(rs []result) result {
	return result{
		wall:   middle(rs, func(r result) int64 { return int64(r.wall) }).wall,
		cpu:    middle(rs, func(r result) int64 { return int64(r.cpu) }).cpu,
		stored: middle(rs, func(r result) int64 { return r.stored }).stored,
	}
}

func middle(rs []result, figure func(result) int64) result {
	sorted := slices.SortedFunc(slices.Values(rs), func(a, b result) int { return cmp.Compare(figure(a), figure(b)) })
	return sorted[len(sorted)/2]
}

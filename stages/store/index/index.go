// Package index keeps a listing of a store in a few bytes a key, for which a 64-bit hash stands.
//
// Each index has a random seed, so that nobody can choose keys that collide. A key is taken for
// another of n with a probability of n/2^64: callers accept that, or only save requests.
package index

import (
	"cmp"
	"hash/maphash"
	"iter"
	"slices"
)

// An Index maps keys to values. An entry takes 8 bytes and those of a V, aligned. Add comes first,
// then Sort, then the other methods, also from many goroutines.
type Index[V any] struct {
	seed    maphash.Seed
	entries []entry[V]
}

type entry[V any] struct {
	value V // first: an empty one at the end would take eight bytes
	key   uint64
}

// New makes an empty index.
func New[V any]() *Index[V] { return &Index[V]{seed: maphash.MakeSeed()} }

// Seed is that of the index's hashes, for hashes of other things than keys in a V.
func (x *Index[V]) Seed() maphash.Seed { return x.seed }

// Hash is the hash of a text, such as an ETag to be kept in a V.
func (x *Index[V]) Hash(text string) uint64 { return maphash.String(x.seed, text) }

// Add adds a key. A key is added once.
func (x *Index[V]) Add(key string, value V) {
	x.entries = append(x.entries, entry[V]{value, x.Hash(key)})
}

// Sort ends the adding.
func (x *Index[V]) Sort() {
	slices.SortFunc(x.entries, func(a, b entry[V]) int { return cmp.Compare(a.key, b.key) })
}

// Len is the number of keys.
func (x *Index[V]) Len() int { return len(x.entries) }

// Find returns what is kept of a key, in its place in the index, or nil if the key was not added.
func (x *Index[V]) Find(key string) *V {
	i, found := slices.BinarySearchFunc(x.entries, x.Hash(key), func(e entry[V], h uint64) int { return cmp.Compare(e.key, h) })
	if !found {
		return nil
	}
	return &x.entries[i].value
}

// All are the values, in no order that means anything.
func (x *Index[V]) All() iter.Seq[*V] {
	return func(yield func(*V) bool) {
		for i := range x.entries {
			if !yield(&x.entries[i].value) {
				return
			}
		}
	}
}

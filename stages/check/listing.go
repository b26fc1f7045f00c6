package check

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"firn/stages/store"
)

// A Listing is the set of keys that a store shows under some prefixes, eight
// bytes a key: a 64-bit hash that is seeded anew each run. One key in 2^64/n is
// taken to be listed without being so, which costs a request, no more.
type Listing struct {
	seed maphash.Seed
	done chan struct{}
	keys []uint64
	err  error
}

// NewListing returns a listing that Read is to fill.
func NewListing() *Listing {
	return &Listing{seed: maphash.MakeSeed(), done: make(chan struct{})}
}

// Read lists the prefixes. It is called once; Has waits for it.
func (l *Listing) Read(ctx context.Context, s store.Store, prefixes ...string) error {
	defer close(l.done)
	for _, prefix := range prefixes {
		err := s.List(ctx, prefix, func(o store.Object) error {
			l.keys = append(l.keys, maphash.String(l.seed, o.Key))
			return nil
		})
		if err != nil {
			l.err = fmt.Errorf("listing %s under %q: %w", s.URL(), prefix, err)
			return l.err
		}
	}
	slices.Sort(l.keys)
	return nil
}

// Has tells whether the store showed the key, waiting for Read to end.
func (l *Listing) Has(ctx context.Context, key string) (bool, error) {
	select {
	case <-l.done:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	if l.err != nil {
		return false, l.err
	}
	_, found := slices.BinarySearch(l.keys, maphash.String(l.seed, key))
	return found, nil
}

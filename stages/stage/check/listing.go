package check

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"firn/stages/store"
)

// A Listing is the objects that a store shows under some prefixes, sixteen
// bytes each: 64-bit hashes that are seeded anew each run. One key in 2^64/n is
// taken to be listed without being so, which costs a request, no more.
type Listing struct {
	seed    maphash.Seed
	done    chan struct{}
	objects []listed
	err     error
}

type listed struct {
	key     uint64
	content uint64 // of ETag and size
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
			l.objects = append(l.objects, listed{maphash.String(l.seed, o.Key), l.content(o.ETag, o.Size)})
			return nil
		})
		if err != nil {
			l.err = fmt.Errorf("listing %s under %q: %w", s.URL(), prefix, err)
			return l.err
		}
	}
	slices.SortFunc(l.objects, func(a, b listed) int { return cmp.Compare(a.key, b.key) })
	return nil
}

func (l *Listing) content(etag string, size int64) uint64 {
	return maphash.Comparable(l.seed, struct {
		etag string
		size int64
	}{etag, size})
}

func (l *Listing) find(key string) (listed, bool) {
	i, found := slices.BinarySearchFunc(l.objects, maphash.String(l.seed, key), func(o listed, h uint64) int { return cmp.Compare(o.key, h) })
	if !found {
		return listed{}, false
	}
	return l.objects[i], true
}

// shows tells whether the object with the key had that ETag and size. Has must
// have answered before.
func (l *Listing) shows(key, etag string, size int64) bool {
	o, found := l.find(key)
	return found && o.content == l.content(etag, size)
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
	_, found := l.find(key)
	return found, nil
}

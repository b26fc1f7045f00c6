package check

import (
	"context"
	"hash/maphash"

	"firn/stages/store"
	"firn/stages/store/index"
)

// A Listing holds the keys that a store lists, in sixteen bytes each. A key that is taken for a
// listed one (see package index) costs a request.
type Listing struct {
	done    chan struct{}
	objects *index.Index[uint64] // hash of ETag and size
	err     error
}

// NewListing returns a listing for Read to fill.
func NewListing() *Listing {
	return &Listing{done: make(chan struct{}), objects: index.New[uint64]()}
}

// Read lists the prefixes. It is called once.
func (l *Listing) Read(ctx context.Context, s store.Store, prefixes ...string) error {
	defer close(l.done)
	for _, prefix := range prefixes {
		l.err = s.List(ctx, prefix, func(o store.Object) error {
			l.objects.Add(o.Key, l.content(o.ETag, o.Size))
			return nil
		})
		if l.err != nil {
			return l.err
		}
	}
	l.objects.Sort()
	return nil
}

func (l *Listing) content(etag string, size int64) uint64 {
	return maphash.Comparable(l.objects.Seed(), struct {
		etag string
		size int64
	}{etag, size})
}

// shows reports whether the listed object with the key has that ETag and size. Call it after Has.
func (l *Listing) shows(key, etag string, size int64) bool {
	content := l.objects.Find(key)
	return content != nil && *content == l.content(etag, size)
}

// Has reports whether the store lists the key. It waits for Read to end.
func (l *Listing) Has(ctx context.Context, key string) (bool, error) {
	select {
	case <-l.done:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	return l.err == nil && l.objects.Find(key) != nil, l.err
}

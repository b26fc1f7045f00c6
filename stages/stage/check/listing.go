package check

import (
	"context"
	"hash/maphash"

	"firn/stages/format/record"
	"firn/stages/store"
	"firn/stages/store/index"
)

// A Listing holds the keys that a store lists, in 24 bytes each. A key that is taken for a
// listed one (see package index) costs a request.
type Listing struct {
	done    chan struct{}
	objects *index.Index[listed]
	err     error
}

// listed is what is kept of an object.
type listed struct {
	content  uint64 // hash of ETag and size
	modified int64  // seconds of Unix time
}

// NewListing returns a listing for Read to fill.
func NewListing() *Listing {
	return &Listing{done: make(chan struct{}), objects: index.New[listed]()}
}

// Read lists the prefixes. It is called once.
func (l *Listing) Read(ctx context.Context, s store.Store, prefixes ...string) error {
	defer close(l.done)
	for _, prefix := range prefixes {
		l.err = s.List(ctx, prefix, func(o store.Object) error {
			l.objects.Add(o.Key, listed{l.content(o.ETag, o.Size), o.Modified.Unix()})
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

// late is by how many seconds the time in a row may be before the one in the listing: the first is
// the Date of the answer to an upload, which servers compute once a second.
const late = 5

// shows reports whether the listed object with the key is the one that a row describes. An object
// that was written again with the same bytes is another: it has another version. Call it after Has.
func (l *Listing) shows(key string, row *record.Record) bool {
	o := l.objects.Find(key)
	return o != nil && o.content == l.content(row.ETag, row.ObjectSize) && o.modified <= row.Saved.Unix()+late
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

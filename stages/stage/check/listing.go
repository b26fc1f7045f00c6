package check

import (
	"context"
	"hash/maphash"
	"math"
	"slices"
	"time"

	"firn/stages/format/record"
	"firn/stages/store"
	"firn/stages/store/index"
)

// A Listing holds the keys that a store lists, in 24 bytes each. A key that is taken for a
// listed one (see package index) costs a request.
type Listing struct {
	done    chan struct{}
	objects *index.Index[listed]
	classes []string
	err     error
}

// listed is what is kept of an object.
type listed struct {
	content  uint64 // hash of ETag and size
	modified uint32 // seconds of Unix time
	class    uint8  // its place in classes, from 1; 0 if there are too many
	vague    bool   // the store does not list its ETag
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
			l.objects.Add(o.Key, listed{l.content(o.ETag, o.Size), seconds(o.Modified), l.classNumber(o.Class), o.ETag == ""})
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

func seconds(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), math.MaxUint32)) }

func (l *Listing) classNumber(class string) uint8 {
	i := slices.Index(l.classes, class)
	if i < 0 && len(l.classes) < math.MaxUint8 {
		i, l.classes = len(l.classes), append(l.classes, class)
	}
	return uint8(i + 1)
}

// class is the storage class of a listed object, "" if it was not kept.
func (l *Listing) class(o *listed) string {
	if o.class == 0 {
		return ""
	}
	return l.classes[o.class-1]
}

// late is by how many seconds the time in a record may be before the one in the listing: the first
// is the Date of the answer to an upload, which servers compute once a second.
const late = 5

// Whether a listed object is the one that a record describes.
type likeness int

const (
	other  likeness = iota // there is none, or another
	unsure                 // the store has to be asked
	same
)

// compare compares a listed object with a record. If an object was written again with the same
// bytes, only the store knows its version.
func (l *Listing) compare(o *listed, r *record.Record) likeness {
	switch {
	case o == nil || r.ETag == "":
		return other
	case o.vague:
		return unsure
	case o.content != l.content(r.ETag, r.ObjectSize):
		return other
	case int64(o.modified) > r.Saved.Unix()+late:
		return unsure
	}
	return same
}

// shows is compare by key. Call it after find.
func (l *Listing) shows(key string, r *record.Record) likeness {
	return l.compare(l.objects.Find(key), r)
}

// Shows reports whether the store may list the very object that a record describes. It waits for
// Read to end.
func (l *Listing) Shows(ctx context.Context, key string, r *record.Record) (bool, error) {
	o, err := l.find(ctx, key)
	return err == nil && l.compare(o, r) != other, err
}

// find returns what the store lists with the key, or nil. It waits for Read to end.
func (l *Listing) find(ctx context.Context, key string) (*listed, error) {
	select {
	case <-l.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l.err != nil {
		return nil, l.err
	}
	return l.objects.Find(key), nil
}

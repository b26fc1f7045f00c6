package verify

import (
	"context"
	"unique"

	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/store"
	"firn/stages/store/index"
)

// A listing is what the store lists below a prefix. See package index for the odds that Quick
// misses an archive.
type listing struct {
	scope     *job.Scope
	picks     pick.Picks
	archives  *index.Index[listed]
	catalogue map[string]bool // keys of the objects of the catalogue
}

// listed is an archive in a listing.
type listed struct {
	etag  uint64 // hashed
	size  int64
	class unique.Handle[string]
	seen  bool // a run lists it
}

// newListing lists the store. Archives that can't hold what is picked are left out.
func newListing(ctx context.Context, m *job.Job, picks pick.Picks) (*listing, error) {
	scope, err := m.Scope(ctx)
	if err != nil {
		return nil, err
	}
	l := &listing{scope: scope, picks: picks, archives: index.New[listed](), catalogue: map[string]bool{}}
	err = m.Store.List(ctx, key.Prefix(m.Prefix), func(o store.Object) error {
		if m.Ledger.Has(o.Key) {
			l.catalogue[o.Key] = true
		}
		if ours, err := l.has(ctx, o.Key); err != nil {
			return err
		} else if ours {
			l.archives.Add(o.Key, listed{etag: l.archives.Hash(o.ETag), size: o.Size, class: unique.Make(o.Class)})
		}
		return nil
	})
	l.archives.Sort()
	return l, err
}

// has reports whether a key is that of an archive that belongs to the prefix, as far as is known, and
// may hold what is picked.
func (l *listing) has(ctx context.Context, k string) (bool, error) {
	whose, err := l.scope.Whose(ctx, k, l.picks)
	return whose != job.Theirs, err
}

// find returns what is listed under a key that a run lists, or nil.
func (l *listing) find(key string) *listed {
	o := l.archives.Find(key)
	if o != nil {
		o.seen = true
	}
	return o
}

// unseen reports whether some archive is in no run that was read.
func (l *listing) unseen() bool {
	for o := range l.archives.All() {
		if !o.seen {
			return true
		}
	}
	return false
}

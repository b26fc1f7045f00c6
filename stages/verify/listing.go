package verify

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/service/ledger"
	"firn/stages/store"
)

// A listing is what a store shows below a prefix, in forty bytes an archive:
// 64-bit hashes that are seeded anew each run stand for keys and tags. One
// missing key in 2^64/n is taken to be there by --quick; a HEAD is not deceived.
type listing struct {
	seed      maphash.Seed
	archives  []listed // by key
	classes   []string
	catalogue map[string]bool // keys of the objects of the catalogue
	deeper    []string        // see deeperPrefixes: what lies there is not listed
}

// listed is what a listing shows of one archive. The zero value: nothing.
type listed struct {
	key, etag uint64
	size      int64
	class     string // one of a few, whose text is shared
	seen      bool   // some run tells of the key
}

func (l listed) found() bool { return l.key != 0 }

// read lists a prefix. Archives that can't hold what is picked are left out.
func (l *listing) read(ctx context.Context, s store.Store, prefix string, picks pick.Picks) error {
	l.seed, l.catalogue = maphash.MakeSeed(), map[string]bool{}
	own := ledger.Dir(prefix)
	var err error
	if l.deeper, err = job.DeeperPrefixes(ctx, s, prefix); err != nil {
		return err
	}
	err = s.List(ctx, key.Prefix(prefix), func(o store.Object) error {
		if strings.HasPrefix(o.Key, own) {
			l.catalogue[o.Key] = true
		}
		if job.ListsArchive(prefix, o.Key, picks) && !job.LiesBelow(l.deeper, o.Key) {
			l.archives = append(l.archives, listed{key: l.hash(o.Key), etag: l.hash(o.ETag), size: o.Size, class: l.class(o.Class)})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("listing %s: %w", s.URL(), err)
	}
	slices.SortFunc(l.archives, func(a, b listed) int { return cmp.Compare(a.key, b.key) })
	return nil
}

func (l *listing) class(name string) string {
	for _, c := range l.classes {
		if c == name {
			return c
		}
	}
	l.classes = append(l.classes, name)
	return name
}

// hash never gives 0.
func (l *listing) hash(text string) uint64 { return maphash.String(l.seed, text) | 1 }

// find returns what is listed under a key, and notes that a run tells of it.
func (l *listing) find(key string) listed {
	i, found := slices.BinarySearchFunc(l.archives, l.hash(key), func(o listed, h uint64) int { return cmp.Compare(o.key, h) })
	if !found {
		return listed{}
	}
	l.archives[i].seen = true
	return l.archives[i]
}

// seen tells whether a run tells of a key that was listed; of others it says
// yes: they came after the listing.
func (l *listing) seen(key string) bool {
	i, found := slices.BinarySearchFunc(l.archives, l.hash(key), func(o listed, h uint64) int { return cmp.Compare(o.key, h) })
	return !found || l.archives[i].seen
}

// unseen is how many listed archives no run has told of so far.
func (l *listing) unseen() (n int) {
	for _, o := range l.archives {
		if !o.seen {
			n++
		}
	}
	return n
}

package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"firn/stages/format/codec"
	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/service/ledger"
	"firn/stages/store"
)

// IsArchive reports whether a backup makes objects with such a key.
func IsArchive(k string) bool {
	i := strings.LastIndex(k, ".tar.")
	return i >= 0 && codec.HasExt(k[i+len(".tar."):])
}

// ListsArchive reports whether an object is an archive below a prefix that may hold what is picked. The path can't be read
// from a shortened key, so that such an archive may hold anything.
func ListsArchive(prefix, k string, picks pick.Picks) bool {
	if !IsArchive(k) || strings.HasPrefix(k, ledger.Dir(prefix)) {
		return false
	}
	saved, _, ok := key.Path(prefix, k)
	return !ok || picks.MayHave(saved)
}

// DeeperPrefixes are the prefixes below a prefix that have a catalogue of their own, each ending in a slash. What lies
// there was saved with that longer prefix, and is no part of what was saved with this one. It costs a listing.
func DeeperPrefixes(ctx context.Context, s store.Store, prefix string) (deeper []string, err error) {
	own := ledger.Dir(prefix)
	err = s.List(ctx, key.Prefix(prefix), func(o store.Object) error {
		if !ledger.IsRun(o.Key) || strings.HasPrefix(o.Key, own) {
			return nil
		}
		i := strings.LastIndex(o.Key, "/.firn/")
		if i >= 0 && !slices.Contains(deeper, o.Key[:i+1]) {
			deeper = append(deeper, o.Key[:i+1])
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", s.URL(), err)
	}
	return deeper, nil
}

// LiesBelow reports whether a key has one of the prefixes.
func LiesBelow(prefixes []string, k string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(k, p) })
}

// A Newest passes on, of the objects whose keys differ only in what follows ".tar.", the one that was stored last. Objects
// are added in the order of their keys, so that only those are held whose beginning the next key shares.
type Newest struct {
	Emit  func(store.Object) error
	Older func(store.Object) // called for each of the others
	held  []store.Object
}

// stem is a key up to its algorithm.
func stem(k string) string { return k[:strings.LastIndex(k, ".tar.")+len(".tar.")] }

// Add takes the next object of a listing. Errors are those of Emit.
func (n *Newest) Add(o store.Object) error {
	if err := n.flush(o.Key); err != nil {
		return err
	}
	own := stem(o.Key)
	if i := slices.IndexFunc(n.held, func(h store.Object) bool { return stem(h.Key) == own }); i >= 0 {
		if o.Modified.Before(n.held[i].Modified) {
			o, n.held[i] = n.held[i], o
		}
		n.Older(n.held[i])
		n.held[i] = o
		return nil
	}
	n.held = append(n.held, o)
	return nil
}

// End passes on what is still held. listed is the error that the listing ended with.
func (n *Newest) End(listed error) error { return errors.Join(listed, n.flush("")) }

// flush passes on what the next key can't be newer than; "" ends it.
func (n *Newest) flush(next string) (err error) {
	n.held = slices.DeleteFunc(n.held, func(h store.Object) bool {
		if err != nil || next != "" && strings.HasPrefix(next, stem(h.Key)) {
			return false
		}
		err = n.Emit(h)
		return true
	})
	return err
}

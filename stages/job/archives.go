package job

import (
	"context"
	"errors"
	"slices"
	"strings"

	"firn/stages/format/codec"
	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/service/ledger"
	"firn/stages/store"
)

// IsArchive reports whether the key is that of an archive.
func IsArchive(k string) bool {
	i := strings.LastIndex(k, ".tar.")
	return i >= 0 && codec.HasExt(k[i+len(".tar."):])
}

// ListsArchive reports whether an object is an archive below a prefix that may hold what is picked. A
// shortened key does not show the path, so its archive may hold anything.
func ListsArchive(prefix, k string, picks pick.Picks) bool {
	if !IsArchive(k) || strings.HasPrefix(k, ledger.Dir(prefix)) {
		return false
	}
	saved, _, ok := key.Path(prefix, k)
	return !ok || picks.MayHave(saved)
}

// DeeperPrefixes returns the prefixes below a prefix that have a catalogue of their own, each ending
// in a slash. What is below them belongs to other backups. It costs a listing.
func DeeperPrefixes(ctx context.Context, s store.Store, prefix string) (deeper []string, err error) {
	own := ledger.Dir(prefix)
	err = s.List(ctx, key.Prefix(prefix), func(o store.Object) error {
		i := strings.LastIndex(o.Key, "/.firn/")
		if i >= 0 && ledger.IsRun(o.Key) && !strings.HasPrefix(o.Key, own) && !slices.Contains(deeper, o.Key[:i+1]) {
			deeper = append(deeper, o.Key[:i+1])
		}
		return nil
	})
	return deeper, err
}

// LiesBelow reports whether a key begins with one of the prefixes.
func LiesBelow(prefixes []string, k string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(k, p) })
}

// A Newest emits the object that was stored last of those whose keys differ only in what follows
// ".tar.". Objects are added in the order of their keys.
type Newest struct {
	Emit  func(store.Object) error
	Older func(store.Object) // called for each of the others
	held  []store.Object     // the next keys may begin as theirs do
}

// stem is a key up to ".tar.".
func stem(k string) string { return k[:strings.LastIndex(k, ".tar.")+len(".tar.")] }

// Add adds the next object of a listing. Errors are those of Emit.
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

// End emits what is still held. listed is the error that the listing ended with.
func (n *Newest) End(listed error) error { return errors.Join(listed, n.flush("")) }

// flush emits objects that the object with the next key can't replace. A next of "" emits all.
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

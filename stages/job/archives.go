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

// ErrNoMatch: none of the saved archives matches the paths that were asked for.
var ErrNoMatch = errors.New("nothing that was saved matches the paths")

// A NoArchivesError says that no archive has a prefix.
type NoArchivesError struct{ Store, Prefix string }

func (e *NoArchivesError) Error() string {
	return fmt.Sprintf("%s holds no archive below the prefix %q", e.Store, e.Prefix)
}

// NoArchives is the error of an operation that finds no archive.
func (m *Means) NoArchives() error { return &NoArchivesError{m.Store.URL(), key.Prefix(m.Prefix)} }

// A Scope decides which archives belong to a prefix.
type Scope struct {
	Prefix string
	Deeper []string // longer prefixes with a catalogue of their own, to which archives below them belong; each ends in a slash
}

// Scope returns the scope of the prefix. It costs a listing.
func (m *Means) Scope(ctx context.Context) (Scope, error) {
	s := Scope{Prefix: m.Prefix}
	own := ledger.Dir(m.Prefix)
	err := m.Store.List(ctx, key.Prefix(m.Prefix), func(o store.Object) error {
		if !ledger.IsRun(o.Key) || strings.HasPrefix(o.Key, own) {
			return nil
		}
		i := strings.LastIndex(o.Key, "/.firn/")
		if i >= 0 && !slices.Contains(s.Deeper, o.Key[:i+1]) {
			s.Deeper = append(s.Deeper, o.Key[:i+1])
		}
		return nil
	})
	return s, err
}

// Has reports whether a key is that of an archive in the scope that may hold what is picked. No
// path can be read from a shortened key: its archive may hold anything.
func (s *Scope) Has(k string, picks pick.Picks) bool {
	if !IsArchive(k) || strings.HasPrefix(k, ledger.Dir(s.Prefix)) || slices.ContainsFunc(s.Deeper, func(p string) bool { return strings.HasPrefix(k, p) }) {
		return false
	}
	saved, _, ok := key.Path(s.Prefix, k)
	return !ok || picks.MayHave(saved)
}

// A Listing says what becomes of the archives below a prefix.
type Listing struct {
	Wanted func(key string) bool    // whether an archive is listed
	Emit   func(store.Object) error // called for the archive of each path that was stored last
	Older  func(store.Object)       // called for the others
	Deeper func(prefix string)      // called once for each deeper prefix with archives, if any archive is wanted
}

// EachArchive lists the archives of the prefix.
func (m *Means) EachArchive(ctx context.Context, l Listing) error {
	newest := newest{emit: l.Emit, older: l.Older}
	var scope *Scope
	err := m.Store.List(ctx, key.Prefix(m.Prefix), func(o store.Object) error {
		if !IsArchive(o.Key) || !l.Wanted(o.Key) {
			return nil
		}
		if scope == nil {
			s, err := m.Scope(ctx)
			if err != nil {
				return err
			}
			for _, p := range s.Deeper {
				l.Deeper(p)
			}
			scope = &s
		}
		if !scope.Has(o.Key, nil) {
			return nil
		}
		return newest.add(o)
	})
	return errors.Join(err, newest.flush(""))
}

// newest passes on, of the objects whose keys differ only in what follows ".tar.", the one that was
// stored last. Objects are added in the order of their keys, so that few are held at a time.
type newest struct {
	emit  func(store.Object) error
	older func(store.Object) // called for each of the others
	held  []store.Object
}

// stem is a key up to its algorithm.
func stem(k string) string { return k[:strings.LastIndex(k, ".tar.")+len(".tar.")] }

// add takes the next object of a listing. Errors are those of emit.
func (n *newest) add(o store.Object) error {
	if err := n.flush(o.Key); err != nil {
		return err
	}
	own := stem(o.Key)
	if i := slices.IndexFunc(n.held, func(h store.Object) bool { return stem(h.Key) == own }); i >= 0 {
		if o.Modified.Before(n.held[i].Modified) {
			o, n.held[i] = n.held[i], o
		}
		n.older(n.held[i])
		n.held[i] = o
		return nil
	}
	n.held = append(n.held, o)
	return nil
}

// flush passes on what the next key can't be newer than; "" ends it.
func (n *newest) flush(next string) (err error) {
	n.held = slices.DeleteFunc(n.held, func(h store.Object) bool {
		if err != nil || next != "" && strings.HasPrefix(next, stem(h.Key)) {
			return false
		}
		err = n.emit(h)
		return true
	})
	return err
}

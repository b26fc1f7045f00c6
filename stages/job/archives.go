package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"firn/pipeline"
	"firn/stages/format/codec"
	"firn/stages/format/key"
	"firn/stages/format/record"
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

// A Listing says what becomes of the archives below a prefix.
type Listing struct {
	Wanted func(key string) bool // whether an archive is listed
	// Emit is called for the archive of each path that was stored last, of those that claim to be made
	// with the key file if there are any. doubtful says that it may
	// belong to a longer prefix, whose catalogue can't be read.
	Emit   func(o store.Object, doubtful bool) error
	Older  func(store.Object)  // called for the others
	Deeper func(prefix string) // called once for each longer prefix with a catalogue, if any archive is wanted
}

// EachArchive lists the archives of the prefix.
func (j *Job) EachArchive(ctx context.Context, l Listing) error {
	newest := newest{emit: l.Emit, older: l.Older, proven: func(o store.Object) (bool, error) { return j.claimsKey(ctx, o) }}
	var scope *Scope
	err := j.Store.List(ctx, key.Prefix(j.Prefix), func(o store.Object) error {
		if !IsArchive(o.Key) || !l.Wanted(o.Key) {
			return nil
		}
		if scope == nil {
			var err error
			if scope, err = j.Scope(ctx); err != nil {
				return err
			}
			for _, d := range scope.deeper {
				l.Deeper(d.prefix)
			}
		}
		whose, err := scope.Whose(ctx, o.Key, nil)
		if err != nil || whose == Theirs {
			return err
		}
		return newest.add(o, whose == Doubtful)
	})
	return errors.Join(err, newest.flush(""))
}

// claimsKey reports whether the metadata of an archive say that it was made with the key file. One
// that can't be asked for claims nothing. Errors are those of the store as a whole, or ctx's cause.
func (j *Job) claimsKey(ctx context.Context, o store.Object) (bool, error) {
	o, err := j.Store.Head(ctx, o.Key, "")
	if ctx.Err() != nil || pipeline.IsFatal(err) {
		return false, err
	}
	if err != nil {
		return false, nil
	}
	r, err := record.FromMeta(o.Meta)
	if err != nil || !r.HasProof() {
		return false, nil
	}
	mine, err := j.Keys.Mine(r.KeyID)
	return err == nil && mine, nil
}

// newest passes on, of the objects whose keys differ only in what follows ".tar.", the one that was
// stored last, of the proven ones if there are any. Objects are added in the order of their keys, so that few are held at a time.
type newest struct {
	emit  func(o store.Object, doubtful bool) error
	older func(store.Object) // called for each of the others
	// proven is called for each of several.
	proven func(store.Object) (bool, error)
	held   []held
}

type held struct {
	store.Object
	doubtful bool
	asked    bool
	proven   bool
}

// isBetter reports whether o, which was added later, takes the place of h.
func (n *newest) isBetter(o, h *held) (better bool, err error) {
	for _, one := range []*held{o, h} {
		if one.asked {
			continue
		}
		if one.proven, err = n.proven(one.Object); err != nil {
			return false, err
		}
		one.asked = true
	}
	if o.proven != h.proven {
		return o.proven, nil
	}
	return !o.Modified.Before(h.Modified), nil
}

// stem is a key up to its algorithm.
func stem(k string) string { return k[:strings.LastIndex(k, ".tar.")+len(".tar.")] }

// add takes the next object of a listing. Errors are those of emit and proven.
func (n *newest) add(o store.Object, doubtful bool) error {
	if err := n.flush(o.Key); err != nil {
		return err
	}
	own := stem(o.Key)
	if i := slices.IndexFunc(n.held, func(h held) bool { return stem(h.Key) == own }); i >= 0 {
		last := held{Object: o, doubtful: doubtful}
		better, err := n.isBetter(&last, &n.held[i])
		if err != nil {
			return err
		}
		if !better {
			last, n.held[i] = n.held[i], last
		}
		n.older(n.held[i].Object)
		n.held[i] = last
		return nil
	}
	n.held = append(n.held, held{Object: o, doubtful: doubtful})
	return nil
}

// flush passes on what the next key can't be newer than; "" ends it.
func (n *newest) flush(next string) (err error) {
	n.held = slices.DeleteFunc(n.held, func(h held) bool {
		if err != nil || next != "" && strings.HasPrefix(next, stem(h.Key)) {
			return false
		}
		err = n.emit(h.Object, h.doubtful)
		return true
	})
	return err
}

package job

import (
	"context"
	"slices"
	"strings"

	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
	"firn/stages/store"
)

// A Scope decides which archives belong to a prefix. Below it there may be longer prefixes, which
// look like directories of a tree: what belongs to those, their catalogues say.
type Scope struct {
	prefix string
	deeper []*deeper
}

// Whose says to which prefix an archive belongs.
type Whose int

// The answers.
const (
	Theirs   Whose = iota // to a longer prefix, or it can't hold what is picked, or it is no archive
	Ours                  // to the prefix of the scope
	Doubtful              // to a longer prefix whose catalogue can't be read, or to that of the scope
)

// deeper is a longer prefix with a catalogue.
type deeper struct {
	prefix string // ends in a slash
	ledger *ledger.Ledger
	runs   []catalogue.Run // the newest first
	cuts   *Cuts           // of those; nil until they are needed
	closed bool            // some runs can't be read
}

// Scope returns the scope of the prefix. It costs a listing.
func (j *Job) Scope(ctx context.Context) (*Scope, error) {
	s := &Scope{prefix: j.Prefix}
	own := ledger.Dir(j.Prefix)
	err := j.Store.List(ctx, key.Prefix(j.Prefix), func(o store.Object) error {
		if !ledger.IsRun(o.Key) || strings.HasPrefix(o.Key, own) {
			return nil
		}
		i := strings.LastIndex(o.Key, "/.firn/")
		if i < 0 || slices.ContainsFunc(s.deeper, func(d *deeper) bool { return d.prefix == o.Key[:i+1] }) {
			return nil
		}
		l := *j.Ledger
		l.Prefix = key.Given(o.Key[:i+1])
		s.deeper = append(s.deeper, &deeper{prefix: o.Key[:i+1], ledger: &l})
		return nil
	})
	return s, err
}

// Whose reports to whom a key belongs, if it is that of an archive that may hold what is picked. No
// path can be read from a shortened key: its archive may hold anything. Errors: those of the store as
// a whole, or ctx's cause.
func (s *Scope) Whose(ctx context.Context, k string, picks pick.Picks) (Whose, error) {
	if !IsArchive(k) || strings.HasPrefix(k, ledger.Dir(s.prefix)) {
		return Theirs, nil
	}
	if saved, _, ok := key.Path(s.prefix, k); ok && !picks.MayHave(saved) {
		return Theirs, nil
	}
	whose := Ours
	for _, d := range s.deeper {
		if !strings.HasPrefix(k, d.prefix) {
			continue
		}
		switch theirs, err := d.has(ctx, k); {
		case err != nil:
			return Theirs, err
		case theirs:
			return Theirs, nil
		case d.closed || d.cuts.closed:
			whose = Doubtful
		}
	}
	return whose, nil
}

// has reports whether a run of the prefix cut an archive.
func (d *deeper) has(ctx context.Context, k string) (bool, error) {
	if d.cuts == nil {
		runs, faults, err := d.ledger.Runs(ctx)
		if err != nil {
			return false, err
		}
		slices.Reverse(runs)
		d.runs, d.cuts, d.closed = runs, NewCuts(d.ledger, runs), len(faults) > 0
	}
	if !slices.ContainsFunc(d.runs, func(run catalogue.Run) bool { return couldCut(d.ledger.Prefix, &run, k) }) {
		return false, nil
	}
	return d.cuts.Has(ctx, k)
}

// couldCut reports whether a run of a prefix could have cut an archive of that key, by its backup
// path.
func couldCut(prefix string, run *catalogue.Run, k string) bool {
	path, _, ok := key.Path(prefix, k)
	return !ok || treepath.Within(run.Path, path)
}

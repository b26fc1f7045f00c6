package restore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
)

// A verdict says whether a list has an entry that is picked.
type verdict int8

const (
	unread verdict = iota // it can't be read, or is not at its place: its archive may hold anything
	picked
	notPicked
)

func (s *search) hash(at catalogue.Place, of catalogue.Owner, run int) uint64 {
	return maphash.Comparable(s.seed, struct {
		at  catalogue.Place
		of  catalogue.Owner
		run int
	}{at, of, run})
}

// spot is where a list begins, for which its length need not be known.
func (s *search) spot(at catalogue.Place) uint64 {
	at.Length = 0
	return maphash.Comparable(s.seed, at)
}

// undecided reports whether the list of a subtree is needed to decide whether an entry is wanted.
// decided says that newer runs do not matter for this.
func (s *search) undecided(line *catalogue.Subtree, decided bool) bool {
	return line.List != nil && s.picks.MayHave(line.Path) && !(decided && s.picks.Has(line.Path))
}

// mayHave reports whether an archive of the run i may have a wanted entry.
func (s *search) mayHave(i int, line *catalogue.Subtree, decided bool) bool {
	if s.undecided(line, decided) {
		return s.lists[s.hash(*line.List, line.Owner(), i)] != notPicked
	}
	return s.picks.MayHave(line.Path)
}

// A ManifestError says that the manifest of a run can't be read.
type ManifestError struct {
	Run string
	Err error
}

func (e *ManifestError) Error() string {
	return fmt.Sprintf("the manifest of run %s can't be read: %v", e.Run, e.Err)
}

// Unwrap returns the cause.
func (e *ManifestError) Unwrap() error { return e.Err }

// readManifests drops the runs whose manifest can't be read, and reads the lists of the others'
// subtrees where the path alone does not decide whether an entry is wanted. Each pack is fetched
// once.
func (s *search) readManifests(ctx context.Context) error {
	s.seed, s.lists, s.asked, s.pathless = maphash.MakeSeed(), map[uint64]verdict{}, map[uint64]bool{}, map[string]bool{}
	packs := map[string]int{} // how many lists of each are needed, by how many runs
	for i := 0; i < len(s.runs); {
		run := &s.runs[i].Run
		var asks []ask
		err := s.Ledger.Subtrees(ctx, *run, func(line catalogue.Subtree) error {
			asks = s.readLine(i, &line, asks)
			return nil
		})
		switch {
		case err == nil:
			for _, a := range asks {
				packs[a.pack]++
			}
			s.warn(*run)
			s.gaps.add(run)
			i++
			continue
		case ctx.Err() != nil || pipeline.IsFatal(err):
			return err
		case s.moment != (ledger.Moment{}):
			return pipeline.Fatal(&ManifestError{run.ID, err})
		}
		s.event(report.Event{Kind: report.NoCatalogue, Err: fmt.Errorf("%w; the newest archives below %s are restored instead", &ManifestError{run.ID, err}, run.BackupPath)})
		s.runs = slices.Delete(s.runs, i, i+1)
		for _, a := range asks {
			delete(s.lists, a.list)
		}
	}
	for pack, needed := range packs {
		err := s.readPack(ctx, pack, needed)
		if err != nil && ctx.Err() != nil || pipeline.IsFatal(err) {
			return err
		}
		if err != nil {
			s.event(report.Event{Kind: report.NoCatalogue, Key: pack, Err: fmt.Errorf("lists of entries can't be read, so their archives are read whole: %w", err)})
		}
	}
	s.tellGaps()
	return nil
}

// An ask is a list that a run needs.
type ask struct {
	list uint64
	pack string
}

// readLine notes what the line of a subtree in the run i tells of the search, and adds the list that
// is needed.
func (s *search) readLine(i int, line *catalogue.Subtree, asks []ask) []ask {
	if _, _, ok := key.Path(s.Prefix, line.Key); !ok {
		s.pathless[line.Key] = true
	}
	_, all, decided := s.newer(i, line)
	if all {
		return asks
	}
	if line.HasObject() {
		s.gaps.fill(&s.runs[i].Run, line.Path)
	}
	if !s.undecided(line, decided) {
		return asks
	}
	list := s.hash(*line.List, line.Owner(), i)
	if _, again := s.lists[list]; again {
		return asks
	}
	s.lists[list], s.asked[s.spot(*line.List)] = unread, true
	return append(asks, ask{list, line.List.Pack})
}

// readPack reads the lists in a pack that are needed. An error says that some remain unread.
func (s *search) readPack(ctx context.Context, key string, needed int) error {
	pack, err := s.Ledger.Pack(ctx, key)
	if err != nil {
		return err
	}
	defer pack.Close()
	err = pack.Lists(func(list ledger.PackedList) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !s.asked[s.spot(list.Start())] {
			return nil
		}
		found, err := s.wanted(list.ListReader)
		if err != nil {
			return err
		}
		place, owner := list.Place(), list.Owner()
		for i, v := range found {
			at := s.hash(place, owner, i)
			if was, needs := s.lists[at]; needs && was == unread && v != unread {
				s.lists[at] = v
				needed--
			}
		}
		return nil
	})
	if err == nil && needed > 0 {
		err = ledger.MisplacedError(needed)
	}
	return err
}

// wanted reads a list, and finds out for each run whether an entry of it is wanted, as far as newer
// runs do not show it.
func (s *search) wanted(list *catalogue.ListReader) ([]verdict, error) {
	members, found := treepath.MembersOf(list.Head.Path), make([]verdict, len(s.runs))
	for i, r := range s.runs {
		if treepath.Within(r.Run.Path, list.Head.Path) {
			found[i] = notPicked
		}
	}
	gaps := len(s.gaps.byPath) > 0
	for {
		e, err := list.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		path := members.Path(e.Path)
		has := s.picks.Has(path)
		for i, r := range s.runs {
			if found[i] == unread || !gaps && (!has || found[i] == picked) || ledger.Shown(s.runs[:i], r.Run.Path, path, e.Type == catalogue.Directory) {
				continue
			}
			s.gaps.fill(&r.Run, path)
			if has {
				found[i] = picked
			}
		}
	}
}

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
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/format/treepath"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// A search finds the archives that may hold what is picked: in the catalogue, and in the store
// those that the catalogue does not list, such as the old script's.
type search struct {
	*job.Job
	picks  pick.Picks
	moment ledger.Moment
	event  func(report.Event) // reports; not in every pass

	runs       []*ledger.Reach // whose manifests are read, the newest first; see ledger.Choose
	unfinished []catalogue.Run // the newest of backup paths without a complete run
	pathless   map[string]bool // keys in the manifests from which no path can be read
	gaps       gaps

	// What the lists decide where a path does not. Lists are hashed, with their owner and the run that
	// refers to one.
	seed  maphash.Seed
	lists map[uint64]verdict
	asked map[uint64]bool // the spots of those lists
}

// A verdict says whether a list has an entry that is picked.
type verdict int8

const (
	unread verdict = iota // it can't be read, or is not at its place: its archive may hold anything
	picked
	notPicked
)

// begin reads the catalogue. Without one, the archives that the store lists are all there is.
func (s *search) begin(ctx context.Context) error {
	all, faults, err := job.Runs(ctx, s.Ledger, s.Report)
	if err != nil {
		return err
	}
	s.reportFaults(faults)
	chosen, err := ledger.Choose(all, s.moment)
	if err != nil {
		return pipeline.Fatal(err)
	}
	s.runs = ledger.Reaches(chosen)
	if s.moment == (ledger.Moment{}) {
		s.warnOfUnfinished(all)
	}
	return s.readManifests(ctx)
}

// shown reports whether a run shows what becomes of an archive that no run lists. It was stored by
// an unfinished run, or before there was a catalogue.
func (s *search) shown(path string) bool {
	by := slices.IndexFunc(s.unfinished, func(run catalogue.Run) bool { return treepath.Within(run.Path, path) })
	for _, r := range s.runs {
		of := r.Run.Path
		if by >= 0 {
			of = s.unfinished[by].Path
		}
		if r.Has(of, path, true) || r.Run.Path == "." && treepath.Within(".", path) {
			return true
		}
	}
	return false
}

// warnOfUnfinished names backup paths without a complete run. What the store holds of them is
// restored, and may be incomplete.
func (s *search) warnOfUnfinished(all []catalogue.Run) {
	seen := map[string]bool{}
	for _, run := range slices.Backward(all) {
		if seen[run.Path] || run.Complete {
			seen[run.Path] = true
			continue
		}
		seen[run.Path] = true
		if ledger.Shown(s.runs, run.Path, run.Path, true) || !s.picks.MayHave(run.Path) {
			continue
		}
		s.unfinished = append(s.unfinished, run)
		s.event(report.Event{Kind: report.Warning, Text: fmt.Sprintf("no backup of %s is complete (the newest, %s: %s): what the store holds of it is restored, and may be incomplete", run.BackupPath, run.ID, run.Error)})
	}
}

// reportFaults reports runs that can't be read. Those of another key file, of which there may be
// one for each night, are one event.
func (s *search) reportFaults(faults []ledger.Fault) {
	others := 0
	var last ledger.Fault
	for _, f := range faults {
		if errors.Is(f.Err, encryption.ErrOtherKey) {
			others, last = others+1, f
			continue
		}
		s.event(report.Event{Kind: report.NoCatalogue, Key: f.Key, Err: fmt.Errorf("a run can't be read: %w", f.Err)})
	}
	if others > 0 {
		s.event(report.Event{Kind: report.NoCatalogue, Key: last.Key, Err: fmt.Errorf("runs that can't be read: %d; the last of them: %w", others, last.Err)})
	}
}

// warn reports what a run could not save.
func (s *search) warn(run catalogue.Run) {
	switch {
	case !run.Complete:
		s.event(report.Event{Kind: report.Warning, Text: fmt.Sprintf("run %s of %s is not complete (%s): what it did not reach is not restored", run.ID, run.BackupPath, run.Error)})
	case run.Faults > 0 || run.Changed > 0:
		s.event(report.Event{
			Kind: report.Warning, Problem: report.ProblemRunFaults, Run: run.ID,
			Text: fmt.Sprintf("in run %s, %d entries were not saved whole, and %d changed while they were read", run.ID, run.Faults, run.Changed),
		})
	}
}

// each calls fn for every archive that may hold what is picked. An error of fn ends it.
func (s *search) each(ctx context.Context, fn func(*item) error) error {
	for i, r := range s.runs {
		err := s.Ledger.Subtrees(ctx, r.Run, func(line catalogue.Subtree) error { return s.offer(i, &line, fn) })
		if err != nil {
			return err
		}
	}
	if s.moment != (ledger.Moment{}) {
		return nil
	}
	return s.EachArchive(ctx, job.Listing{
		Wanted: func(k string) bool {
			saved, _, ok := key.Path(s.Prefix, k)
			return !s.pathless[k] && (!ok || !s.shown(saved) && s.picks.MayHave(saved))
		},
		Emit: func(o store.Object, doubtful bool) error { return s.offerUnlisted(o, doubtful, fn) },
		Older: func(o store.Object) {
			s.event(report.Event{Kind: report.Warning, Key: o.Key, Text: "a newer archive of the same path has another compression: this one is not restored"})
		},
		Deeper: func(prefix string) {
			s.event(report.Event{Kind: report.Notice, Problem: report.ProblemDeeperPrefix, Key: prefix, Text: "this longer prefix has a catalogue of its own: archives that it lists are not restored"})
		},
	})
}

// newer returns the runs that are newer than an archive and may show some of it. all says that one
// of them shows all of it; decided, that what they show does not depend on its entries.
func (s *search) newer(i int, line *catalogue.Subtree) (newer []*ledger.Reach, all, decided bool) {
	of := s.runs[i].Run.Path
	decided = true
	for j, r := range s.runs {
		switch {
		case j == i || line.Status != catalogue.Failed && j > i:
			continue
		case line.Status == catalogue.Failed && j > i && (r.Run.Path == of || !r.Run.Started.After(line.Stored)):
			continue // its object is older than the run i, and may be older than other runs
		}
		switch r.Of(of, line.Path) {
		case ledger.All:
			return nil, true, true
		case ledger.Part:
			newer = append(newer, r)
			decided = decided && !treepath.Within(r.Run.Path, line.Path)
		}
	}
	return newer, false, decided
}

// offer passes the archive of a line of the run i on if it may hold what is wanted.
func (s *search) offer(i int, line *catalogue.Subtree, fn func(*item) error) error {
	newer, all, decided := s.newer(i, line)
	if all || !s.mayHave(i, line, decided) {
		return nil
	}
	switch {
	case !line.HasObject():
		if !s.gaps.filled(line.Path) {
			s.event(report.Event{Kind: report.Failed, Path: line.Path, Key: line.Key, Err: fmt.Errorf("that run did not save it, and no run did before: %s", line.Error)})
		}
		return nil
	case line.Status == catalogue.Failed:
		s.event(report.Event{Kind: report.Warning, Path: line.Path, Key: line.Key, Text: fmt.Sprintf("that run did not save it (%s): the archive of %s is restored", line.Error, line.Stored.Format("2006-01-02 15:04:05Z"))})
	}
	return fn(&item{
		Archive: prove.Archive{
			Line: *line, Record: line.Record(),
			Object: store.Object{Key: line.Key, Version: line.Version, Size: line.ObjectSize, Class: line.Class},
		},
		catalogued: true, of: s.runs[i].Run.Path, newer: newer,
	})
}

// ErrNoPath: the archive's key is shortened, and there is no catalogue that lists its path.
var ErrNoPath = errors.New("no path can be read from this key, and there is no catalogue")

// offerUnlisted passes an archive on that no run lists.
func (s *search) offerUnlisted(o store.Object, doubtful bool, fn func(*item) error) error {
	saved, _, ok := key.Path(s.Prefix, o.Key)
	switch {
	case ok:
		var newer []*ledger.Reach
		for _, r := range s.runs {
			if r.Of("", saved) == ledger.Part {
				newer = append(newer, r)
			}
		}
		return fn(&item{Archive: prove.Archive{Line: catalogue.Subtree{Path: saved, Key: o.Key}, Object: o}, newer: newer, doubtful: doubtful})
	case len(s.runs) == 0:
		s.event(report.Event{Kind: report.Failed, Key: o.Key, Path: o.Key, Err: ErrNoPath})
	default:
		s.event(report.Event{Kind: report.Warning, Key: o.Key, Text: "no path can be read from this key, and no run lists it: it is not restored"})
	}
	return nil
}

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
	s.tellGaps()
	for pack, needed := range packs {
		err := s.readPack(ctx, pack, needed)
		if err != nil && ctx.Err() != nil || pipeline.IsFatal(err) {
			return err
		}
		if err != nil {
			s.event(report.Event{Kind: report.NoCatalogue, Key: pack, Err: fmt.Errorf("lists of entries can't be read, so their archives are read whole: %w", err)})
		}
	}
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
		s.gaps.fill(&s.runs[i].Run, line.Path, line.Shell)
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
		for i, v := range found {
			if at := s.hash(list.Place(), list.Owner(), i); v != unread && s.lists[at] == unread {
				if _, ok := s.lists[at]; ok {
					s.lists[at] = v
					needed--
				}
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
	for {
		e, err := list.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		path := members.Path(e.Path)
		if !s.picks.Has(path) {
			continue
		}
		for i, r := range s.runs {
			if found[i] == notPicked && !ledger.Shown(s.runs[:i], r.Run.Path, path, e.Type == catalogue.Directory) {
				found[i] = picked
			}
		}
	}
}

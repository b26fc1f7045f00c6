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

	runs     []catalogue.Run // whose manifests are read, the newest first; see ledger.Choose
	pathless map[string]bool // keys in the manifests from which no path can be read

	// What the lists decide where a path does not. Places and owners of lists are hashed.
	seed  maphash.Seed
	lists map[uint64]verdict
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
	all, faults, err := s.Ledger.Runs(ctx)
	if err != nil {
		return err
	}
	s.reportFaults(faults)
	if s.runs, err = ledger.Choose(all, s.moment); err != nil {
		return pipeline.Fatal(err)
	}
	if s.moment == (ledger.Moment{}) {
		s.warnOfUnfinished(all)
	}
	return s.readManifests(ctx)
}

// covered reports whether a path lies within the backup path of one of the runs.
func covered(by []catalogue.Run, path string) bool {
	return slices.ContainsFunc(by, func(run catalogue.Run) bool { return treepath.Within(run.Path, path) })
}

// warnOfUnfinished names backup paths without a complete run. What the store holds of them is
// restored, and may be incomplete.
func (s *search) warnOfUnfinished(all []catalogue.Run) {
	seen := map[string]bool{}
	for _, run := range slices.Backward(all) {
		if covered(s.runs, run.Path) || seen[run.Path] || !s.picks.MayHave(run.Path) {
			continue
		}
		seen[run.Path] = true
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

// An UnlistedError says that a run could not list a directory: nothing in it is restored.
type UnlistedError struct{ Run, Cause string }

func (e *UnlistedError) Error() string {
	return fmt.Sprintf("run %s could not list this directory (%s): nothing in it is restored", e.Run, e.Cause)
}

// warn reports what a run could not save.
func (s *search) warn(run catalogue.Run) {
	switch {
	case !run.Complete:
		s.event(report.Event{Kind: report.Warning, Text: fmt.Sprintf("run %s of %s is not complete (%s): what it did not reach is not restored", run.ID, run.BackupPath, run.Error)})
	case len(run.CutFaults) > 0:
		for _, f := range run.CutFaults {
			if s.picks.MayHave(key.Clean(f.Path)) {
				s.event(report.Event{Kind: report.Entry, Path: f.Path, Err: &UnlistedError{run.ID, f.Error}})
			}
		}
	case run.Faults > 0 || run.Changed > 0:
		s.event(report.Event{
			Kind: report.Warning, Problem: report.ProblemRunFaults, Run: run.ID,
			Text: fmt.Sprintf("in run %s, %d entries were not saved whole, and %d changed while they were read", run.ID, run.Faults, run.Changed),
		})
	}
}

// each calls fn for every archive that may hold what is picked. An error of fn ends it.
func (s *search) each(ctx context.Context, fn func(*item) error) error {
	for i, run := range s.runs {
		err := s.Ledger.Subtrees(ctx, run, func(line catalogue.Subtree) error {
			if ledger.Covered(s.runs[:i], line.Path) {
				return nil
			}
			return s.offer(&line, s.runs[:i], fn)
		})
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
			return !s.pathless[k] && (!ok || !covered(s.runs, saved) && s.picks.MayHave(saved))
		},
		Emit: func(o store.Object) error { return s.offerUnlisted(o, fn) },
		Older: func(o store.Object) {
			s.event(report.Event{Kind: report.Warning, Key: o.Key, Text: "a newer archive of the same path has another compression: this one is not restored"})
		},
		Deeper: func(prefix string) {
			s.event(report.Event{Kind: report.Warning, Problem: report.ProblemDeeperPrefix, Key: prefix, Text: "archives below it were saved with this longer prefix, and are not restored"})
		},
	})
}

// newerIn are the backup paths of runs that lie within a subtree.
func newerIn(subtree string, runs []catalogue.Run) (paths []string) {
	for _, run := range runs {
		if run.Path != "." && run.Path != subtree && subtree != "." && treepath.Within(subtree, run.Path) {
			paths = append(paths, run.Path)
		}
	}
	return paths
}

// offer passes the archive of a line on if it may hold what is picked. newer are the runs that take
// precedence over the line's own.
func (s *search) offer(line *catalogue.Subtree, newer []catalogue.Run, fn func(*item) error) error {
	if !s.mayHave(line) {
		return nil
	}
	switch {
	case !line.HasObject():
		s.event(report.Event{Kind: report.Failed, Path: line.Path, Key: line.Key, Err: fmt.Errorf("that run did not save it, and no run did before: %s", line.Error)})
		return nil
	case line.Status == catalogue.Failed:
		s.event(report.Event{Kind: report.Warning, Path: line.Path, Key: line.Key, Text: fmt.Sprintf("that run did not save it (%s): the archive of %s is restored", line.Error, line.Stored.Format("2006-01-02 15:04:05Z"))})
	}
	return fn(&item{
		Archive: prove.Archive{
			Line: *line, Record: line.Record(),
			Object: store.Object{Key: line.Key, Version: line.Version, Size: line.ObjectSize, Class: line.Class},
		},
		catalogued: true, except: newerIn(line.Path, newer),
	})
}

// ErrNoPath: the archive's key is shortened, and there is no catalogue that lists its path.
var ErrNoPath = errors.New("no path can be read from this key, and there is no catalogue")

// offerUnlisted passes an archive on that no run lists.
func (s *search) offerUnlisted(o store.Object, fn func(*item) error) error {
	saved, _, ok := key.Path(s.Prefix, o.Key)
	switch {
	case ok:
		return fn(&item{Archive: prove.Archive{Line: catalogue.Subtree{Path: saved, Key: o.Key}, Object: o}, except: newerIn(saved, s.runs)})
	case len(s.runs) == 0:
		s.event(report.Event{Kind: report.Failed, Key: o.Key, Path: o.Key, Err: ErrNoPath})
	default:
		s.event(report.Event{Kind: report.Warning, Key: o.Key, Text: "no path can be read from this key, and no run lists it: it is not restored"})
	}
	return nil
}

func (s *search) hash(at catalogue.Place, of catalogue.Owner) uint64 {
	return maphash.Comparable(s.seed, struct {
		at catalogue.Place
		of catalogue.Owner
	}{at, of})
}

// undecided reports whether the list of a subtree decides whether an entry is picked.
func (s *search) undecided(path string) bool { return s.picks.MayHave(path) && !s.picks.Has(path) }

// mayHave reports whether an archive may have a picked entry.
func (s *search) mayHave(line *catalogue.Subtree) bool {
	if line.List != nil && s.undecided(line.Path) {
		return s.lists[s.hash(*line.List, line.Owner())] != notPicked
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
// subtrees where the path alone does not decide whether an entry is picked. Each pack is fetched
// once.
func (s *search) readManifests(ctx context.Context) error {
	s.seed, s.lists, s.pathless = maphash.MakeSeed(), map[uint64]verdict{}, map[string]bool{}
	packs := map[string]int{} // how many lists of each are needed
	var readable []catalogue.Run
	for _, run := range s.runs {
		err := s.Ledger.Subtrees(ctx, run, func(line catalogue.Subtree) error {
			if _, _, ok := key.Path(s.Prefix, line.Key); !ok {
				s.pathless[line.Key] = true
			}
			if line.List == nil || !s.undecided(line.Path) {
				return nil
			}
			list := s.hash(*line.List, line.Owner())
			if _, again := s.lists[list]; !again {
				s.lists[list] = unread
				packs[line.List.Pack]++
			}
			return nil
		})
		switch {
		case err == nil:
			s.warn(run)
			readable = append(readable, run)
		case ctx.Err() != nil || pipeline.IsFatal(err):
			return err
		case s.moment != (ledger.Moment{}):
			return pipeline.Fatal(&ManifestError{run.ID, err})
		default:
			s.event(report.Event{Kind: report.NoCatalogue, Err: fmt.Errorf("%w; the newest archives below %s are restored instead", &ManifestError{run.ID, err}, run.BackupPath)})
		}
	}
	s.runs = readable
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
		if !s.undecided(list.Head.Path) {
			return nil
		}
		members, found := treepath.MembersOf(list.Head.Path), notPicked
		for {
			e, err := list.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if found != picked && s.picks.Has(members.Path(e.Path)) {
				found = picked
			}
		}
		at := s.hash(list.Place(), list.Owner())
		if v, ok := s.lists[at]; ok && v == unread {
			s.lists[at] = found
			needed--
		}
		return nil
	})
	if err == nil && needed > 0 {
		err = ledger.MisplacedError(needed)
	}
	return err
}

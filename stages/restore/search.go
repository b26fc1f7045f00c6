package restore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"firn/pipeline"
	"firn/stages/format/catalogue"
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
	expect string             // see Options.ExpectRun
	event  func(report.Event) // reports; not in every pass

	runs       []*ledger.Reach   // whose manifests are read, the newest first; see ledger.Choose
	unfinished []catalogue.Run   // the newest of backup paths without a complete run
	superseded *job.Cuts         // of the runs that are not chosen
	past       *job.Past         // of all runs
	pathless   map[string]bool   // keys in the manifests from which no path can be read
	retired    map[string]string // key ids that a run took the place of
	gaps       gaps

	// What the lists decide where a path does not. Lists are hashed, with their owner and the run that
	// refers to one.
	seed  maphash.Seed
	lists map[uint64]verdict
	asked map[uint64]bool // the spots of those lists
}

// begin reads the catalogue. Without one, the archives that the store lists are all there is.
func (s *search) begin(ctx context.Context) error {
	all, faults, breaks, err := job.Runs(ctx, s.Ledger, s.Report)
	if err != nil {
		return err
	}
	if err := job.WrongKey(s.Ledger, all, faults); err != nil {
		return pipeline.Fatal(err)
	}
	job.WarnOfBreaks(s.Ledger, breaks, s.Report)
	if s.expect != "" {
		if err := ledger.Expect(all, faults, s.expect); err != nil {
			return pipeline.Fatal(err)
		}
	}
	s.reportFaults(faults)
	s.retired = ledger.RetiredKeys(all)
	chosen, err := ledger.Choose(all, s.moment)
	if err != nil {
		return pipeline.Fatal(err)
	}
	s.past = job.NewPast(s.Ledger, all)
	s.runs = ledger.Reaches(chosen)
	s.tellMore(all)
	others := slices.DeleteFunc(slices.Clone(all), func(run catalogue.Run) bool {
		return slices.ContainsFunc(chosen, func(c catalogue.Run) bool { return c.ID == run.ID })
	})
	slices.Reverse(others)
	s.superseded = job.NewCuts(s.Ledger, others)
	if s.moment == (ledger.Moment{}) {
		s.warnOfUnfinished(all)
	}
	return s.readManifests(ctx)
}

// shown reports whether a run shows what becomes of an archive that no chosen run lists. It was stored
// by a run that did not end, by one that is not chosen, or before there was a catalogue. leftOut says
// that a run was told to leave it out: it is gone from the newest state if an older run lists it.
func (s *search) shown(path string) (shown, leftOut bool) {
	of := ""
	if by := slices.IndexFunc(s.unfinished, func(run catalogue.Run) bool { return treepath.Within(run.Path, path) }); by >= 0 {
		of = s.unfinished[by].Path
	}
	for _, r := range s.runs {
		if r.Has(of, path, true) || r.Run.Path == "." && treepath.Within(".", path) {
			return true, false
		}
		leftOut = leftOut || of == "" && r.Has(r.Run.Path, path, true)
	}
	return false, leftOut
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

// reportFaults reports runs that can't be read.
func (s *search) reportFaults(faults []ledger.Fault) {
	for _, f := range faults {
		s.event(report.Event{Kind: report.NoCatalogue, Key: f.Key, Err: fmt.Errorf("a run can't be read: %w", f.Err)})
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
			shown, _ := s.shown(saved)
			return !s.pathless[k] && (!ok || !shown && s.picks.MayHave(saved))
		},
		Emit: func(o store.Object, doubtful bool) error { return s.offerUnlisted(ctx, o, doubtful, fn) },
		Older: func(o store.Object) {
			s.event(report.Event{Kind: report.Warning, Key: o.Key, Text: "another archive of the same path is newer, or alone has an HMAC of this key file: this one is not restored"})
		},
		Deeper: func(prefix string) {
			s.event(report.Event{Kind: report.Notice, Problem: report.ProblemDeeperPrefix, Key: prefix, Text: "this longer prefix has a catalogue of its own: archives that it lists are not restored"})
		},
	})
}

// newer returns the runs that are newer than the run i and may show some of an archive of it. all says
// that one of them shows all of it; decided, that what they show does not depend on its entries.
func (s *search) newer(i int, line *catalogue.Subtree) (newer []*ledger.Reach, all, decided bool) {
	decided = true
	for _, r := range s.runs[:i] {
		switch r.Of(s.runs[i].Run.Path, line.Path) {
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
	by := s.gaps.filler(line.Path)
	switch {
	case line.Status == catalogue.Failed && by != nil && by != &s.runs[i].Run:
		s.event(report.Event{Kind: report.Warning, Path: line.Path, Key: line.Key, Text: fmt.Sprintf("that run did not save it (%s): what run %s saved of it is restored", line.Error, by.ID)})
		return nil
	case !line.HasObject():
		s.event(report.Event{Kind: report.Failed, Path: line.Path, Key: line.Key, Err: fmt.Errorf("that run did not save it, and no run did before: %s", line.Error)})
		return nil
	case line.Status == catalogue.Failed:
		s.event(report.Event{Kind: report.Warning, Path: line.Path, Key: line.Key, Text: fmt.Sprintf("that run did not save it (%s): the archive of %s is restored", line.Error, line.Stored.Format("2006-01-02 15:04:05Z"))})
	}
	if e, partial := job.PartialEvent(line); partial {
		s.event(e)
	}
	return fn(&item{
		Archive: prove.Archive{
			Line: *line, Record: line.Record(),
			Object: store.Object{Key: line.Key, Version: line.Version, Size: line.ObjectSize, Class: line.Class},
		},
		run: &s.runs[i].Run, of: s.runs[i].Run.Path, newer: newer, halves: halvesOf(line),
	})
}

// ErrNoPath: the archive's key is shortened, and there is no catalogue that lists its path.
var ErrNoPath = errors.New("no path can be read from this key, and there is no catalogue")

// offerUnlisted passes an archive on that no run lists.
func (s *search) offerUnlisted(ctx context.Context, o store.Object, doubtful bool, fn func(*item) error) error {
	saved, _, ok := key.Path(s.Prefix, o.Key)
	if _, leftOut := s.shown(saved); ok && leftOut {
		if old, err := s.superseded.Has(ctx, o.Key); old || err != nil {
			return err
		}
	}
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

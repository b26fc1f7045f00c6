package restore

import (
	"fmt"
	"slices"

	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/treepath"
	"firn/stages/service/report"
)

// gaps are what chosen runs could not save, by path. Older runs may have it.
type gaps struct {
	byPath map[string]*gap
}

// A gap is a directory that a run could not list, or a subtree that it could not save.
type gap struct {
	run   *catalogue.Run
	fault *catalogue.Fault // of a directory
	by    *catalogue.Run   // the newest older run that has something of it; nil: none
}

// An UnlistedError says that a run could not list a directory: nothing in it is restored.
type UnlistedError struct{ Run, Cause string }

func (e *UnlistedError) Error() string {
	return fmt.Sprintf("run %s could not list this directory (%s): nothing in it is restored", e.Run, e.Cause)
}

// add adds what a run could not save.
func (g *gaps) add(run *catalogue.Run) {
	for i := range run.CutFaults {
		if f := &run.CutFaults[i]; f.Kind != catalogue.FaultVanished {
			g.put(key.Clean(f.Path), &gap{run: run, fault: f})
		}
	}
	for _, l := range run.Left {
		switch l.Why {
		case catalogue.Unsaved, catalogue.Kept:
			g.put(l.Path, &gap{run: run})
		case catalogue.Unlisted:
			g.put(l.Path, &gap{run: run, fault: &catalogue.Fault{Path: l.Path, Error: "the catalogue does not say why"}})
		}
	}
}

func (g *gaps) put(path string, new *gap) {
	if g.byPath == nil {
		g.byPath = map[string]*gap{}
	}
	if g.byPath[path] == nil { // else a newer run's
		g.byPath[path] = new
	}
}

// fill notes that a run has an archive, or an entry of one, at a path. Whether an archive above a gap
// has something of it, only its entries tell; a directory alone is nothing of what is in it.
func (g *gaps) fill(run *catalogue.Run, path string) {
	if at := g.byPath[path]; at != nil && at.fault == nil {
		at.fill(run)
	}
	for up := range treepath.Above(path) {
		g.byPath[up].fill(run)
	}
}

func (g *gap) fill(run *catalogue.Run) {
	if g != nil && g.by == nil && g.run != run {
		g.by = run
	}
}

// filler is the run that has something of what is at a path, and nil if there is none or no gap.
func (g *gaps) filler(path string) *catalogue.Run {
	if gap := g.byPath[path]; gap != nil {
		return gap.by
	}
	return nil
}

// tellGaps reports the directories that a run could not list. Where an older run has something of
// one, that is restored.
func (s *search) tellGaps() {
	for path, g := range s.gaps.byPath {
		if g.fault == nil || !s.picks.MayHave(path) {
			continue
		}
		e := report.Event{Kind: report.Entry, Path: g.fault.Path, Err: &UnlistedError{g.run.ID, g.fault.Error}}
		if g.by != nil {
			e = report.Event{Kind: report.Warning, Path: g.fault.Path, Text: fmt.Sprintf("run %s could not list this directory (%s): what run %s saved of it is restored", g.run.ID, g.fault.Error, g.by.ID)}
		}
		s.event(e)
	}
}

// A MoreError says that a run left out more than the catalogue names. What older runs hold of that is
// not restored.
type MoreError struct{ Run string }

func (e *MoreError) Error() string {
	return fmt.Sprintf("run %s left out more than the catalogue names: what older runs hold of the rest is not restored", e.Run)
}

// tellMore reports runs of which the catalogue does not name all that they left out, where an older
// run may hold some of it.
func (s *search) tellMore(all []catalogue.Run) {
	if s.moment.Run != "" {
		return
	}
	for _, r := range s.runs {
		failures := r.Run.Failed > 0 || len(r.Run.CutFaults) >= catalogue.MaxFaults
		if r.Run.LeftMore && slices.ContainsFunc(all, func(older catalogue.Run) bool {
			return older.ID != r.Run.ID && older.Complete && treepath.Within(r.Run.Path, older.Path) && (failures || older.Path != r.Run.Path)
		}) {
			s.event(report.Event{Kind: report.Entry, Path: r.Run.BackupPath, Err: &MoreError{r.Run.ID}})
		}
	}
}

package restore

import (
	"fmt"
	"slices"

	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
)

// gaps are what chosen runs could not save, by path. Older runs may have it.
type gaps struct {
	byPath map[string]*gap
	above  map[string]bool // directories above them
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
		if l.Why == catalogue.Unsaved {
			g.put(l.Path, &gap{run: run})
		}
	}
}

func (g *gaps) put(path string, new *gap) {
	if g.byPath == nil {
		g.byPath, g.above = map[string]*gap{}, map[string]bool{}
	}
	if g.byPath[path] == nil { // else a newer run's
		g.byPath[path] = new
	}
	for up := range treepath.Above(path) {
		g.above[up] = true
	}
}

// fill notes that a run has an archive of a subtree.
func (g *gaps) fill(run *catalogue.Run, subtree string, shell bool) {
	if g.above[subtree] && !shell {
		for path, gap := range g.byPath {
			if treepath.Within(subtree, path) {
				gap.fill(run)
			}
		}
	}
	g.byPath[subtree].fill(run)
	for up := range treepath.Above(subtree) {
		g.byPath[up].fill(run)
	}
}

func (g *gap) fill(run *catalogue.Run) {
	if g != nil && g.by == nil && g.run != run {
		g.by = run
	}
}

// filled reports whether an older run has something of what is at a path.
func (g *gaps) filled(path string) bool {
	gap := g.byPath[path]
	return gap != nil && gap.by != nil
}

// tellGaps reports the directories that a run could not list. Where an older run has something of
// one, that is restored. It also reports what can't be told.
func (s *search) tellGaps() {
	for i, r := range s.runs {
		if r.Run.LeftMore && slices.ContainsFunc(s.runs[i:], func(older *ledger.Reach) bool {
			return older.Run.Path != r.Run.Path && treepath.Within(r.Run.Path, older.Run.Path)
		}) {
			s.event(report.Event{Kind: report.Warning, Problem: report.ProblemRunFaults, Run: r.Run.ID, Text: fmt.Sprintf("run %s left out more than the catalogue names: what older runs hold of the rest is not restored", r.Run.ID)})
		}
	}
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

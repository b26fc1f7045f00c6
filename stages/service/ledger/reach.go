package ledger

import (
	"firn/stages/format/catalogue"
	"firn/stages/format/exclude"
	"firn/stages/format/key"
	"firn/stages/format/treepath"
)

// A Reach is what a run shows of a tree: all below its backup path, but what it left out. What a
// run did not see, another run may show.
//
// A run of the same backup path takes the place of the one before it: what it was told to leave out
// is gone from the newest state, and in the older run; only what it failed to save is still the
// older run's. Against a run of another backup path, what was left out by a pattern, a cache's tag
// or a file system counts too: that run may be there for just this.
type Reach struct {
	Run catalogue.Run

	failed  Area // could not be saved
	told    Area // was to be left out, or could not be read into an archive
	exclude exclude.List
	lacks   []lack
}

// A lack is a member of failed or told.
type lack struct {
	path   string
	failed bool
	inside bool // what is in the directory; it itself is there
	shell  bool // the directory alone, or, if files, with what is in it directly and is no directory
	files  bool
}

// An Extent is how much of a part of a tree a run shows.
type Extent int

// Extents.
const (
	Nothing Extent = iota
	Part           // perhaps not all
	All
)

// NewReach returns what a run shows.
func NewReach(run catalogue.Run) *Reach {
	r := &Reach{Run: run}
	for _, line := range run.Exclude {
		_ = r.exclude.Add(line) // the run has used it
	}
	for _, f := range run.CutFaults {
		if f.Kind == catalogue.FaultVanished {
			continue
		}
		path := key.Clean(f.Path)
		r.failed.AddInside(path, false)
		r.lacks = append(r.lacks, lack{path: path, failed: true, inside: true})
	}
	for _, l := range run.Left {
		lacks := lack{path: l.Path}
		switch l.Why {
		case catalogue.Unsaved, catalogue.Kept:
			lacks.failed, lacks.shell, lacks.files = true, l.Shell, l.Shell && ShellHasFiles(run, l.Path)
			r.failed.Add(run, l.Path, l.Shell)
		case catalogue.Unlisted:
			lacks.failed, lacks.inside = true, true
			r.failed.AddInside(l.Path, false)
		case catalogue.InCache, catalogue.OtherSystem:
			lacks.inside = true
			r.told.AddInside(l.Path, l.Why == catalogue.InCache)
		default:
			r.told.Add(run, l.Path, l.Shell)
		}
		r.lacks = append(r.lacks, lacks)
	}
	return r
}

// Reaches returns what each of the runs shows.
func Reaches(runs []catalogue.Run) []*Reach {
	all := make([]*Reach, len(runs))
	for i, run := range runs {
		all[i] = NewReach(run)
	}
	return all
}

// below returns a path relative to the backup path, if it lies within it. The relative backup path
// "." has nothing of other backup paths: its keys look like theirs.
func (r *Reach) below(of, name string) (rel string, ok bool) {
	top := r.Run.Path
	if top == "." && of != "." || !treepath.Within(top, name) {
		return "", false
	}
	switch {
	case name == top:
		return "", true
	case top == "/" || top == ".":
		return name, true
	}
	return name[len(top)+1:], true
}

// Has reports whether the run shows what an older run of the backup path of holds under a path, or
// that it is gone.
func (r *Reach) Has(of, name string, directory bool) bool {
	rel, ok := r.below(of, name)
	switch {
	case !ok || r.failed.Has(name, directory):
		return false
	case of == r.Run.Path:
		return true
	}
	return !r.told.Has(name, directory) && !r.exclude.LeavesOut(rel, directory)
}

// Of reports how much the run shows of what an older run of the backup path of holds at a path and
// below.
func (r *Reach) Of(of, name string) Extent {
	rel, ok := r.below(of, name)
	other := of != r.Run.Path
	switch {
	case !ok && other && r.Run.Path != "." && name != "." && treepath.Within(name, r.Run.Path):
		return Part
	case !ok, r.failed.Holds(name), other && (r.told.Holds(name) || r.exclude.LeavesOut(rel, true)):
		return Nothing
	case r.failed.Touches(name), other && (r.told.Touches(name) || r.exclude.MayLeaveOutBelow(rel)):
		return Part
	}
	return All
}

// LacksShellOnly reports whether the run saved everything below a directory, but not its shell.
func (r *Reach) LacksShellOnly(dir string) bool { return r.failed.hasShellOnly(dir) }

// superseded reports whether newer runs together show all that an older one may hold.
func superseded(older catalogue.Run, newer []*Reach) bool {
	var parts []*Reach
	for _, r := range newer {
		if _, covers := r.below(older.Path, older.Path); !covers || older.Path == "." && r.Run.Path != "." {
			continue // of the keys of "." nobody knows where they lie
		}
		switch r.Of(older.Path, older.Path) {
		case All:
			return true
		case Part:
			parts = append(parts, r)
		}
	}
	if len(parts) == 0 {
		return false
	}
	own := NewReach(older)
	for _, r := range parts {
		if r.Run.Path != older.Path && !r.exclude.Empty() {
			continue // its patterns may leave out anything
		}
		for _, l := range r.lacks {
			if (l.failed || r.Run.Path != older.Path) && own.mayHold(l) && lackedByAll(parts, older.Path, l.path) {
				return false
			}
		}
		return true
	}
	return false
}

// mayHold reports whether an archive of the run may have something of what another run lacks.
func (r *Reach) mayHold(l lack) bool {
	rel, ok := r.below(r.Run.Path, l.path)
	return (ok || treepath.Within(l.path, r.Run.Path)) && !r.failed.covers(l) && !r.told.covers(l) && !r.exclude.LeavesOut(rel, true)
}

// covers reports whether all that is lacked is in the area.
func (a *Area) covers(l lack) bool {
	cache, inside := a.inside[l.path]
	files, shell := a.shells[l.path]
	return l.inside && inside && !cache || l.shell && shell && (files || !l.files) || a.Holds(l.path)
}

func lackedByAll(parts []*Reach, of, path string) bool {
	for _, r := range parts {
		if r.Of(of, path) == All {
			return false
		}
	}
	return true
}

// Shown reports whether one of the runs has, in the sense of Reach.Has, what an older run of the
// backup path of holds under a path.
func Shown(newer []*Reach, of, name string, directory bool) bool {
	for _, r := range newer {
		if r.Has(of, name, directory) {
			return true
		}
	}
	return false
}

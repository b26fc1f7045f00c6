package backup

import (
	"context"
	"fmt"

	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/archive"
)

// A book is where is written what becomes of subtrees, once each, and what there is to tell of them
// until then. That of a plain run is its journal: the catalogue, the state file and the report.
type book interface {
	// tell tells of something that ends nothing.
	tell(s *subtree, e report.Event)
	// fault notes an entry that is not in the archive of s as it is on disk.
	fault(s *subtree, f archive.Fault)
	// count adds to what the run counts.
	count(s *subtree, c counts)
	// began notes an upload of s before the first part of it is sent, beside what the state file notes.
	began(s *subtree, u *state.Upload) error
	// hasPack reports whether the pack of a list of s is in the store, so that it can be read.
	hasPack(s *subtree, pack string) bool

	// saved ends a subtree whose archive was stored. Like identical, it sets the place of its list.
	saved(ctx context.Context, s *subtree, entry *state.Entry)
	// identical ends a subtree whose archive was made, and found in the store.
	identical(ctx context.Context, s *subtree, entry *state.Entry)
	// leftOut ends a subtree that no archive can hold.
	leftOut(s *subtree)
	// putAside ends a shell that has to wait for all others first. It is dropped already. The error is
	// pipeline.ErrStopped if nothing waits any more.
	putAside(s *subtree) error
	// failed ends a subtree that was not saved. It is dropped already.
	failed(s *subtree, why error)
}

// counts are what the work on one subtree adds to the totals, beside what its events do.
type counts struct {
	ReadAgain int64 `json:"read_again,omitempty"`
	Resumed   int64 `json:"resumed,omitempty"` // uploads, like the last two
	Spared    int64 `json:"spared,omitempty"`  // bytes
	Aborted   int64 `json:"aborted,omitempty"`
	Left      int64 `json:"left,omitempty"`
}

var _ book = (*journal)(nil)

// maxOthers is of how many objects that are not those that were recorded a run warns one by one.
const maxOthers = 100

func (j *journal) tell(_ *subtree, e report.Event) {
	switch e.Problem {
	case report.ProblemNoList, report.ProblemMD5Alone:
		j.warnOnce(e)
		return
	case report.ProblemNotRecorded:
		n := j.others.Add(1)
		if n > maxOthers+1 {
			return
		}
		if n > maxOthers {
			e.Text += ", and so are more, which are not named"
		}
	}
	j.Report.Event(e)
}

// fault reports the entry, and keeps it for the manifest.
func (j *journal) fault(s *subtree, f archive.Fault) {
	e := s.noted(f)
	if _, reported := j.backup.cutFaults.Load(f.Path); reported && f.What == archive.Unreadable {
		return
	}
	if f.What == archive.Unreadable {
		j.leave(catalogue.Left{Path: key.Clean(f.Path), Why: catalogue.Unreadable})
	}
	s.allFaults++
	fault := catalogue.Fault{Path: f.Path, Kind: string(f.What), Error: f.Err.Error(), Read: f.Read}
	s.faultSize += len(fault.Path) + len(fault.Error)
	if len(s.faults) < catalogue.MaxFaults && s.faultSize <= faultBytes {
		s.faults = append(s.faults, fault)
	}
	j.Report.Event(e)
}

// noted notes an entry that is not in the archive of s as it is on disk, and returns what tells of it.
func (s *subtree) noted(f archive.Fault) report.Event {
	s.unread.add(f)
	e := report.Event{Kind: report.Entry, Path: f.Path, Key: s.Key, Err: f.Err}
	switch f.What {
	case archive.Changed:
		e.Kind = report.Changed
	case archive.Skipped:
		e.Kind = report.Left
	}
	return e
}

// faultBytes bounds what the faults of one subtree take in a manifest: paths may be long.
const faultBytes = 1 << 20

func (j *journal) count(_ *subtree, c counts) { c.addTo(j.Totals) }

func (c *counts) addTo(t *report.Totals) {
	t.ReadAgain.Add(c.ReadAgain)
	t.UploadsResumed.Add(c.Resumed)
	t.SparedBytes.Add(c.Spared)
	t.UploadsAborted.Add(c.Aborted)
	t.UploadsLeft.Add(c.Left)
}

func (j *journal) began(*subtree, *state.Upload) error { return nil }

func (j *journal) hasPack(_ *subtree, pack string) bool { return j.packs[pack] }

func (j *journal) saved(ctx context.Context, s *subtree, entry *state.Entry) {
	entry.List = j.addList(ctx, s, s.record.MD5)
	j.settle(ctx, s, catalogue.Saved, entry)
}

// identical keeps the list that was made with the stored archive, if the store has it.
func (j *journal) identical(ctx context.Context, s *subtree, entry *state.Entry) {
	if !j.packs[entry.List.Pack] {
		entry.List = j.addList(ctx, s, entry.Record.MD5)
	}
	j.settle(ctx, s, catalogue.Identical, entry)
}

// settle writes the line of a subtree that the store has now, and reports it.
func (j *journal) settle(ctx context.Context, s *subtree, status catalogue.Status, entry *state.Entry) {
	j.add(ctx, j.line(s, status, entry), entry.List)
	j.remember(s, *entry)
	kind := report.Saved
	if status == catalogue.Identical {
		kind = report.Identical
	}
	s.report(kind)
	j.shells.ended(s, !entry.Partial || j.options.ReplacePartial)
}

func (j *journal) leftOut(s *subtree) {
	j.Totals.DoneSubtrees.Add(1)
	j.shells.ended(s, true)
}

func (j *journal) putAside(s *subtree) error { return j.shells.putAside(s) }

func (j *journal) failed(s *subtree, why error) {
	j.lacks(s, why)
	j.shells.ended(s, false)
	if s.Shell {
		why = fmt.Errorf("the directory's own entry and plain files: %w", why)
	}
	j.Report.Event(report.Event{Kind: report.Failed, Path: s.String(), Key: s.Key, Source: s.scan.Bytes, Err: why})
}

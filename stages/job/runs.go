package job

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
)

// Runs reads the runs of a catalogue, the oldest first, those that can't be read, and where their
// chains do not hold. If there are any of this key file, those of another one are no fault: r is told
// of them once, and of those of a key file that a run took the place of.
func Runs(ctx context.Context, l *ledger.Ledger, r report.Reporter) (all []catalogue.Run, faults []ledger.Fault, breaks []ledger.Break, err error) {
	all, faults, err = l.Runs(ctx)
	if err != nil || len(all) == 0 {
		return all, faults, nil, err
	}
	breaks = ledger.Breaks(all, faults)
	var replaced, others foreign
	last, retired := lastSaved(all), ledger.RetiredKeys(all)
	faults = slices.DeleteFunc(faults, func(f ledger.Fault) bool {
		if !errors.Is(f.Err, encryption.ErrOtherKey) {
			return false
		}
		id := ledger.RunOf(f.Key)
		if e, ok := errors.AsType[*encryption.OtherKeyError](f.Err); ok && retired[e.KeyID] != "" && !ledger.IsNewer(id, retired[e.KeyID]) {
			replaced.add(id)
		} else {
			others.add(id)
		}
		return true
	})
	if replaced.count > 0 {
		r.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("runs of a key file that was replaced, which this one can't read: %d; the last of them is %s", replaced.count, replaced.newest)})
	}
	if others.count > 0 {
		e := report.Event{Kind: report.Notice, Text: fmt.Sprintf("runs of another key file, which this one can't read: %d; the last of them is %s", others.count, others.newest)}
		if ledger.IsNewer(others.newest, last.ID) {
			e.Kind, e.Problem = report.Warning, report.ProblemOtherKeyRuns
			e.Text += fmt.Sprintf(", which is newer than the last of %s that it can read, %s", catalogue.Escape(last.Path), last.ID)
		}
		r.Event(e)
	}
	return all, faults, breaks, nil
}

// WrongKey is the error of a catalogue of which the key file opens no run, as runs and faults of Runs
// say; nil if it opens one, or if nothing was made with another one.
func WrongKey(l *ledger.Ledger, runs []catalogue.Run, faults []ledger.Fault) error {
	other := func(f ledger.Fault) bool { return errors.Is(f.Err, encryption.ErrOtherKey) }
	if len(runs) > 0 || !slices.ContainsFunc(faults, other) {
		return nil
	}
	return fmt.Errorf("the catalogue in %s was %w than the one given", l.Store.URL(), encryption.ErrOtherKey)
}

// BreakEvent is a break that is damage of the catalogue.
func BreakEvent(l *ledger.Ledger, b ledger.Break) report.Event {
	problems := map[ledger.BreakKind]report.Problem{
		ledger.Gone: report.ProblemRunGone, ledger.Exchanged: report.ProblemRunReplaced, ledger.Forked: report.ProblemFork,
	}
	run := b.Run
	if b.Kind == ledger.Forked {
		run = b.By[len(b.By)-1]
	}
	return report.Event{Kind: report.Catalogue, Key: l.RunKey(run), Run: run, Problem: problems[b.Kind], Err: b, Text: b.Meaning()}
}

// WarnOfBreaks reports breaks to who reads the catalogue: as warnings, as notices where only more old
// runs are gone than before, and not at all where a later run knows of them.
func WarnOfBreaks(l *ledger.Ledger, breaks []ledger.Break, r report.Reporter) {
	for _, b := range breaks {
		e := BreakEvent(l, b)
		e.Kind, e.Key, e.Err, e.Text = report.Warning, "", nil, b.Error()+": "+b.Meaning()
		if b.Moved {
			e.Kind = report.Notice
		}
		if !b.Noted {
			r.Event(e)
		}
	}
}

// lastSaved is the newest run of the backup path that was not saved for the longest time. Each path's
// newest run can be made unreadable by whoever overwrites it.
func lastSaved(all []catalogue.Run) (last catalogue.Run) {
	newest := map[string]bool{}
	for _, run := range slices.Backward(all) {
		if !newest[run.Path] {
			newest[run.Path], last = true, run
		}
	}
	return last
}

// foreign counts runs of other key files.
type foreign struct {
	count  int
	newest string
}

func (f *foreign) add(id string) { f.count, f.newest = f.count+1, max(f.newest, id) }

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

// Runs reads the runs of a catalogue, the oldest first, and those that can't be read. If there are
// any of this key file, those of another one are no fault: r is told of them once.
func Runs(ctx context.Context, l *ledger.Ledger, r report.Reporter) (all []catalogue.Run, faults []ledger.Fault, err error) {
	all, faults, err = l.Runs(ctx)
	if err != nil || len(all) == 0 {
		return all, faults, err
	}
	others, newest := 0, ""
	faults = slices.DeleteFunc(faults, func(f ledger.Fault) bool {
		if !errors.Is(f.Err, encryption.ErrOtherKey) {
			return false
		}
		others, newest = others+1, max(newest, ledger.RunOf(f.Key))
		return true
	})
	if others == 0 {
		return all, faults, nil
	}
	e := report.Event{Kind: report.Notice, Text: fmt.Sprintf("runs of another key file, which this one can't read: %d; the last of them is %s", others, newest)}
	if last := all[len(all)-1].ID; newest > last {
		e.Kind, e.Problem = report.Warning, report.ProblemOtherKeyRuns
		e.Text += ", which is newer than the last that it can read, " + last
	}
	r.Event(e)
	return all, faults, nil
}

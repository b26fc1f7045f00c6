package verify

import (
	"context"

	"firn/stages/format/key"
	"firn/stages/service/recovery"
	"firn/stages/service/report"
)

// checkRecovery compares the recovery files with those of this firn: who runs a forged one gives
// away the key file.
func (v *verify) checkRecovery(ctx context.Context) {
	found, err := recovery.Check(ctx, v.Store, key.Prefix(v.Prefix), v.Keys)
	for _, f := range found {
		e := report.Event{Kind: report.Warning, Key: f.Key, Problem: report.ProblemRecovery, Err: f}
		switch f.State {
		case recovery.Current, recovery.Earlier:
			continue
		case recovery.Different, recovery.Foreign:
			e.Kind, e.Text = report.Catalogue, "the archives can be restored"
		}
		v.Report.Event(e)
	}
	if err != nil && ctx.Err() == nil {
		v.Report.Event(report.Event{Kind: report.Failed, Path: "the recovery files", Err: err})
	}
}

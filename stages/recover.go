package stages

import (
	"context"

	"firn/stages/format/key"
	"firn/stages/service/recovery"
	"firn/stages/service/report"
)

// leaveRecovery stores what opens the archives without firn, before the first
// of them is there. Archives are worth saving without it.
func (b *backup) leaveRecovery(ctx context.Context) {
	if b.DryRun {
		return
	}
	if err := recovery.Leave(ctx, b.Store, key.Prefix(b.Walk.Prefix)); err != nil && ctx.Err() == nil {
		b.Report.Event(report.Event{Kind: report.Warning, Text: "the archives are saved, but what tells how to open them without firn is not with them as it should be", Err: err})
	}
}

package stages

import (
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// progressOf is how far a run has come that has one budget of memory and one of spool.
func progressOf(run *pipeline.Run, started time.Time, memory, spooled *pipeline.Budget) report.Progress {
	p := report.Progress{Elapsed: time.Since(started), Stages: run.Counters(), MemoryLimit: memory.Size(), SpoolLimit: spooled.Size()}
	p.MemoryUsed, _ = memory.Used()
	p.SpoolUsed, _ = spooled.Used()
	return p
}

// summaryOf is what such a run says at its end.
func summaryOf(p report.Progress, memory, spooled *pipeline.Budget, err error) report.Summary {
	s := report.Summary{Progress: p, Bottleneck: pipeline.Bottleneck(p.Stages), Err: err}
	_, s.MemoryPeak = memory.Used()
	_, s.SpoolPeak = spooled.Used()
	return s
}

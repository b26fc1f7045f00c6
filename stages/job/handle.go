package job

import (
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// A Handle is a started operation. Wait must be called.
type Handle struct {
	job    *Job
	halted atomic.Bool
	waits  func() *report.Waits
	merge  func(*report.Progress) // adds what is known of a run on many hosts
	finish func(end error, s *report.Summary) error
}

// Handle returns the handle of a job whose stages are running. waits says what the operation waits
// for; nil if it never waits. When the stages have ended, finish is called with the cause if they
// ended early. It returns the error for the summary, and may set the summary's Run and DryRun.
func (j *Job) Handle(waits func() *report.Waits, finish func(end error, s *report.Summary) error) *Handle {
	return &Handle{job: j, waits: waits, finish: finish}
}

// Stop ends the operation softly: it takes no new work, and finishes what is in flight.
func (h *Handle) Stop() {
	h.halted.Store(true)
	h.job.Run.Stop()
}

// Progress may be called at any time.
func (h *Handle) Progress() report.Progress {
	p := h.Own()
	if h.merge != nil {
		h.merge(&p)
	}
	return p
}

// Own is the Progress of this process alone.
func (h *Handle) Own() report.Progress {
	j := h.job
	p := report.Progress{
		Elapsed: time.Since(j.Started), Stages: j.Run.Counters(),
		MemoryLimit: j.MemoryLimit, SpoolLimit: j.Spooled.Size(),
		Stopping: h.halted.Load(), Load: j.Works.Load(), Now: j.Works.Now(),
	}
	p.Sent, p.Received = j.Traffic.Now()
	p.MemoryUsed, _ = j.memory()
	p.SpoolUsed, _ = j.Spooled.Used()
	if h.waits != nil {
		p.Waits = h.waits()
	}
	return p
}

// memory adds up what both budgets of memory hold now, and the most that each held.
func (j *Job) memory() (used, peak int64) {
	used, peak = j.Memory.Used()
	if j.Blocks != nil {
		u, p := j.Blocks.Used()
		used, peak = used+u, peak+p
	}
	return used, peak
}

// Wait waits for the end. The summary's Err is nil if the operation reached its end,
// pipeline.ErrStopped if Stop left something, else the cause: a fault of the run, or that of Start's ctx. The
// totals count failures of single items.
func (h *Handle) Wait() report.Summary {
	j := h.job
	var s report.Summary
	s.Err = h.finish(j.Run.Wait(), &s)
	j.Close()
	s.Progress = h.Progress()
	_, s.MemoryPeak = j.memory()
	_, s.SpoolPeak = j.Spooled.Used()
	s.Bottleneck = pipeline.Bottleneck(s.Stages)
	return s
}

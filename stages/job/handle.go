package job

import (
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// A Handle is an operation that was started. Wait must be called.
type Handle struct {
	job    *Job
	waits  func() *report.Waits
	finish func(end error, s *report.Summary) error
}

// Handle returns the handle of a job whose stages are running. finish is called once they have ended, with the cause if they
// ended early, and returns the cause that the summary shows; it may fill in the summary's Run and DryRun. waits tells what the
// operation waits for; nil if it never does.
func (j *Job) Handle(waits func() *report.Waits, finish func(end error, s *report.Summary) error) *Handle {
	return &Handle{job: j, waits: waits, finish: finish}
}

// Stop ends the operation softly: nothing new is taken, and what is in flight is finished.
func (h *Handle) Stop() { h.job.Run.Stop() }

// Progress may be called at any time.
func (h *Handle) Progress() report.Progress {
	j := h.job
	p := report.Progress{
		Elapsed: time.Since(j.Started), Stages: j.Run.Counters(),
		MemoryLimit: j.MemoryLimit, SpoolLimit: j.Spooled.Size(),
	}
	p.MemoryUsed, _ = j.memory()
	p.SpoolUsed, _ = j.Spooled.Used()
	if h.waits != nil {
		p.Waits = h.waits()
	}
	return p
}

// memory is what both budgets of memory hold now, and held at most.
func (j *Job) memory() (used, peak int64) {
	used, peak = j.Memory.Used()
	if j.Blocks != nil {
		u, p := j.Blocks.Used()
		used, peak = used+u, peak+p
	}
	return used, peak
}

// Wait waits for the end. The summary's Err is nil if the operation came to its end, pipeline.ErrStopped after Stop, else the
// cause: a fault of the run, or that of Start's ctx. What failed of single items is in the totals.
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

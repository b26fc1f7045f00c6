package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/hosts"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/stage/extract"
)

// Options say what to restore, where to, and with what means.
type Options struct {
	job.Means
	Target    *os.Root   // everything is written below it, at the path it was saved from
	File      *File      // in place of Target and Picks: one file, whose content is written to a stream
	Picks     pick.Picks // nil: everything
	Moment    ledger.Moment
	ExpectRun string // the newest run must be this one or come after it, or nothing is restored; "" for any
	Overwrite extract.Overwrite
	Owners    bool // restore owners; needs root
	Unproven  bool // restore archives that nothing proves too, but nothing that could do harm
	DryRun    bool
	Thaw      Thaw   // what to do with cold archives
	Limits    Limits // of each archive
	Workers   job.Workers
	// Hosts leads a run for workers on any hosts, which see the target under some path; nil: this
	// process does all. It needs a Target. The run gets an id of its own.
	Hosts *hosts.Options
}

// restore is a restore under way.
type restore struct {
	*job.Job
	options   Options
	prover    *prove.Prover
	extractor *extract.Extractor
	search    *search
	shelf     *ledger.Shelf
	thawer    *thawer // nil in a worker
	lead      *lead   // of many hosts; nil: this is none
	worker    *worker // of a lead; nil: this is none

	unprovenOnce, standsInOnce, besideOnce sync.Once

	print struct {
		sync.Mutex
		done bool // the file was written
	}

	stages struct{ find, compare, lookup, publish, take, fetch, decrypt, extract, settle *pipeline.Stage }
}

// Start makes everything ready and starts the restore.
func Start(ctx context.Context, o Options) (*job.Handle, error) {
	if err := prove.Enough(o.Means); err != nil {
		return nil, err
	}
	if o.File != nil {
		if err := o.File.check(); err != nil {
			return nil, err
		}
		o.Picks = pick.Exact(o.File.Path)
	}
	if o.Hosts != nil {
		h := *o.Hosts
		h.Run = ledger.NewID(time.Now())
		o.Hosts = &h
	}
	j, err := job.Open(o.Means, 0, 0)
	if err != nil {
		return nil, err
	}
	r := &restore{Job: j, options: o, shelf: j.Shelf(), thawer: newThawer(j, o.Thaw, o.DryRun)}
	r.begin(ctx)
	h := r.Handle(r.thawer.Waits, r.finish)
	if o.Hosts != nil {
		if err := r.takeLead(ctx, h); err != nil {
			r.Run.Fail(err)
			_ = r.Run.Wait()
			j.Close()
			return nil, err
		}
	}
	r.flow()
	return h, nil
}

// begin adds the stages.
func (r *restore) begin(ctx context.Context) {
	r.Begin(ctx, r.fault)
	s, o := &r.stages, &r.options
	s.find = r.Run.Stage(report.StageFind, 1)
	s.compare = r.Run.Stage(report.StageCompare, o.Workers.Read).TakesNew()
	s.lookup = r.Asking(report.StageLookup).TakesNew()
	extracts := extract.Options{Target: o.Target, Overwrite: o.Overwrite, Owners: o.Owners, Report: r.entry}
	if o.Hosts == nil {
		r.beginBringing()
	} else {
		s.publish = r.Run.Stage(report.StagePublish, 1).TakesNew()
		s.settle = r.Run.Stage(report.StageRecord, 1)
		extracts.Run = o.Hosts.Run
	}
	if !o.DryRun {
		r.Works = report.NewWorks(report.StageFetch, report.StageExtract)
	}
	r.extractor = extract.New(extracts)
	r.search = &search{Job: r.Job, picks: o.Picks, moment: o.Moment, expect: o.ExpectRun, event: r.Report.Event}
}

// beginBringing adds the stages of bring.
func (r *restore) beginBringing() {
	s, w := &r.stages, r.options.Workers
	s.fetch, s.decrypt = r.Reading(w)
	s.extract = r.Run.Stage(report.StageExtract, w.Read)
	s.settle = r.Run.Stage(report.StageSettle, 1)
	r.prover = prove.New(r.Job, s.fetch, s.decrypt)
}

// entry reports an entry that was not restored whole.
func (r *restore) entry(f extract.Fault) {
	r.Report.Event(report.Event{Kind: report.Entry, Path: f.Path, Err: f.Err})
}

// finish sets times and modes of directories, and reports what is left to thaw.
func (r *restore) finish(end error, s *report.Summary) error {
	s.DryRun = r.options.DryRun
	r.thawer.Finish()
	if end == nil && r.thawer.waits() { // since a soft stop
		end = pipeline.ErrStopped
	}
	if r.lead != nil {
		r.lead.end(end)
	}
	if err := r.extractor.Finish(); err != nil {
		end = errors.Join(end, fmt.Errorf("finishing files and directories: %w", err))
	}
	r.shelf.Close()
	if r.options.File != nil && end == nil {
		return r.notWritten()
	}
	return end
}

// fault reports an archive that was not restored.
func (r *restore) fault(f pipeline.Fault) {
	e := report.Event{Kind: report.Failed, Path: fmt.Sprint(f.Item), Err: f.Err, Problem: prove.ProblemOf(f.Err)}
	if e.Problem == report.ProblemUnproven {
		e.Kind = report.Unproven
	}
	if a, ok := f.Item.(*item); ok {
		e.Key = a.Line.Key
	}
	r.Report.Event(e)
}

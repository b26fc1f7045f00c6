package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
)

// Options say for which prefix the catalogue is rebuilt, and with what means.
type Options struct {
	job.Means
	ReadData   bool // read the archives without a list of their entries, unless they are cold
	Workers    job.Workers
	Host, Firn string           // the host and the version of firn, for the catalogue
	Now        func() time.Time // when the run begins and ends; nil is time.Now
}

// rebuild is a rebuild under way.
type rebuild struct {
	*job.Job
	options Options
	prover  *prove.Prover
	writer  *ledger.Writer
	past    *job.Past                      // of the runs that can be read
	volumes map[string]bool                // keys of the catalogue's objects when the rebuild began
	lists   map[catalogue.Owner]*foundList // set by find before it emits anything

	mu     sync.Mutex
	run    catalogue.Run // with the sums of its lines
	missed int64         // archives that have no line

	stages struct{ find, lookup, fetch, decrypt, walk *pipeline.Stage }
}

// Start makes everything ready and starts the rebuild.
func Start(ctx context.Context, o Options) (*job.Handle, error) {
	if err := prove.Enough(o.Means); err != nil {
		return nil, err
	}
	volume, volumes := o.VolumeLimit()
	j, err := job.Open(o.Means, 0, volumes)
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &rebuild{Job: j, options: o, lists: map[catalogue.Owner]*foundList{}}
	// Every path, for the run has all archives in the store.
	r.run = catalogue.Run{Started: o.Now().UTC(), Host: o.Host, Firn: o.Firn, Rebuilt: true, BackupPath: "/", Path: "/"}
	if err := r.reportRuns(ctx); err != nil {
		r.Close()
		return nil, err
	}
	id := ledger.NewID(r.run.Started)
	r.writer = r.Ledger.Begin(id, volume)
	r.begin(ctx)
	r.flow()
	return r.Handle(nil, func(end error, s *report.Summary) error {
		stored, err := r.finish(ctx, end)
		if stored {
			s.Run = id
		}
		return err
	}), nil
}

// reportRuns reports what becomes of the runs in the catalogue.
func (r *rebuild) reportRuns(ctx context.Context) error {
	all, faults, breaks, err := job.Runs(ctx, r.Ledger, r.Report)
	if err != nil {
		return err
	}
	job.WarnOfBreaks(r.Ledger, breaks, r.Report)
	r.past = job.NewPast(r.Ledger, all)
	r.run.Chain = ledger.Link(all, faults, r.run.Path)
	for _, f := range faults {
		if errors.Is(f.Err, encryption.ErrOtherKey) {
			r.Report.Event(report.Event{Kind: report.Warning, Key: f.Key, Text: "this run can't be read, and is kept as it is", Err: f.Err})
			continue
		}
		r.Report.Event(report.Event{Kind: report.Warning, Key: f.Key, Text: "this run can't be read, and is retired: nothing looks for it any more", Err: f.Err})
		r.run.Retired = append(r.run.Retired, f.Key)
	}
	for _, run := range all {
		r.run.Number = max(r.run.Number, run.Number)
	}
	r.run.Number++
	if err := r.retireGone(ctx, all); err != nil {
		return err
	}
	if lost := len(breaks) > 0 || len(faults) > 0; len(all) == 0 || lost {
		r.Report.Event(report.Event{Kind: report.Notice, Text: "which archives lack what could not be read is known of those alone that a run in the catalogue lists: others count as whole"})
	}
	r.Totals.Checks.Runs.Store(int64(len(all)))
	if len(all) > 0 {
		r.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("runs in the catalogue that can be read: %d; they are kept. Until the next backup, the newest state is the rebuilt one, with all archives in the store, also those whose subtrees were removed before the last run", len(all))})
	}
	return nil
}

// retireGone retires the volumes of runs that the store lost.
func (r *rebuild) retireGone(ctx context.Context, all []catalogue.Run) (err error) {
	if r.volumes, err = r.Ledger.Volumes(ctx); err != nil {
		return err
	}
	for _, run := range all {
		for _, key := range slices.Concat(run.Manifest, run.Packs) {
			if !r.volumes[key] {
				r.run.Retired = append(r.run.Retired, key)
			}
		}
	}
	return nil
}

func (r *rebuild) begin(ctx context.Context) {
	r.Begin(ctx, func(f pipeline.Fault) { r.fault(ctx, f) })
	s, w := &r.stages, r.options.Workers
	s.find = r.Run.Stage(report.StageFind, 1)
	s.lookup = r.Asking(report.StageLookup).TakesNew()
	s.fetch, s.decrypt = r.Reading(w)
	s.walk = r.Run.Stage(report.StageWalk, w.Read)
	if r.options.ReadData {
		r.Works = report.NewWorks(report.StageFetch, report.StageWalk)
	}
	r.prover = prove.New(r.Job, s.fetch, s.decrypt)
}

// fault reports an archive that is not in the catalogue as good. A damaged one gets a line that
// says so, one that could not be read gets none.
func (r *rebuild) fault(ctx context.Context, f pipeline.Fault) {
	a := f.Item.(*item)
	e := report.Event{Kind: report.Failed, Path: a.Line.Path, Key: a.Line.Key, Err: f.Err, Problem: prove.ProblemOf(f.Err), Stored: a.Object.Size}
	switch {
	case e.Problem == report.ProblemKey:
		e.Kind = report.OtherKey
	case e.Problem != "":
		e.Kind = report.Damaged
		line := catalogue.Subtree{Path: a.Line.Path, Key: a.Line.Key, Status: catalogue.Failed, Error: f.Err.Error()}
		if err := r.writer.Add(ctx, line); err != nil {
			r.Run.Fail(err)
			return
		}
		r.count(&line)
	default:
		r.mu.Lock()
		r.missed++
		r.mu.Unlock()
	}
	if !a.read {
		r.Totals.UnreadBytes.Add(a.Object.Size)
	}
	r.Report.Event(e)
}

// count counts a line.
func (r *rebuild) count(s *catalogue.Subtree) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.run.Subtrees++
	if s.Status == catalogue.Failed {
		r.run.Failed++
		return
	}
	r.run.Unchanged++
	if s.Adopted {
		r.run.Adopted++
		r.Totals.Adopted.Add(1)
	}
	r.run.Entries += s.Entries
	r.run.Bytes += s.Bytes
	if s.List != nil {
		r.Totals.Checks.WithList.Add(1)
	}
}

// errNoneGood: a run without an archive would only hide the runs that have some.
var errNoneGood = errors.New("no archive could be added to the catalogue, for the reasons above, and nothing was written")

// finish stores the run, and reports whether it is in the store.
func (r *rebuild) finish(ctx context.Context, end error) (stored bool, err error) {
	run := &r.run
	if end == nil {
		end = context.Cause(ctx)
	}
	stopped := errors.Is(end, pipeline.ErrStopped)
	switch {
	case end == nil && run.Unchanged == 0 && r.Totals.Checks.OtherKey.Load() > 0:
		end = fmt.Errorf("no archive could be added to the catalogue: what is in %s was %w than the one given", r.Store.URL(), encryption.ErrOtherKey)
	case end == nil && run.Subtrees+r.missed == 0:
		end = fmt.Errorf("there is nothing to rebuild the catalogue from: %w", r.NoArchives())
	case end == nil && run.Unchanged == 0:
		end = errNoneGood
	}
	if ctx.Err() != nil || run.Unchanged == 0 || end != nil && !stopped {
		r.writer.Discard()
		return false, end
	}
	if stopped {
		run.Error = "it was stopped"
	} else if r.missed > 0 {
		run.Error = fmt.Sprintf("archives that could not be read: %d", r.missed)
	}
	run.Ended, run.Complete = r.options.Now().UTC(), run.Error == ""
	if err := r.writer.Finish(ctx, *run); err != nil {
		return false, errors.Join(end, fmt.Errorf("storing the catalogue: %w", err))
	}
	if gap := r.past.Gap(); gap != nil {
		r.Report.Event(report.Event{Kind: report.Warning, Text: "not all that the runs list can be read: whether what is in the store was put back is not known of all archives", Err: gap})
	}
	return true, end
}

package rebuild

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
)

// Options say of which prefix the catalogue is to be made again, and with what means.
type Options struct {
	job.Means
	// ReadData reads the archives whose entries nothing else tells, where they
	// can be read at once.
	ReadData bool

	Workers job.Workers

	// Host and Firn are noted in the catalogue: where it was made again, and by
	// which version of firn.
	Host, Firn string
	// Now is asked when the run begins and ends; nil is time.Now. Runs are in
	// the order of their beginnings, to the second.
	Now func() time.Time
}

// rebuild is a rebuilding under way.
type rebuild struct {
	*job.Job
	options Options
	prover  *prove.Prover
	writer  *ledger.Writer
	id      string                 // of the run; "" once it is known that it will not be stored
	begun   time.Time              // as it is noted
	lists   map[[16]byte]foundList // find fills it before it emits anything

	mu     sync.Mutex
	sums   catalogue.Run // what is counted of its lines
	missed int64         // archives that are not in it

	stages struct{ find, lookup, fetch, decrypt, walk *pipeline.Stage }
}

// Start makes everything ready and starts the rebuilding.
func Start(ctx context.Context, o Options) (*job.Handle, error) {
	if err := prove.Enough(o.Means); err != nil {
		return nil, err
	}
	volume, volumes := o.VolumeLimit()
	j, err := job.Open(o.Means, 0, volumes)
	if err != nil {
		return nil, err
	}
	r := &rebuild{Job: j, options: o, lists: map[[16]byte]foundList{}}
	if r.options.Now == nil {
		r.options.Now = time.Now
	}
	r.begun = r.options.Now().UTC()
	if err := r.tellOfRuns(ctx); err != nil {
		r.Close()
		return nil, err
	}
	r.id = ledger.NewID(r.begun)
	r.writer = r.Ledger.Begin(r.id, volume)
	r.begin(ctx)
	r.flow()
	return r.Handle(nil, func(end error, s *report.Summary) error {
		err := r.finish(ctx, end)
		if err != nil && !errors.Is(err, pipeline.ErrStopped) {
			r.id = ""
		}
		s.Run = r.id
		return err
	}), nil
}

// tellOfRuns says what becomes of the runs that can still be read.
func (r *rebuild) tellOfRuns(ctx context.Context) error {
	all, faults, err := r.Ledger.Runs(ctx)
	if err != nil {
		return err
	}
	for _, f := range faults {
		r.Report.Event(report.Event{Kind: report.Warning, Key: f.Key, Text: "this run can't be read, and stays as it is", Err: f.Err})
	}
	r.Totals.Checks.Runs.Store(int64(len(all)))
	if len(all) > 0 {
		r.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("the catalogue still has runs that can be read: %d; they stay. Until the next backup the newest state is the one that is made now, with all archives that the store holds: those too whose subtrees were gone in the last run", len(all))})
	}
	return nil
}

func (r *rebuild) begin(ctx context.Context) {
	r.Begin(ctx, func(f pipeline.Fault) { r.fault(ctx, f) })
	s, w := &r.stages, r.options.Workers
	s.find = r.Run.Stage("find", 1)
	s.lookup = r.Run.Stage("lookup", job.LookupWorkers).TakesNew()
	s.fetch = r.Run.Stage("fetch", w.Fetch)
	s.decrypt = r.Run.Stage("decrypt", w.Decrypt).TakesNew()
	s.walk = r.Run.Stage("walk", w.Read)
	r.prover = prove.New(r.Job, s.fetch, s.decrypt)
}

// fault tells of an archive that is not entered as good: one that is damaged
// has a line that says so, one that could not be looked at has none.
func (r *rebuild) fault(ctx context.Context, f pipeline.Fault) {
	a := f.Item.(*kept)
	kind := report.Failed
	if problem := prove.ProblemOf(f.Err); problem != "" {
		kind = report.Damaged
		line := catalogue.Subtree{Path: a.Line.Path, Key: a.Line.Key, Status: catalogue.Failed, Error: f.Err.Error()}
		if err := r.writer.Add(ctx, line); err != nil {
			r.Run.Fail(err)
			return
		}
		r.count(&line)
	} else {
		r.mu.Lock()
		r.missed++
		r.mu.Unlock()
	}
	if !a.read {
		r.Totals.UnreadBytes.Add(a.Object.Size)
	}
	r.Report.Event(report.Event{Kind: kind, Path: a.Line.Path, Key: a.Line.Key, Err: f.Err, Problem: prove.ProblemOf(f.Err), Stored: a.Object.Size})
}

// count counts a line.
func (r *rebuild) count(s *catalogue.Subtree) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sums.Subtrees++
	if s.Status == catalogue.Failed {
		r.sums.Failed++
		return
	}
	r.sums.Unchanged++
	r.sums.Entries += s.Entries
	r.sums.Bytes += s.Bytes
	if s.List != nil {
		r.Totals.Checks.WithList.Add(1)
	}
}

var (
	// errNothing: there is nothing to make a catalogue of.
	errNothing = errors.New("there is nothing to make a catalogue of")
	// errNoneGood: a run that holds nothing would only stand in the way of those that do.
	errNoneGood = errors.New("no archive could be entered, for the reasons named above, and nothing was written")
)

// finish stores the run. It covers every path: a state is all that the store
// holds.
func (r *rebuild) finish(ctx context.Context, end error) error {
	run := r.sums
	run.Started, run.Ended = r.begun, r.options.Now().UTC()
	run.Host, run.Firn, run.Rebuilt = r.options.Host, r.options.Firn, true
	run.BackupPath, run.Path = "/", "/"
	switch {
	case ctx.Err() != nil || end != nil && !errors.Is(end, pipeline.ErrStopped):
		r.writer.Discard()
		return end
	case end == nil && run.Subtrees+r.missed == 0:
		r.writer.Discard()
		return fmt.Errorf("%w: %s holds no archive below the prefix %q; check --bucket-name and --prefix", errNothing, r.Store.URL(), key.Prefix(r.Prefix))
	case run.Unchanged == 0:
		r.writer.Discard()
		r.id = ""
		if end == nil {
			end = errNoneGood
		}
		return end
	case end != nil:
		run.Error = "it was stopped"
	case r.missed > 0:
		run.Error = fmt.Sprintf("%d archives could not be looked at", r.missed)
	}
	run.Complete = run.Error == ""
	if err := r.writer.Finish(ctx, run); err != nil {
		return errors.Join(end, fmt.Errorf("storing the catalogue: %w", err))
	}
	return end
}

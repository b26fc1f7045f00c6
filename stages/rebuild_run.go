package stages

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/stage/fetch"
	"firn/stages/store"
)

// Rebuild says of which prefix the catalogue is to be made again, and with what
// means. What is passed stays the caller's, who closes it after Wait.
type Rebuild struct {
	Prefix string // of the keys
	// ReadData reads the archives whose entries nothing else tells, where they
	// can be read at once.
	ReadData bool

	Cache      string // the cache path: the spool lies below it
	Store      store.Store
	Passphrase *encryption.Passphrase
	Keys       *encryption.Keys

	PartSize    int64 // bytes asked for in one request
	Workers     VerifyWorkers
	MemoryLimit int64 // bytes, for ranges in flight
	SpoolLimit  int64 // bytes, for all spool files together

	// Host and Firn are noted in the catalogue: where it was made again, and by
	// which version of firn.
	Host, Firn string
	// Now is asked when the run begins and ends; nil is time.Now. Runs are in
	// the order of their beginnings, to the second.
	Now func() time.Time

	Report report.Reporter
	Totals *report.Totals
}

// rebuild is a Rebuild under way.
type rebuild struct {
	Rebuild
	run     *pipeline.Run
	memory  *pipeline.Budget
	spooled *pipeline.Budget
	spool   *spool.Dir
	prover  *prover
	ledger  *ledger.Ledger
	writer  *ledger.Writer
	id      string                 // of the run; "" once it is known that it will not be stored
	started time.Time              // by the clock of this process
	begun   time.Time              // as it is noted
	lists   map[[16]byte]foundList // find fills it before it emits anything

	mu     sync.Mutex
	sums   catalogue.Run // what is counted of its lines
	missed int64         // archives that are not in it

	stages struct{ find, lookup, fetch, decrypt, walk *pipeline.Stage }
}

// Start makes everything ready and starts the rebuilding. Wait must be called
// after it.
func (o Rebuild) Start(ctx context.Context) (_ *RebuildHandle, err error) {
	if o.MemoryLimit < 2*o.PartSize {
		return nil, fmt.Errorf("a memory limit of %d bytes is too small for ranges of %d: at least two must fit", o.MemoryLimit, o.PartSize)
	}
	r := &rebuild{Rebuild: o, started: time.Now(), lists: map[[16]byte]foundList{}}
	r.Report = &report.Tee{Totals: o.Totals, To: o.Report}
	if r.Now == nil {
		r.Now = time.Now
	}
	r.begun = r.Now().UTC()
	volume := volumeLimit(o.SpoolLimit)
	r.memory, r.spooled = pipeline.NewBudget(o.MemoryLimit), pipeline.NewBudget(o.SpoolLimit-volumes*volume)
	if r.spool, _, err = spool.Open(o.Cache, r.spooled); err != nil {
		return nil, err
	}
	r.ledger = &ledger.Ledger{Store: o.Store, Prefix: o.Prefix, Passphrase: o.Passphrase, Keys: o.Keys, Scratch: r.spool.Scratch}
	if err := r.tellOfRuns(ctx); err != nil {
		r.spool.Close()
		return nil, err
	}
	r.id = ledger.NewID(r.begun)
	r.writer = r.ledger.Begin(r.id, volume)
	r.begin(ctx)
	r.flow()
	return &RebuildHandle{r}, nil
}

// tellOfRuns says what becomes of the runs that can still be read.
func (r *rebuild) tellOfRuns(ctx context.Context) error {
	all, faults, err := r.ledger.Runs(ctx)
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
	r.run = pipeline.New(ctx, pipeline.Options{OnFault: func(f pipeline.Fault) { r.fault(ctx, f) }})
	s, w := &r.stages, r.Workers
	s.find = r.run.Stage("find", 1)
	s.lookup = r.run.Stage("lookup", lookupWorkers).TakesNew()
	s.fetch = r.run.Stage("fetch", w.Fetch)
	s.decrypt = r.run.Stage("decrypt", w.Decrypt).TakesNew()
	s.walk = r.run.Stage("walk", w.Walk)
	r.prover = &prover{
		fetcher: fetch.New(r.Store, r.PartSize, r.memory, s.fetch, w.Fetch), stage: s.decrypt,
		passphrase: r.Passphrase, keys: r.Keys, spool: r.spool, limit: r.spooled.Size(),
	}
}

// fault tells of an archive that is not entered as good: one that is damaged
// has a line that says so, one that could not be looked at has none.
func (r *rebuild) fault(ctx context.Context, f pipeline.Fault) {
	a := f.Item.(*kept)
	kind := report.Failed
	if problem := problemOf(f.Err); problem != "" {
		kind = report.Damaged
		line := catalogue.Subtree{Path: a.line.Path, Key: a.line.Key, Status: catalogue.Failed, Error: f.Err.Error()}
		if err := r.writer.Add(ctx, line); err != nil {
			r.run.Fail(err)
			return
		}
		r.count(&line)
	} else {
		r.mu.Lock()
		r.missed++
		r.mu.Unlock()
	}
	if !a.read {
		r.Totals.UnreadBytes.Add(a.object.Size)
	}
	r.Report.Event(report.Event{Kind: kind, Path: a.line.Path, Key: a.line.Key, Err: f.Err, Problem: report.Problem(problemOf(f.Err)), Stored: a.object.Size})
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

// A RebuildHandle is a rebuilding that was started.
type RebuildHandle struct{ r *rebuild }

// Stop ends it softly: nothing new is taken, and what there is is noted as
// incomplete.
func (h *RebuildHandle) Stop() { h.r.run.Stop() }

// Progress may be asked for at any time.
func (h *RebuildHandle) Progress() report.Progress {
	r := h.r
	p := progressOf(r.run, r.started, r.memory, r.spooled)
	p.SpoolLimit = r.SpoolLimit // of which the catalogue has a share
	return p
}

// Wait waits for the end, as Handle.Wait does, and stores the run. ctx is that
// of Start; once it has ended nothing is stored.
func (h *RebuildHandle) Wait(ctx context.Context) report.Summary {
	r := h.r
	err := r.run.Wait()
	if err = r.finish(ctx, err); err != nil && !errors.Is(err, pipeline.ErrStopped) {
		r.id = ""
	}
	r.spool.Close()
	s := summaryOf(h.Progress(), r.memory, r.spooled, err)
	s.Run = r.id
	return s
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
	run.Started, run.Ended = r.begun, r.Now().UTC()
	run.Host, run.Firn, run.Rebuilt = r.Host, r.Firn, true
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

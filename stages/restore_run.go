package stages

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/format/pick"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/stage/extract"
	"firn/stages/stage/fetch"
	"firn/stages/store"
)

// Restore says what to bring back, where to, and with what means. What is
// passed stays the caller's, who closes it after Wait.
type Restore struct {
	Target    *os.Root   // everything lands below it, at the path it was saved from
	Prefix    string     // of the keys
	Picks     pick.Picks // nil: everything
	Moment    ledger.Moment
	Overwrite extract.Overwrite
	Owners    bool // give files to their owners; needs root
	DryRun    bool
	Thaw      Thaw   // what becomes of what is cold
	Limits    Limits // of each archive

	Cache      string // the cache path: the spool lies below it
	Store      store.Store
	Passphrase *encryption.Passphrase
	Keys       *encryption.Keys

	PartSize    int64 // bytes asked for in one request
	Workers     RestoreWorkers
	MemoryLimit int64 // bytes, for ranges in flight
	SpoolLimit  int64 // bytes, for all spool files together

	Report report.Reporter
	Totals *report.Totals
}

// RestoreWorkers are the numbers of workers of each stage.
type RestoreWorkers struct{ Fetch, Decrypt, Extract int }

// restore is a Restore under way.
type restore struct {
	Restore
	run       *pipeline.Run
	memory    *pipeline.Budget
	spooled   *pipeline.Budget
	spool     *spool.Dir
	prover    *prover
	extractor *extract.Extractor
	search    *search
	shelf     *ledger.Shelf
	started   time.Time

	unprovenOnce sync.Once
	waits        *waits
	thaws        thaws

	stages struct{ find, compare, lookup, fetch, decrypt, extract *pipeline.Stage }
}

// A restore keeps packs of lists at hand: the archives of a run come in no order of their packs, of which there may be one for each run
// since the first.
const (
	shelfLeast = 4 // packs
	shelfShare = 8 // part of the spool limit, in bytes, that they may take beside the spool
)

// Start makes everything ready and starts the restore. Wait must be called
// after it.
func (o Restore) Start(ctx context.Context) (*RestoreHandle, error) {
	if o.MemoryLimit < 2*o.PartSize {
		return nil, fmt.Errorf("a memory limit of %d bytes is too small for ranges of %d: at least two must fit", o.MemoryLimit, o.PartSize)
	}
	r := &restore{Restore: o, started: time.Now()}
	r.Report = &report.Tee{Totals: o.Totals, To: o.Report}
	r.waits = newWaits(o.Thaw, o.Totals)
	r.memory, r.spooled = pipeline.NewBudget(o.MemoryLimit), pipeline.NewBudget(o.SpoolLimit)
	var err error
	if r.spool, _, err = spool.Open(o.Cache, r.spooled); err != nil {
		return nil, err
	}
	r.run = pipeline.New(ctx, pipeline.Options{OnFault: r.fault})
	s := &r.stages
	s.find = r.run.Stage("find", 1)
	s.compare = r.run.Stage("compare", o.Workers.Extract).TakesNew()
	s.lookup = r.run.Stage("lookup", lookupWorkers).TakesNew()
	s.fetch = r.run.Stage("fetch", o.Workers.Fetch)
	s.decrypt = r.run.Stage("decrypt", o.Workers.Decrypt).TakesNew()
	s.extract = r.run.Stage("extract", o.Workers.Extract)
	r.prover = &prover{
		fetcher: fetch.New(o.Store, o.PartSize, r.memory, s.fetch), stage: s.decrypt,
		passphrase: o.Passphrase, keys: o.Keys, spool: r.spool, limit: o.SpoolLimit,
	}
	r.extractor = extract.New(extract.Options{
		Target: o.Target, Overwrite: o.Overwrite, Owners: o.Owners,
		Report: r.entryFault,
	})
	l := &ledger.Ledger{Store: o.Store, Prefix: o.Prefix, Passphrase: o.Passphrase, Keys: o.Keys, Scratch: r.spool.Scratch}
	r.search = &search{store: o.Store, ledger: l, prefix: o.Prefix, picks: o.Picks, moment: o.Moment, tell: r.Report.Event}
	r.shelf = l.Shelf(shelfLeast, o.SpoolLimit/shelfShare)
	r.flow()
	return &RestoreHandle{r}, nil
}

func (r *restore) entryFault(f extract.Fault) {
	r.Report.Event(report.Event{Kind: report.Entry, Path: f.Path, Err: f.Err})
}

// fault tells of an archive that was not restored.
func (r *restore) fault(f pipeline.Fault) {
	e := report.Event{Kind: report.Failed, Path: fmt.Sprint(f.Item), Err: f.Err}
	if a, ok := f.Item.(*archived); ok {
		e.Key = a.key
	}
	r.Report.Event(e)
}

// A RestoreHandle is a restore that was started.
type RestoreHandle struct{ r *restore }

// Stop ends the restore softly: nothing new is fetched, what is in flight is
// laid down.
func (h *RestoreHandle) Stop() { h.r.run.Stop() }

// Progress may be asked for at any time.
func (h *RestoreHandle) Progress() report.Progress {
	r := h.r
	p := progressOf(r.run, r.started, r.memory, r.spooled)
	p.Waits = r.waits.progress()
	return p
}

// Wait waits for the end, as Handle.Wait does.
func (h *RestoreHandle) Wait() report.Summary {
	r := h.r
	err := r.run.Wait()
	r.tellCold()
	if finish := r.extractor.Finish(); finish != nil {
		err = errors.Join(err, fmt.Errorf("setting times and modes of directories: %w", finish))
	}
	r.shelf.Close()
	r.spool.Close()
	s := summaryOf(h.Progress(), r.memory, r.spooled, err)
	s.DryRun = r.DryRun
	return s
}

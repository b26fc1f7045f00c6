package stages

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/format/pick"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/stage/fetch"
	"firn/stages/store"
)

// Level says how closely a verification looks.
type Level int

// The levels; each does all that those before it do.
const (
	// Default asks for each object's metadata, and proves what the catalogue
	// holds of it.
	Default Level = iota
	// Quick holds a listing against the catalogue, and asks of single objects
	// only where the two differ.
	Quick
	// ReadData reads archives, those of a Subset, and walks them.
	ReadData
)

// Verify says what to check, how closely, and with what means. What is passed
// stays the caller's, who closes it after Wait.
type Verify struct {
	Prefix  string        // of the keys
	Moment  ledger.Moment // the state to check; zero: what the newest runs tell of
	AllRuns bool          // check what every run tells of, in place of a Moment
	Picks   pick.Picks    // nil: everything
	Level   Level
	Subset  Subset // which archives ReadData reads; zero: all
	// Reread computes the CRC of objects from their bytes and holds it against
	// the one that was kept when they were stored: for a store of which nobody
	// else does that. It takes effect from Default on.
	Reread bool

	Cache      string // the cache path; "" will do below ReadData
	Store      store.Store
	Passphrase *encryption.Passphrase
	Keys       *encryption.Keys

	PartSize    int64 // bytes asked for in one request
	Workers     VerifyWorkers
	MemoryLimit int64 // bytes, for ranges in flight
	SpoolLimit  int64 // bytes, for all spool files together

	Report report.Reporter
	Totals *report.Totals
}

// VerifyWorkers are the numbers of workers of each stage.
type VerifyWorkers struct{ Fetch, Decrypt, Walk int }

// verify is a Verify under way.
type verify struct {
	Verify
	run     *pipeline.Run
	memory  *pipeline.Budget
	spooled *pipeline.Budget
	spool   *spool.Dir
	prover  *prover
	ledger  *ledger.Ledger
	shelf   *ledger.Shelf
	started time.Time

	listing listing
	runs    runs
	packs   map[string]bool // that hold lists of what is checked; find fills it
	told    chan struct{}   // closed when find has come to its end
	toldAll atomic.Bool     // and nothing was left out
	harmed  harmed

	unprovenOnce, unfinishedOnce sync.Once

	stages struct{ find, lookup, fetch, decrypt, walk, catalogue, lists *pipeline.Stage }
}

// Start makes everything ready and starts the verification. Wait must be
// called after it.
func (o Verify) Start(ctx context.Context) (_ *VerifyHandle, err error) {
	if o.Level == ReadData && o.MemoryLimit < 2*o.PartSize {
		return nil, fmt.Errorf("a memory limit of %d bytes is too small for ranges of %d: at least two must fit", o.MemoryLimit, o.PartSize)
	}
	v := &verify{Verify: o, started: time.Now(), packs: map[string]bool{}, told: make(chan struct{})}
	v.Report = &report.Tee{Totals: o.Totals, To: o.Report}
	v.memory, v.spooled = pipeline.NewBudget(o.MemoryLimit), pipeline.NewBudget(o.SpoolLimit)
	scratch := tempScratch
	if o.Cache != "" {
		if v.spool, _, err = spool.Open(o.Cache, v.spooled); err != nil {
			return nil, err
		}
		scratch = v.spool.Scratch
	}
	v.ledger = &ledger.Ledger{Store: o.Store, Prefix: o.Prefix, Passphrase: o.Passphrase, Keys: o.Keys, Scratch: scratch}
	v.shelf = v.ledger.Shelf(shelfLeast, o.SpoolLimit/shelfShare)
	v.begin(ctx)
	v.flow()
	return &VerifyHandle{v}, nil
}

// tempScratch makes a file without a name where temporary files lie.
func tempScratch() (*os.File, error) {
	f, err := os.CreateTemp("", "firn-*")
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w; name a --cache-path", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	return f, nil
}

// begin adds the stages and gives the rooms their means.
func (v *verify) begin(ctx context.Context) {
	v.run = pipeline.New(ctx, pipeline.Options{OnFault: v.fault})
	s, w := &v.stages, v.Workers
	s.find = v.run.Stage("find", 1)
	s.lookup = v.run.Stage("lookup", lookupWorkers).TakesNew()
	s.fetch = v.run.Stage("fetch", w.Fetch)
	s.decrypt = v.run.Stage("decrypt", w.Decrypt).TakesNew()
	s.walk = v.run.Stage("walk", w.Walk)
	s.catalogue = v.run.Stage("catalogue", 1)
	s.lists = v.run.Stage("lists", 1).TakesNew()
	v.prover = &prover{
		fetcher: fetch.New(v.Store, v.PartSize, v.memory, s.fetch), stage: s.decrypt,
		passphrase: v.Passphrase, keys: v.Keys, spool: v.spool, limit: v.SpoolLimit,
	}
}

// fault tells of an archive that is damaged, or that could not be looked at.
func (v *verify) fault(f pipeline.Fault) {
	if a, ok := f.Item.(*examined); ok {
		switch problem := problemOf(f.Err); {
		case problem == problemReplaced && v.Moment == (ledger.Moment{}):
			v.settle(a, report.Replaced, f.Err)
		case problem != "":
			if problem != problemMetadata || a.subtree.ETag == "" { // or its content is there
				v.harmed.add(a)
			}
			v.settle(a, report.Damaged, f.Err)
		default:
			v.settle(a, report.Failed, f.Err)
		}
		return
	}
	v.damaged(fmt.Sprint(f.Item), f.Err)
}

// A VerifyHandle is a verification that was started.
type VerifyHandle struct{ v *verify }

// Stop ends it softly: nothing new is looked at.
func (h *VerifyHandle) Stop() { h.v.run.Stop() }

// Progress may be asked for at any time.
func (h *VerifyHandle) Progress() report.Progress {
	return progressOf(h.v.run, h.v.started, h.v.memory, h.v.spooled)
}

// Wait waits for the end, as Handle.Wait does, and says what stands in for
// what is damaged. ctx is that of Start.
func (h *VerifyHandle) Wait(ctx context.Context) report.Summary {
	v := h.v
	err := v.run.Wait()
	if err == nil {
		err = v.standIns(ctx)
	}
	v.shelf.Close()
	if v.spool != nil {
		v.spool.Close()
	}
	return summaryOf(h.Progress(), v.memory, v.spooled, err)
}

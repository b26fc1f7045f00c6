package verify

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"firn/pipeline"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
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

// Options say what to check, how closely, and with what means. A cache path is needed for ReadData only.
type Options struct {
	job.Means
	Moment  ledger.Moment // the state to check; zero: what the newest runs tell of
	AllRuns bool          // check what every run tells of, in place of a Moment
	Picks   pick.Picks    // nil: everything
	Level   Level
	Subset  Subset // which archives ReadData reads; zero: all
	// Reread computes the CRC of objects from their bytes and holds it against
	// the one that was kept when they were stored: for a store of which nobody
	// else does that. It takes effect from Default on.
	Reread  bool
	Workers job.Workers
}

// verify is a verification under way.
type verify struct {
	*job.Job
	options Options
	prover  *prove.Prover
	shelf   *ledger.Shelf

	listing listing
	runs    runs
	packs   map[string]bool // that hold lists of what is checked; find fills it
	told    chan struct{}   // closed when find has come to its end
	toldAll atomic.Bool     // and nothing was left out
	harmed  harmed

	unprovenOnce, unfinishedOnce sync.Once

	stages struct{ find, lookup, fetch, decrypt, walk, catalogue, lists *pipeline.Stage }
}

// Start makes everything ready and starts the verification.
func Start(ctx context.Context, o Options) (*job.Handle, error) {
	if o.Level == ReadData {
		if err := prove.Enough(o.Means); err != nil {
			return nil, err
		}
	}
	j, err := job.Open(o.Means, 0, 0)
	if err != nil {
		return nil, err
	}
	v := &verify{Job: j, options: o, shelf: j.Shelf(), packs: map[string]bool{}, told: make(chan struct{})}
	v.begin(ctx)
	v.flow()
	return v.Handle(nil, func(end error, _ *report.Summary) error {
		if end == nil {
			end = v.standIns(ctx)
		}
		v.shelf.Close()
		return end
	}), nil
}

// begin adds the stages and gives the rooms their means.
func (v *verify) begin(ctx context.Context) {
	v.Begin(ctx, v.fault)
	s, w := &v.stages, v.options.Workers
	s.find = v.Run.Stage("find", 1)
	s.lookup = v.Run.Stage("lookup", job.LookupWorkers).TakesNew()
	s.fetch = v.Run.Stage("fetch", w.Fetch)
	s.decrypt = v.Run.Stage("decrypt", w.Decrypt).TakesNew()
	s.walk = v.Run.Stage("walk", w.Read)
	s.catalogue = v.Run.Stage("catalogue", 1)
	s.lists = v.Run.Stage("lists", 1).TakesNew()
	v.prover = prove.New(v.Job, s.fetch, s.decrypt)
}

// fault tells of an archive that is damaged, or that could not be looked at.
func (v *verify) fault(f pipeline.Fault) {
	if a, ok := f.Item.(*examined); ok {
		switch problem := prove.ProblemOf(f.Err); {
		case problem == report.ProblemReplaced && v.options.Moment == (ledger.Moment{}):
			v.settle(a, report.Replaced, f.Err)
		case problem != "":
			if problem != report.ProblemMetadata || a.Line.ETag == "" { // or its content is there
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

package verify

import (
	"context"
	"fmt"
	"sync"

	"firn/pipeline"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/hosts"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/state"
)

// Level is how much is verified.
type Level int

// The levels.
const (
	Default  Level = iota // ask for each object's metadata, and verify the catalogue
	Quick                 // compare a listing with the catalogue, and ask only for objects that differ
	ReadData              // Default, and read the archives of the Subset
)

// Options say what to check, how closely, and with what means. A cache path is needed for ReadData
// only.
type Options struct {
	job.Means
	Moment  ledger.Moment // the state to check
	AllRuns bool          // check all runs in place of a Moment
	// ExpectRun is the run that the newest one must be or come after; "" for any.
	ExpectRun string
	Picks     pick.Picks // nil: everything
	Level     Level
	Subset    Subset // which archives ReadData reads; zero: all
	// Reread compares the bytes of objects with the CRC that was stored with them, for a store that
	// does not do that itself. Quick ignores it.
	Reread  bool
	Workers job.Workers
	State   *state.DB // of the cache path: what is read and proven is no longer adopted there; may be nil
	// Hosts leads the run for workers on any hosts, at the level ReadData; nil: this process does all.
	Hosts *hosts.Options
}

// verify is a verification under way.
type verify struct {
	*job.Job
	options Options
	prover  *prove.Prover
	shelf   *ledger.Shelf

	listing  *listing
	runs     runs
	packs    chan []*listsOf // of archives that are checked; find sends them and closes
	reported sync.Map        // keys of the objects of the catalogue that damaged has reported
	losses   losses

	lead   *lead   // of many hosts; nil: this is none
	worker *worker // of a lead; nil: this is none

	unfinishedOnce, standsInOnce sync.Once

	stages struct{ find, lookup, publish, record, take, fetch, decrypt, walk, catalogue, lists *pipeline.Stage }
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
	v := &verify{Job: j, options: o, shelf: j.Shelf(), packs: make(chan []*listsOf, 1)}
	v.losses.byPath = map[string][]loss{}
	v.begin(ctx)
	h := v.Handle(nil, func(end error, _ *report.Summary) error {
		if v.lead != nil {
			v.lead.End(end)
		}
		if end == nil {
			end = v.findOlder(ctx)
		}
		v.shelf.Close()
		v.tellAdopted()
		return end
	})
	if o.Hosts != nil {
		if err := v.takeLead(ctx, h); err != nil {
			v.Run.Fail(err)
			_ = v.Run.Wait()
			j.Close()
			return nil, err
		}
	}
	v.flow()
	return h, nil
}

// begin adds the stages.
func (v *verify) begin(ctx context.Context) {
	v.Begin(ctx, v.fault)
	s := &v.stages
	s.find = v.Run.Stage(report.StageFind, 1)
	s.lookup = v.Asking(report.StageLookup).TakesNew()
	if v.options.Hosts == nil {
		v.beginReading()
	} else {
		s.publish = v.Run.Stage(report.StagePublish, 1).TakesNew()
		s.record = v.Run.Stage(report.StageRecord, 1)
	}
	s.catalogue = v.Run.Stage(report.StageCatalogue, 1)
	s.lists = v.Run.Stage(report.StageLists, 1).TakesNew()
	if v.options.Level == ReadData {
		v.Works = report.NewWorks(report.StageFetch, report.StageWalk)
	}
}

// beginReading adds the stages of read.
func (v *verify) beginReading() {
	s, w := &v.stages, v.options.Workers
	s.fetch, s.decrypt = v.Reading(w)
	s.walk = v.Run.Stage(report.StageWalk, w.Read)
	v.prover = prove.New(v.Job, s.fetch, s.decrypt)
}

// fault reports an archive that is damaged, or that could not be checked.
func (v *verify) fault(f pipeline.Fault) {
	a, ok := f.Item.(*item)
	if !ok {
		v.damaged(fmt.Sprint(f.Item), f.Err)
		return
	}
	switch problem := prove.ProblemOf(f.Err); {
	case problem == report.ProblemReplaced && v.options.Moment == (ledger.Moment{}):
		v.settle(a, report.Replaced, f.Err)
	case problem != "":
		if problem != report.ProblemMetadata || a.Line.ETag == "" { // else its content is intact
			v.losses.add(a)
		}
		v.settle(a, report.Damaged, f.Err)
	default:
		v.settle(a, report.Failed, f.Err)
	}
}

package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// runs are those of the catalogue.
type runs struct {
	all      []catalogue.Run   // the oldest first
	past     *job.Past         // of those
	checked  []catalogue.Run   // whose archives are checked, the newest first
	reaches  []*ledger.Reach   // of those; nil if all runs are checked, each with all that it lists
	kept     map[uint64]bool   // hashes of objects of an earlier run than the one that lists them
	replaced map[string]string // key ids that a run took the place of
	retired  map[string]bool   // parts of the catalogue that a rebuild took the place of
	emitted  map[uint64]bool   // hashes of the objects of all runs; nil if one moment is checked
}

// find emits each archive of the runs that are checked, and the archives that no run lists.
func (v *verify) find(ctx context.Context, emit func(*item) error) (err error) {
	defer close(v.packs)
	if v.listing, err = newListing(ctx, v.Job, v.options.Picks); err != nil {
		return err
	}
	if err := v.choose(ctx); err != nil {
		return err
	}
	v.checkVolumes()
	v.reportOrphans()
	packs := map[string]*listsOf{}
	for i, run := range v.runs.checked {
		v.reportIncomplete(run)
		err := v.eachSubtree(ctx, run, func(s catalogue.Subtree) error {
			listed := v.listing.find(s.Key)
			if !v.wants(i, &s) {
				return nil
			}
			if s.List != nil {
				v.need(packs, &s)
			}
			if e, partial := job.PartialEvent(&s); partial {
				v.Report.Event(e)
			}
			return v.emit(&item{Archive: prove.Archive{Line: s}, run: run.ID, listed: listed, size: s.ObjectSize}, emit)
		})
		if err != nil {
			return err
		}
	}
	if err := v.findUnknown(ctx, emit); err != nil {
		return err
	}
	if err := v.checkFound(); err != nil {
		return err
	}
	v.checkRecovery(ctx)
	v.packs <- slices.SortedFunc(maps.Values(packs), func(a, b *listsOf) int { return strings.Compare(a.pack, b.pack) })
	v.Totals.Cut.Store(true)
	return nil
}

// ErrNoCatalogue: Quick compares a listing with the catalogue, and there is none.
var ErrNoCatalogue = errors.New("there is no catalogue to compare the listing with")

// checkFound returns an error if nothing was checked: a mistyped prefix must not pass as intact.
func (v *verify) checkFound() error {
	switch {
	case v.Totals.Subtrees.Load()+v.Totals.Checks.Catalogue.Load() > 0:
		return nil
	case len(v.options.Picks) > 0:
		return job.ErrNoMatch
	case len(v.runs.all) > 0:
		return nil
	case v.listing.archives.Len() > 0:
		return ErrNoCatalogue
	}
	return fmt.Errorf("there is nothing to check: %w", v.NoArchives())
}

func (v *verify) emit(a *item, emit func(*item) error) error {
	v.Totals.Subtrees.Add(1)
	v.Totals.Bytes.Add(a.size)
	a.planned = v.options.Level == ReadData && v.options.Subset.Has(a.Line.Key)
	v.Works.Looked(a.size, a.Line.TarSize, a.planned)
	return emit(a)
}

// choose reads the runs, and decides which of them are checked.
func (v *verify) choose(ctx context.Context) error {
	all, faults, breaks, err := job.Runs(ctx, v.Ledger, v.Report)
	if err != nil {
		return err
	}
	if err := v.checkChain(all, faults, breaks); err != nil {
		return err
	}
	v.runs.replaced = ledger.RetiredKeys(all)
	v.runs.retired, v.runs.kept = ledger.Retired(all), map[uint64]bool{}
	if err := job.WrongKey(v.Ledger, all, faults); err != nil {
		return err
	}
	for _, f := range faults {
		v.damaged(f.Key, f.Err)
	}
	v.Totals.Checks.Runs.Store(int64(len(all)))
	v.runs.all = all
	v.runs.past = job.NewPast(v.Ledger, all)
	if v.options.AllRuns {
		v.runs.checked, v.runs.emitted = slices.Clone(all), map[uint64]bool{}
		slices.Reverse(v.runs.checked)
	} else if v.runs.checked, err = ledger.Choose(all, v.options.Moment); err != nil {
		return err
	}
	switch {
	case len(all) == 0:
		v.Report.Event(report.Event{
			Kind: report.Warning, Problem: report.ProblemNoCatalogue,
			Text: "there is no catalogue below this prefix: archives are compared with their own metadata, and missing ones are not noticed",
		})
	case len(v.runs.checked) == 0:
		newest := all[len(all)-1]
		v.runs.checked = []catalogue.Run{newest}
		v.Report.Event(report.Event{Kind: report.Warning, Text: "no run is complete: the archives of the newest, " + newest.ID + ", are checked"})
	}
	if v.runs.emitted == nil {
		v.runs.reaches = ledger.Reaches(v.runs.checked)
	}
	return nil
}

// checkChain reports where the chains of the runs do not hold, and a newest run that is not the
// expected one.
func (v *verify) checkChain(all []catalogue.Run, faults []ledger.Fault, breaks []ledger.Break) error {
	known := 0
	for _, b := range breaks {
		if b.Noted || b.Moved {
			known++
			continue
		}
		v.Report.Event(job.BreakEvent(v.Ledger, b))
	}
	if known > 0 {
		v.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("runs that are gone, were replaced or fork their chain, as later runs say whose backups told it: %d; the other runs are checked", known)})
	}
	if v.options.ExpectRun == "" {
		return nil
	}
	err := ledger.Expect(all, faults, v.options.ExpectRun)
	if e, is := errors.AsType[*ledger.ExpectError](err); is {
		v.Report.Event(report.Event{
			Kind: report.Catalogue, Key: v.Ledger.RunKey(cmp.Or(e.Newest, e.Expected)), Run: e.Newest, Problem: report.ProblemUnexpected, Err: e,
			Text: "what is checked may be an older state than the newest that was saved",
		})
		return nil
	}
	return err
}

// reportIncomplete reports what a run itself knows to be missing.
func (v *verify) reportIncomplete(run catalogue.Run) {
	if v.options.AllRuns || run.Failed+run.Faults == 0 && run.Complete {
		return
	}
	state := "is not complete"
	if run.Complete {
		state = "did not save everything"
	}
	v.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("run %s of %s %s (not saved whole: subtrees %d, entries %d): what it saved is checked",
		run.ID, run.Started.Local().Format(time.DateTime), state, run.Failed, run.Faults)})
}

// wants reports whether a subtree of the i-th checked run is checked.
func (v *verify) wants(i int, s *catalogue.Subtree) bool {
	if !s.HasObject() || !v.options.Picks.MayHave(s.Path) {
		return false
	}
	h := maphash.Comparable(v.listing.archives.Seed(), [3]string{s.Key, s.Version, s.MD5})
	if v.runs.emitted != nil {
		again := v.runs.emitted[h]
		v.runs.emitted[h] = true
		return !again
	}
	if v.runs.kept[h] {
		return false
	}
	if s.Status == catalogue.Failed { // the run that stored it may be checked too
		v.runs.kept[h] = true
	}
	return !slices.ContainsFunc(v.runs.reaches[:i], func(r *ledger.Reach) bool { return r.Of(v.runs.checked[i].Path, s.Path) == ledger.All })
}

// eachSubtree calls fn for the lines of a run's manifest. Volumes that can't be read are reported.
func (v *verify) eachSubtree(ctx context.Context, run catalogue.Run, fn func(catalogue.Subtree) error) error {
	for i, key := range run.Manifest {
		var own error
		err := v.Ledger.Volume(ctx, run, i, func(s catalogue.Subtree) error {
			own = fn(s)
			return own
		})
		if own != nil || err != nil && ctx.Err() != nil || pipeline.IsFatal(err) {
			return err
		}
		if err != nil {
			v.damaged(key, err)
		}
	}
	return nil
}

// checkVolumes reports the volumes of runs that are not in the listing. Of the packs, those that
// checked archives need are damage, and are reported by packsOf.
func (v *verify) checkVolumes() {
	for _, run := range v.runs.checked {
		for _, key := range run.Manifest {
			if !v.listing.catalogue[key] {
				v.damaged(key, store.ErrNotFound)
			}
		}
	}
	gone := 0
	for _, run := range v.runs.all {
		for _, key := range slices.Concat(run.Manifest, run.Packs) {
			if !v.listing.catalogue[key] && !v.runs.retired[key] {
				gone++
			}
		}
	}
	if gone > 0 {
		v.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("parts of the catalogue that are gone: %d; what is not named as damaged belongs to older runs alone", gone)})
	}
}

// reportOrphans reports volumes whose run is not in the catalogue.
func (v *verify) reportOrphans() {
	known := map[string]bool{"": true}
	for key := range v.listing.catalogue {
		if ledger.IsRun(key) {
			known[ledger.RunOf(key)] = true
		}
	}
	for key := range v.listing.catalogue {
		if id := ledger.RunOf(key); !known[id] {
			known[id] = true
			v.Report.Event(report.Event{Kind: report.Notice, Key: key, Text: "it belongs to run " + id + ", which is not in the catalogue: the run is under way, was killed, or was deleted"})
		}
	}
}

// findUnknown reports and emits the archives that no run lists: they are compared with their own
// metadata.
func (v *verify) findUnknown(ctx context.Context, emit func(*item) error) error {
	if v.options.Moment != (ledger.Moment{}) {
		return nil
	}
	for _, run := range slices.Backward(v.runs.all) {
		if !v.listing.unseen() {
			return nil
		}
		if slices.ContainsFunc(v.runs.checked, func(c catalogue.Run) bool { return c.ID == run.ID }) {
			continue
		}
		err := v.eachSubtree(ctx, run, func(s catalogue.Subtree) error {
			v.listing.find(s.Key)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !v.listing.unseen() {
		return nil
	}
	return v.Store.List(ctx, key.Prefix(v.Prefix), func(o store.Object) error {
		if ours, err := v.listing.has(ctx, o.Key); !ours {
			return err
		}
		if l := v.listing.archives.Find(o.Key); l == nil || l.seen { // nil: stored after the listing
			return nil
		}
		saved, _, ok := key.Path(v.Prefix, o.Key)
		if !ok {
			saved = strings.TrimPrefix(o.Key, key.Prefix(v.Prefix))
		}
		a := &item{Archive: prove.Archive{Line: catalogue.Subtree{Path: saved, Key: o.Key}, Pathless: !ok}, size: o.Size}
		if v.options.Level == Quick {
			v.unknown(a)
			return nil
		}
		return v.emit(a, emit)
	})
}

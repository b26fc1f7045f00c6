package verify

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// runs are those of the catalogue.
type runs struct {
	all    []catalogue.Run // the oldest first
	chosen []catalogue.Run // whose archives are checked, the newest first
	once   map[uint64]bool // hashes of the objects that were emitted; nil: nothing can come twice
	broken map[string]bool // keys of volumes of manifests that have been told to be damaged
}

// index is a run's place among all, by its id.
func (r *runs) index(id string) int {
	return slices.IndexFunc(r.all, func(run catalogue.Run) bool { return run.ID == id })
}

// find emits each archive that the chosen runs tell of, and those that no run
// knows.
func (v *verify) find(ctx context.Context, emit func(*examined) error) error {
	defer close(v.told)
	if err := v.listing.read(ctx, v.Store, v.Prefix, v.options.Picks); err != nil {
		return err
	}
	if err := v.choose(ctx); err != nil {
		return err
	}
	v.checkVolumes()
	v.tellOfOrphans()
	for i, run := range v.runs.chosen {
		v.tellOf(run)
		err := v.eachSubtree(ctx, run, func(s catalogue.Subtree) error {
			listed := v.listing.find(s.Key)
			if !v.wants(i, &s) {
				return nil
			}
			if s.List != nil {
				v.packs[s.List.Pack] = true
			}
			return v.emit(&examined{Archive: prove.Archive{Line: s}, run: run.ID, listed: listed, counted: s.ObjectSize}, emit)
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
	v.toldAll.Store(true)
	v.Totals.Cut.Store(true)
	return nil
}

// checkFound is an error when there was nothing to check: of a mistyped prefix nobody should hear that all of it is intact.
func (v *verify) checkFound() error {
	switch {
	case v.Totals.Subtrees.Load()+v.Totals.Checks.Catalogue.Load() > 0:
		return nil
	case len(v.options.Picks) > 0:
		return errors.New("nothing that was saved matches --path: 'firn find' looks for what there is, 'firn list latest' shows it")
	case len(v.runs.all) > 0:
		return nil
	case len(v.listing.archives) > 0: // which is looked at one by one, unless --quick
		return errors.New("--quick holds a listing against the catalogue, and there is none: leave it out, or let 'firn catalogue rebuild' make one")
	}
	return fmt.Errorf("there is nothing to check: %s holds no archive below the prefix %q; check --bucket-name and --prefix", v.Store.URL(), key.Prefix(v.Prefix))
}

func (v *verify) emit(a *examined, emit func(*examined) error) error {
	v.Totals.Subtrees.Add(1)
	v.Totals.Bytes.Add(a.counted)
	return emit(a)
}

// choose reads the runs and says whose archives are checked.
func (v *verify) choose(ctx context.Context) error {
	all, faults, err := v.Ledger.Runs(ctx)
	if err != nil {
		return err
	}
	other := 0
	for _, f := range faults {
		if errors.Is(f.Err, encryption.ErrOtherKey) {
			other++
		}
	}
	if other > 0 && len(all) == 0 {
		return fmt.Errorf("the catalogue in %s was %w than the one given: name the key file it was made with", v.Store.URL(), encryption.ErrOtherKey)
	}
	for _, f := range faults {
		v.damaged(f.Key, f.Err)
	}
	v.Totals.Checks.Runs.Store(int64(len(all)))
	v.runs.all, v.runs.broken = all, map[string]bool{}
	switch {
	case v.options.AllRuns:
		v.runs.chosen, v.runs.once = slices.Clone(all), map[uint64]bool{}
		slices.Reverse(v.runs.chosen)
	default:
		if v.runs.chosen, err = ledger.Choose(all, v.options.Moment); err != nil {
			return err
		}
	}
	switch {
	case len(all) == 0:
		v.Report.Event(report.Event{Kind: report.Warning, Text: "there is no catalogue below this prefix: archives are held against their own metadata, and none can be found missing; 'firn catalogue rebuild' makes one"})
	case len(v.runs.chosen) == 0:
		v.runs.chosen = all[len(all)-1:]
		v.Report.Event(report.Event{Kind: report.Warning, Text: "no run has come to its end: what the newest, " + all[len(all)-1].ID + ", tells of is checked"})
	}
	return nil
}

// tellOf says what a run itself knows to be missing.
func (v *verify) tellOf(run catalogue.Run) {
	if v.options.AllRuns || run.Failed+run.Faults == 0 && run.Complete {
		return
	}
	text := fmt.Sprintf("the run %s of %s did not", run.ID, run.Started.Local().Format(time.DateTime))
	if run.Failed+run.Faults > 0 {
		text += fmt.Sprintf(" save everything (not saved whole: subtrees %d, entries %d)", run.Failed, run.Faults)
		if !run.Complete {
			text += ", and did not"
		}
	}
	if !run.Complete {
		text += " come to its end"
	}
	v.Report.Event(report.Event{Kind: report.Notice, Text: text + "; what it did save is checked"})
}

// wants tells whether a subtree of the i-th chosen run is to be checked.
func (v *verify) wants(i int, s *catalogue.Subtree) bool {
	if !s.HasObject() || !v.options.Picks.MayHave(s.Path) {
		return false
	}
	if v.runs.once != nil {
		h := maphash.Comparable(v.listing.seed, [3]string{s.Key, s.Version, s.MD5})
		again := v.runs.once[h]
		v.runs.once[h] = true
		return !again
	}
	return !slices.ContainsFunc(v.runs.chosen[:i], func(newer catalogue.Run) bool {
		return newer.Path != "." && ledger.Covers(newer, s.Path)
	})
}

// eachSubtree calls fn for every line of a run's manifest that can be read.
func (v *verify) eachSubtree(ctx context.Context, run catalogue.Run, fn func(catalogue.Subtree) error) error {
	for i, key := range run.Manifest {
		var own error
		err := v.Ledger.Volume(ctx, run, i, func(s catalogue.Subtree) error {
			own = fn(s)
			return own
		})
		switch {
		case err == nil:
		case own != nil, ctx.Err() != nil, pipeline.IsFatal(err):
			return err
		case !v.runs.broken[key]:
			v.runs.broken[key] = true
			v.damaged(key, err)
		}
	}
	return nil
}

// checkVolumes tells of what runs name as theirs and the listing does not
// show.
func (v *verify) checkVolumes() {
	for _, run := range v.runs.all {
		for _, key := range slices.Concat(run.Manifest, run.Packs) {
			if !v.listing.catalogue[key] {
				v.runs.broken[key] = true
				v.damaged(key, fmt.Errorf("looking for it: %w", store.ErrNotFound))
			}
		}
	}
}

// tellOfOrphans says which runs left manifests or lists and no run.
func (v *verify) tellOfOrphans() {
	told := map[string]bool{"": true}
	for key := range v.listing.catalogue {
		if ledger.IsRun(key) {
			told[ledger.RunOf(key)] = true
		}
	}
	for key := range v.listing.catalogue {
		if id := ledger.RunOf(key); !told[id] {
			told[id] = true
			v.Report.Event(report.Event{Kind: report.Notice, Key: key, Text: "the catalogue holds this of the run " + id + ", and not the run itself: it is under way, or was killed, or its object was deleted"})
		}
	}
}

// findUnknown tells of the archives that no run at all knows, and emits them:
// they are held against their own metadata.
func (v *verify) findUnknown(ctx context.Context, emit func(*examined) error) error {
	if v.options.Moment != (ledger.Moment{}) {
		return nil
	}
	for _, run := range slices.Backward(v.runs.all) {
		if v.listing.unseen() == 0 {
			return nil
		}
		if slices.ContainsFunc(v.runs.chosen, func(c catalogue.Run) bool { return c.ID == run.ID }) {
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
	if v.listing.unseen() == 0 {
		return nil
	}
	return v.Store.List(ctx, key.Prefix(v.Prefix), func(o store.Object) error {
		if !job.ListsArchive(v.Prefix, o.Key, v.options.Picks) || job.LiesBelow(v.listing.deeper, o.Key) || v.listing.seen(o.Key) {
			return nil
		}
		saved, _, ok := key.Path(v.Prefix, o.Key)
		if !ok {
			saved = strings.TrimPrefix(o.Key, key.Prefix(v.Prefix))
		}
		if len(v.runs.all) > 0 {
			v.Report.Event(report.Event{Kind: report.Unknown, Path: saved, Key: o.Key, Stored: o.Size})
		}
		if v.options.Level == Quick {
			return nil
		}
		return v.emit(&examined{Archive: prove.Archive{Line: catalogue.Subtree{Path: saved, Key: o.Key}}, counted: o.Size}, emit)
	})
}

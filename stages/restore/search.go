package restore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// A search finds the archives that hold what is asked for: in the catalogue, and in the store itself what the catalogue does not
// tell of, such as the archives of the old script.
type search struct {
	store  store.Store
	ledger *ledger.Ledger
	prefix string
	picks  pick.Picks
	moment ledger.Moment
	tell   func(report.Event)

	runs  []catalogue.Run // that tell what was there, the newest first; see ledger.Choose
	known map[string]bool // keys that the catalogue tells of and from which no path can be read
	lists *picked

	deeper      []string // see deeperPrefixes
	deeperKnown bool
}

// begin reads the runs. Nothing is told of a catalogue that isn't there: the store's own listing then is all there is.
func (s *search) begin(ctx context.Context) error {
	all, faults, err := s.ledger.Runs(ctx)
	if err != nil {
		return err
	}
	s.tellOfRuns(faults)
	if s.runs, err = ledger.Choose(all, s.moment); err != nil {
		return pipeline.Fatal(err)
	}
	if s.moment == (ledger.Moment{}) {
		s.warnOfUnfinished(all)
	}
	return s.survey(ctx)
}

// warnOfUnfinished tells of backup paths of which no run has come to its end: what there is of them is taken, and may be a part.
func (s *search) warnOfUnfinished(all []catalogue.Run) {
	told := map[string]bool{}
	for _, run := range slices.Backward(all) {
		covered := slices.ContainsFunc(s.runs, func(c catalogue.Run) bool { return ledger.Covers(c, run.Path) })
		if covered || told[run.Path] || !s.picks.MayHave(run.Path) {
			continue
		}
		told[run.Path] = true
		s.tell(report.Event{Kind: report.Warning, Text: fmt.Sprintf("no backup of %s has come to its end (the newest, %s: %s): what the store holds of it is taken, which may not be all", run.BackupPath, run.ID, run.Error)})
	}
}

// tellOfRuns tells of runs that can't be read: once of all that another key file opens, which may be one for each night.
func (s *search) tellOfRuns(faults []ledger.Fault) {
	others := 0
	var last ledger.Fault
	for _, f := range faults {
		if errors.Is(f.Err, encryption.ErrOtherKey) {
			others, last = others+1, f
			continue
		}
		s.tell(report.Event{Kind: report.NoCatalogue, Key: f.Key, Err: fmt.Errorf("a run can't be read: %w", f.Err)})
	}
	switch {
	case others == 1:
		s.tell(report.Event{Kind: report.NoCatalogue, Key: last.Key, Err: fmt.Errorf("a run can't be read: %w", last.Err)})
	case others > 1:
		s.tell(report.Event{Kind: report.NoCatalogue, Err: fmt.Errorf("%d runs can't be read, of which the last says: %w", others, last.Err)})
	}
}

// warn tells of what a run could not save.
func (s *search) warn(run catalogue.Run) {
	switch {
	case !run.Complete:
		s.tell(report.Event{Kind: report.Warning, Text: fmt.Sprintf("run %s of %s did not come to its end (%s): what it had not got to is not restored", run.ID, run.BackupPath, run.Error)})
	case len(run.CutFaults) > 0:
		for _, f := range run.CutFaults {
			if s.picks.MayHave(key.Clean(f.Path)) {
				s.tell(report.Event{Kind: report.Entry, Path: f.Path, Err: fmt.Errorf("run %s could not list this directory (%s), so that nothing that lies in it is restored: an older --run may hold it", run.ID, f.Error)})
			}
		}
	case run.Faults > 0 || run.Changed > 0:
		s.tell(report.Event{Kind: report.Warning, Text: fmt.Sprintf("run %s did not save %d entries whole, and %d changed while they were read: 'firn list %s --long' names them", run.ID, run.Faults, run.Changed, run.ID)})
	}
}

// each calls fn for every archive that may hold what is asked for. An error of fn ends it.
func (s *search) each(ctx context.Context, fn func(*wanted) error) error {
	for i, run := range s.runs {
		err := s.ledger.Subtrees(ctx, run, func(line catalogue.Subtree) error {
			if slices.ContainsFunc(s.runs[:i], func(newer catalogue.Run) bool { return newer.Path != "." && ledger.Covers(newer, line.Path) }) {
				return nil
			}
			return s.offer(&line, s.runs[:i], fn)
		})
		if err != nil {
			return fmt.Errorf("reading what run %s saved: %w", run.ID, err)
		}
	}
	if s.moment != (ledger.Moment{}) {
		return nil
	}
	return s.uncovered(ctx, fn)
}

// newerIn are the backup paths of runs that lie within a subtree.
func newerIn(subtree string, runs []catalogue.Run) (paths []string) {
	for _, run := range runs {
		if run.Path != "." && run.Path != subtree && subtree != "." && within(subtree, run.Path) {
			paths = append(paths, run.Path)
		}
	}
	return paths
}

// offer passes a line's archive on if it may hold what is asked for. newer are the runs that are believed before the line's own.
func (s *search) offer(line *catalogue.Subtree, newer []catalogue.Run, fn func(*wanted) error) error {
	if !s.picks.MayHave(line.Path) || !s.lists.mayHave(line) {
		return nil
	}
	switch {
	case !line.HasObject():
		s.tell(report.Event{Kind: report.Failed, Path: line.Path, Key: line.Key, Err: fmt.Errorf("it was not saved in that run, which knew of none that was saved before: %s", line.Error)})
		return nil
	case line.Status == catalogue.Failed:
		s.tell(report.Event{Kind: report.Warning, Path: line.Path, Key: line.Key, Text: fmt.Sprintf("it was not saved in that run (%s); what comes back is from %s", line.Error, line.Stored.Format("2006-01-02 15:04:05Z"))})
	}
	return fn(&wanted{
		Archive: prove.Archive{
			Line: *line, Record: line.Record(),
			Object: store.Object{Key: line.Key, Version: line.Version, Size: line.ObjectSize, Class: line.Class},
		},
		catalogued: true, except: newerIn(line.Path, newer),
	})
}

// uncovered passes on the archives that lie where no run of the catalogue tells what was there: of each path the one that was stored last.
func (s *search) uncovered(ctx context.Context, fn func(*wanted) error) error {
	newest := job.Newest{
		Emit: func(o store.Object) error { return s.offerUnknown(ctx, o, fn) },
		Older: func(o store.Object) {
			s.tell(report.Event{Kind: report.Warning, Key: o.Key, Text: "an archive of the same path and of another algorithm was stored later: this one is not restored"})
		},
	}
	err := s.store.List(ctx, key.Prefix(s.prefix), func(o store.Object) error {
		if !job.IsArchive(o.Key) || s.known[o.Key] {
			return nil
		}
		saved, _, ok := key.Path(s.prefix, o.Key)
		if ok && (slices.ContainsFunc(s.runs, func(run catalogue.Run) bool { return ledger.Covers(run, saved) }) || !s.picks.MayHave(saved)) {
			return nil
		}
		return newest.Add(o)
	})
	return newest.End(err)
}

// offerUnknown passes an archive on of which no run of the catalogue tells.
func (s *search) offerUnknown(ctx context.Context, o store.Object, fn func(*wanted) error) error {
	if err := s.learnDeeper(ctx); err != nil {
		return err
	}
	if job.LiesBelow(s.deeper, o.Key) {
		return nil
	}
	saved, _, ok := key.Path(s.prefix, o.Key)
	switch {
	case ok:
		return fn(&wanted{Archive: prove.Archive{Line: catalogue.Subtree{Path: saved, Key: o.Key}, Object: o}, except: newerIn(saved, s.runs)})
	case len(s.runs) == 0:
		s.tell(report.Event{Kind: report.Failed, Key: o.Key, Path: o.Key, Err: errors.New("no path can be read from this key, and there is no catalogue that tells of it: 'firn catalogue rebuild' makes one")})
	default:
		s.tell(report.Event{Kind: report.Warning, Key: o.Key, Text: "no path can be read from this key, and no run of the catalogue tells of it; it is not restored"})
	}
	return nil
}

// learnDeeper asks, once, which prefixes below this one are backups of their own, and tells of them.
func (s *search) learnDeeper(ctx context.Context) (err error) {
	if s.deeperKnown {
		return nil
	}
	if s.deeper, err = job.DeeperPrefixes(ctx, s.store, s.prefix); err != nil {
		return err
	}
	s.deeperKnown = true
	for _, p := range s.deeper {
		s.tell(report.Event{Kind: report.Warning, Key: p, Text: fmt.Sprintf("what lies below it was saved with a prefix of its own, and is not restored: use --prefix %s for it", strings.TrimSuffix(p, "/"))})
	}
	return nil
}

// picked tells which lists hold an entry that is picked: hashes of their places, eight bytes each.
type picked struct {
	picks  pick.Picks
	seed   maphash.Seed
	found  map[uint64]bool
	unread map[string]bool // packs that could not be read: their archives may hold anything
}

func (p *picked) hash(pack string, offset int64) uint64 {
	return maphash.Comparable(p.seed, struct {
		pack   string
		offset int64
	}{pack, offset})
}

// undecided tells whether only its list says if a subtree holds something that is picked.
func (p *picked) undecided(line *catalogue.Subtree) bool {
	return line.List != nil && p.picks.MayHave(line.Path) && !p.picks.Has(line.Path)
}

// mayHave tells whether an archive may hold something that is picked.
func (p *picked) mayHave(line *catalogue.Subtree) bool {
	return !p.undecided(line) || p.unread[line.List.Pack] || p.found[p.hash(line.List.Pack, line.List.Offset)]
}

// survey reads the manifests of the runs, and looks into the lists of the subtrees of which their path alone doesn't tell whether they
// hold something that is picked: one pack after the other, each fetched once.
func (s *search) survey(ctx context.Context) error {
	p := &picked{picks: s.picks, seed: maphash.MakeSeed(), found: map[uint64]bool{}, unread: map[string]bool{}}
	asked, packs := map[uint64]bool{}, map[string]bool{}
	s.known = map[string]bool{}
	var sound []catalogue.Run
	for _, run := range s.runs {
		err := s.ledger.Subtrees(ctx, run, func(line catalogue.Subtree) error {
			if _, _, ok := key.Path(s.prefix, line.Key); !ok {
				s.known[line.Key] = true
			}
			if p.undecided(&line) {
				asked[p.hash(line.List.Pack, line.List.Offset)], packs[line.List.Pack] = true, true
			}
			return nil
		})
		switch {
		case err == nil:
			s.warn(run)
			sound = append(sound, run)
		case ctx.Err() != nil || pipeline.IsFatal(err):
			return err
		case s.moment != (ledger.Moment{}):
			return pipeline.Fatal(fmt.Errorf("what run %s saved can't be read: %w; another --run may be sound, or 'firn catalogue rebuild' makes the catalogue anew", run.ID, err))
		default:
			s.tell(report.Event{Kind: report.NoCatalogue, Err: fmt.Errorf("what run %s saved can't be read, so the newest of all archives below %s are taken: %w", run.ID, run.BackupPath, err)})
		}
	}
	s.runs = sound
	for key := range packs {
		err := s.lookInto(ctx, p, key, asked)
		if ctx.Err() != nil || pipeline.IsFatal(err) {
			return err
		}
		if err != nil {
			p.unread[key] = true
			s.tell(report.Event{Kind: report.NoCatalogue, Key: key, Err: fmt.Errorf("lists of entries can't be read, so all archives that they tell of are looked into: %w", err)})
		}
	}
	s.lists = p
	return nil
}

func (s *search) lookInto(ctx context.Context, p *picked, key string, asked map[uint64]bool) error {
	pack, err := s.ledger.Pack(ctx, key)
	if err != nil {
		return err
	}
	defer pack.Close()
	return pack.Lists(func(at catalogue.Place, list *catalogue.ListReader) error {
		place := p.hash(key, at.Offset)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !asked[place] {
			return nil
		}
		for {
			e, err := list.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if s.picks.Has(strings.TrimPrefix(member(list.Head.Path, e.Path), "/")) {
				p.found[place] = true
				return nil
			}
		}
	})
}

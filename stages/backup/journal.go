package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/record"
	"firn/stages/format/tarfmt"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/archive"
	"firn/stages/store"
)

const (
	// listBound is the most bytes that an entry takes in a compressed list, but for names that do not compress: those are in
	// the tar's headers as well, which take more.
	listBound = 320
	// finishTimeout bounds how long a cancelled run waits for its catalogue to be stored.
	finishTimeout = 20 * time.Second
)

// A journal notes in the catalogue what becomes of each subtree. What it can't note is a fault that is told once; the archives
// are stored all the same. In a dry run it notes nothing.
type journal struct {
	*backup
	ctx    context.Context // of the run, for what is noted when its stages have ended
	writer *ledger.Writer  // nil: nothing is noted
	id     string
	packs  map[string]bool // that the store held when the run began
	told   sync.Once
	lost   sync.Once

	mu        sync.Mutex
	cutFaults []catalogue.Fault
	lines     int64
}

// openJournal asks which lists the store holds, so that no manifest refers to one that is gone.
func (b *backup) openJournal(ctx context.Context, volume int64) (*journal, error) {
	j := &journal{backup: b, ctx: ctx}
	if b.options.DryRun {
		return j, nil
	}
	l := b.Ledger
	if n, err := l.Clean(ctx, b.Started); err != nil && ctx.Err() == nil && !pipeline.IsFatal(err) {
		b.Report.Event(report.Event{Kind: report.Warning, Text: "parts of an earlier run's catalogue could not be cleared away and go on being billed", Err: err})
	} else if n > 0 {
		b.Totals.UploadsAborted.Add(int64(n))
	}
	var err error
	if j.packs, err = l.Packs(ctx); err != nil {
		return nil, err
	}
	j.id = ledger.NewID(b.Started)
	j.writer = l.Begin(j.id, volume)
	return j, nil
}

// listing calls pack with what keeps the list of the members that it makes, and ends the list.
func (j *journal) listing(s *subtree, pack func(member func(*tarfmt.Header) error) error) error {
	list, err := catalogue.NewList(s.list, s.savedPath(), s.Key)
	if err != nil {
		return err
	}
	var entry catalogue.Entry
	err = pack(func(h *tarfmt.Header) error {
		entry.SetHeader(h)
		return list.Add(&entry)
	})
	if err != nil {
		return err
	}
	return list.Close(s.record.MD5)
}

// savedPath is the path of the subtree as it stands in the catalogue.
func (s *subtree) savedPath() string { return key.Clean(s.String()) }

// faultBytes bounds what the faults of one subtree take in a manifest: paths may be long, and a line must stay readable.
const faultBytes = 1 << 20

// note keeps a fault of an entry for the manifest.
func (s *subtree) note(f archive.Fault) {
	s.allFaults++
	fault := catalogue.Fault{Path: f.Path, Kind: f.What.String(), Error: f.Err.Error()}
	s.faultSize += len(fault.Path) + len(fault.Error)
	if len(s.faults) < catalogue.MaxFaults && s.faultSize <= faultBytes {
		s.faults = append(s.faults, fault)
	}
}

// saved notes a subtree whose archive was stored, and tells where its list is.
func (j *journal) saved(ctx context.Context, s *subtree) catalogue.Place {
	place := j.addList(ctx, s)
	line := j.line(s, catalogue.Saved, s.record, &s.object)
	line.Entries, line.List = s.result.Entries, placeOf(place)
	j.add(ctx, line)
	return place
}

// identical notes a subtree whose archive was made and found in the store, and tells where its list is: the one that was made
// with the stored archive, if it is known.
func (j *journal) identical(ctx context.Context, s *subtree) catalogue.Place {
	seen, ok := j.options.State.Get(j.stateName, s.Key)
	place := seen.List
	if !ok || seen.MD5 != s.known.Record.MD5 || !j.packs[place.Pack] {
		place = j.addList(ctx, s)
	}
	line := j.line(s, catalogue.Identical, s.known.Record, s.known.Object)
	line.Entries, line.List = s.result.Entries, placeOf(place)
	j.add(ctx, line)
	return place
}

// unchanged notes a subtree that was not read. seen is what the state file says of it; if the list that it names is not in the store, the list is made anew, from
// lstat data alone, and the state file told.
func (j *journal) unchanged(ctx context.Context, s *subtree, seen state.Entry) {
	if j.writer == nil {
		return
	}
	if !j.packs[seen.List.Pack] {
		seen.List = j.relist(ctx, s, seen.MD5)
		j.keepState(s, seen.MD5, seen.List)
	}
	line := j.line(s, catalogue.Unchanged, s.known.Record, s.known.Object)
	line.List = placeOf(seen.List)
	j.add(ctx, line)
}

// relist makes the list of a subtree that did not change since its archive was made; nowhere, if it changes now.
func (j *journal) relist(ctx context.Context, s *subtree, md5 string) catalogue.Place {
	of, err := j.Spool.Create(ctx, j.stages.lookup, s.scan.Entries*listBound+4<<10)
	if err != nil {
		return catalogue.Place{}
	}
	again := *s
	again.spool, again.list = of, of.Beside()
	defer again.Drop(nil)
	again.record.MD5 = md5
	err = j.listing(&again, func(member func(*tarfmt.Header) error) error {
		_, err := j.archiver.List(ctx, j.tree, s.Subtree, archive.Observer{Member: member})
		return err
	})
	if err != nil {
		return catalogue.Place{}
	}
	if now, err := j.tree.Scan(ctx, s.Subtree); err != nil || now.Fingerprint != s.scan.Fingerprint {
		return catalogue.Place{}
	}
	return j.addList(ctx, &again)
}

// addList adds the list that was made with the archive of s to a pack.
func (j *journal) addList(ctx context.Context, s *subtree) (place catalogue.Place) {
	if j.writer == nil {
		return place
	}
	if s.list.Lost() {
		j.lost.Do(func() {
			j.Report.Event(report.Event{Kind: report.Warning, Path: s.String(), Key: s.Key, Text: "the list of its entries has no room in the spool, and neither may others: it is saved all the same, but find and diff can't look into it; raise --spool-limit, or use a larger --depth"})
		})
		return place
	}
	place, err := j.writer.AddList(ctx, s.list)
	if err != nil {
		j.tell(ctx, err)
		return catalogue.Place{}
	}
	return place
}

func placeOf(p catalogue.Place) *catalogue.Place {
	if p == (catalogue.Place{}) {
		return nil
	}
	return &p
}

// failed notes a subtree that was not saved, with the object that is left of an earlier run: the store is asked for it if that
// was not done before.
func (j *journal) failed(s *subtree, why error) {
	if j.writer == nil {
		return
	}
	if !s.asked {
		if known, err := j.asker.AskStore(j.ctx, s.Key); err == nil {
			s.known = known
		}
	}
	r, object := s.known.Record, s.known.Object
	if s.object.Key != "" { // stored, but its row could not be written
		r, object = s.record, &s.object
	}
	line := j.line(s, catalogue.Failed, r, object)
	line.Error = why.Error()
	if seen, ok := j.options.State.Get(j.stateName, s.Key); ok && seen.MD5 == line.MD5 && j.packs[seen.List.Pack] {
		line.List = placeOf(seen.List)
	}
	j.add(j.ctx, line)
}

// line is the manifest's line of a subtree, without the place of its list. object is nil if only a table was
// asked.
func (j *journal) line(s *subtree, status catalogue.Status, r record.Record, object *store.Object) catalogue.Subtree {
	if object != nil {
		r = object.Describe(r)
	}
	line := catalogue.Subtree{
		Path: s.savedPath(), Shell: s.Shell, Status: status, Key: s.Key,
		Entries: s.scan.Entries, Bytes: s.scan.Bytes, Faults: s.faults, AllFaults: s.allFaults,
	}
	line.SetRecord(r)
	return line
}

func (j *journal) add(ctx context.Context, line catalogue.Subtree) {
	if j.writer == nil {
		return
	}
	j.mu.Lock()
	j.lines++
	j.mu.Unlock()
	if err := j.writer.Add(ctx, line); err != nil {
		j.tell(ctx, err)
	}
}

// tell tells, once, that the catalogue can't be written; of a run that is being cancelled it is not the fault. What would meet
// every archive too ends the run.
func (j *journal) tell(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if pipeline.IsFatal(err) {
		j.Run.Fail(err)
		return
	}
	j.told.Do(func() { j.Report.Event(report.Event{Kind: report.NoCatalogue, Err: err}) })
}

// cutFault notes a directory above the depth that could not be listed.
func (j *journal) cutFault(path string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.cutFaults) < catalogue.MaxFaults {
		kind := archive.Unreadable
		if errors.Is(err, fs.ErrNotExist) {
			kind = archive.Vanished
		}
		j.cutFaults = append(j.cutFaults, catalogue.Fault{Path: path, Kind: kind.String(), Error: err.Error()})
	}
}

// finish stores the catalogue, of a run that was cut short too, and returns the run's id in it; "" if it is not there. The error is a
// fault of the run.
func (j *journal) finish(ended error) (id string, err error) {
	if j.writer == nil {
		return "", nil
	}
	ctx := j.ctx
	if ended != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer cancel()
	}
	run := j.runLine()
	run.Complete = ended == nil
	if ended != nil {
		run.Error = ended.Error()
	}
	err = j.writer.Finish(ctx, run)
	switch {
	case err == nil:
		return j.id, nil
	case ended != nil && !errors.Is(ended, pipeline.ErrStopped):
		return "", nil // the run has a better reason
	case ctx.Err() != nil || pipeline.IsFatal(err):
		return "", fmt.Errorf("what was stored is stored, but not noted in the catalogue: %w", err)
	}
	j.tell(ctx, err)
	return "", nil
}

func (j *journal) runLine() catalogue.Run {
	t, o, root := j.Totals, &j.options, j.tree.Path()
	return catalogue.Run{
		Started: j.Started.UTC(), Ended: j.now(), Host: o.Host, Firn: o.Firn,
		BackupPath: o.Path, Path: key.Clean(root), Depth: j.walking.Depth, Ext: j.walking.Ext, Level: o.Format.Level(), Class: o.Class,
		Exclude: j.walking.Exclude.Lines(), ExcludeCaches: j.walking.ExcludeCaches, OneFileSystem: j.walking.OneFileSystem, ForceRead: o.ForceRead,
		Subtrees: j.lines, Saved: t.Saved.Load(), Identical: t.Identical.Load(), Unchanged: t.Unchanged.Load(), Failed: t.Failed.Load(),
		Faults: t.Faults.Load(), Changed: t.Changed.Load(), Entries: t.Entries.Load(), Bytes: t.Bytes.Load(), Stored: t.Stored.Load(),
		CutFaults: j.cutFaults,
	}
}

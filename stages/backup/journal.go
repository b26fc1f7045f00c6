package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/treepath"
	"firn/stages/job"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/archive"
	"firn/stages/stage/walk"
)

// finishTimeout bounds how long a cancelled run waits for its catalogue to be stored.
const finishTimeout = 20 * time.Second

// A journal writes the catalogue of a run: a line for each subtree, and the lists of entries. The
// first error of a write is reported; archives are stored all the same. A dry run writes nothing.
type journal struct {
	*backup
	ctx    context.Context // of the run, for what is written when its stages have ended
	writer *ledger.Writer  // nil in a dry run
	id     string
	volume int64           // how large a volume of the catalogue may get, in bytes
	packs  map[string]bool // that lists can be in: in the store when the run began, and not retired
	broken sync.Once       // the first error is reported
	others atomic.Int64    // objects that are not those that were recorded, of which was told

	history ledger.History   // of the runs before it
	chain   *catalogue.Chain // its place among them

	lines     atomic.Int64
	cutFaults []catalogue.Fault // appended to by the stage cut alone

	leaving   sync.Mutex // guards what follows
	left      map[catalogue.Left]bool
	leftBytes int
	leftMore  bool
	retired   map[string]bool // ids of other keys that were seen, if they are retired
}

// openJournal lists the packs in the store, so that no manifest refers to one that is gone.
func (b *backup) openJournal(ctx context.Context, volume int64) (_ *journal, err error) {
	j := &journal{backup: b, ctx: ctx, left: map[catalogue.Left]bool{}, retired: map[string]bool{}}
	if j.history, err = b.Ledger.History(ctx, b.options.State.Memo(b.stateName), b.concerns); err == nil {
		err = b.checkKey(ctx, &j.history)
	}
	if err != nil {
		return j, err
	}
	if j.history.IsNews(b.options.State.Memo(b.stateName), key.Clean(b.tree.Path())) {
		b.Report.Event(report.Event{Kind: report.Notice, Text: "the cache path does not know what earlier runs of this path stored here (it is new, or was written by an earlier version): every file is read once, and what the store holds is not uploaded again"})
	}
	if b.options.DryRun {
		return j, nil
	}
	b.checkClock(j.history.Last)
	if j.history.Lost > 0 {
		b.warnOnce(report.Event{Problem: report.ProblemLostRuns, Text: fmt.Sprintf("runs in the catalogue that can't be read: %d; what they alone saved is not found until they can", j.history.Lost)})
	}
	for id := range j.history.Others {
		j.retire(id)
	}
	j.packs, j.id = j.history.Packs, ledger.NewID(b.Started)
	j.volume, j.writer = volume, b.Ledger.Begin(j.id, volume)
	return j, nil
}

// link takes the run's place in the chain of its backup path, and reports where the chain does not
// hold: the run notes that, so that it is told once.
func (j *journal) link() {
	if j.writer == nil {
		return
	}
	var untold []ledger.Break
	j.chain, untold = j.history.Link(j.options.State.Memo(j.stateName), key.Clean(j.tree.Path()), j.options.NewStore)
	for _, b := range untold {
		if b.Moved {
			job.WarnOfBreaks(j.Ledger, []ledger.Break{b}, j.Report)
			continue
		}
		j.Report.Event(job.BreakEvent(j.Ledger, b))
	}
}

// clockMargin is how far apart the clocks of two hosts may be before a user is told.
const clockMargin = 5 * time.Minute

// checkClock warns if the run begins before the one that came before it.
func (b *backup) checkClock(last ledger.Step) {
	if last.Started.Sub(b.Started) < clockMargin {
		return
	}
	b.warnOnce(report.Event{
		Problem: report.ProblemClock, Run: last.ID,
		Text: fmt.Sprintf("this run begins at %s, and the run before it, %s, began at %s: a clock is wrong, or was; the order of runs does not depend on it, but the times that are shown do",
			b.Started.Local().Format(time.DateTime), last.ID, last.Started.Local().Format(time.DateTime)),
	})
}

// unchanged writes the line of a subtree that was not read. If the store does not have its list, the
// list is made again from lstat data alone.
func (j *journal) unchanged(ctx context.Context, s *subtree, entry *state.Entry) {
	if j.writer == nil {
		return
	}
	if !j.packs[entry.List.Pack] {
		entry.List = j.relist(ctx, s, entry.Record.MD5)
	}
	j.add(ctx, j.line(s, catalogue.Unchanged, entry), entry.List)
}

// lacks writes the line of a subtree that was not saved, with the object of an earlier run: the store is
// asked for it if that was not done before.
func (j *journal) lacks(s *subtree, why error) {
	if j.writer == nil {
		return
	}
	var entry state.Entry
	if s.asked || j.ask(j.ctx, s) == nil && s.asked {
		entry = j.entryOf(s)
	}
	if entry.Record.MD5 != "" && entry.Record.Format == 0 && !s.known.Recorded {
		if stored, err := j.proven.has(j.ctx, j.Job, s.Key); stored || err != nil {
			entry = state.Entry{}
		}
	}
	line := j.line(s, catalogue.Failed, &entry)
	line.Error = why.Error()
	j.leave(catalogue.Left{Path: line.Path, Why: unsaved(&line), Shell: s.Shell})
	if !j.packs[entry.List.Pack] {
		entry.List = catalogue.Place{}
	}
	j.add(j.ctx, line, entry.List)
}

// addList adds the list of s, as that of the stored archive, which has the MD5. The place is zero if
// there is none.
func (j *journal) addList(ctx context.Context, s *subtree, md5 string) catalogue.Place {
	place, err := j.backup.addList(s, md5, func(list content) (catalogue.Place, error) { return j.writer.AddList(ctx, list) })
	if err != nil {
		j.fail(ctx, err)
		return catalogue.Place{}
	}
	return place
}

// line is the manifest's line of a subtree, with what is known of its object.
func (j *journal) line(s *subtree, status catalogue.Status, entry *state.Entry) catalogue.Subtree {
	line := catalogue.Subtree{
		Path: s.savedPath(), Shell: s.Shell, Status: status, Key: s.Key,
		Entries: s.scan.Entries, Bytes: s.scan.Bytes, Faults: s.faults, AllFaults: s.allFaults,
	}
	if status == catalogue.Saved || status == catalogue.Identical {
		line.Entries = s.result.Entries
	}
	line.SetRecord(entry.Record)
	line.Adopted, line.Partial, line.Better = entry.Adopted, entry.Partial, entry.Better
	return line
}

// add writes a line, with the place of its list unless that is zero.
func (j *journal) add(ctx context.Context, line catalogue.Subtree, list catalogue.Place) {
	if list != (catalogue.Place{}) {
		line.List = &list
	}
	j.lines.Add(1)
	if line.Adopted {
		j.Totals.Adopted.Add(1)
	}
	if err := j.writer.Add(ctx, line); err != nil {
		j.fail(ctx, err)
	}
}

// fail reports the first error in writing the catalogue, unless the run is being cancelled. A fatal
// error ends the run.
func (j *journal) fail(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case pipeline.IsFatal(err):
		j.Run.Fail(err)
	default:
		j.broken.Do(func() { j.Report.Event(report.Event{Kind: report.NoCatalogue, Err: err}) })
	}
}

// cutFault keeps a directory above the depth that could not be listed, for the manifest.
func (j *journal) cutFault(path string, err error) {
	kind := archive.Unreadable
	if errors.Is(err, fs.ErrNotExist) {
		kind = archive.Vanished
	}
	if len(j.cutFaults) == catalogue.MaxFaults {
		if kind == archive.Unreadable {
			j.leave(catalogue.Left{Path: key.Clean(path), Why: catalogue.Unlisted})
		}
		return
	}
	j.cutFaults = append(j.cutFaults, catalogue.Fault{Path: path, Kind: string(kind), Error: err.Error()})
}

// unsaved is why a subtree whose line is that of a failure is not in this run's archives.
func unsaved(line *catalogue.Subtree) catalogue.Why {
	if line.HasObject() {
		return catalogue.Kept
	}
	return catalogue.Unsaved
}

// leftDirectory keeps a directory whose content the walk left out, for the run.
func (j *journal) leftDirectory(l walk.Left) {
	why := catalogue.OtherSystem
	if l.Cache {
		why = catalogue.InCache
	}
	j.leave(catalogue.Left{Path: key.Clean(l.Path), Why: why})
}

// scanned keeps what a scan left out, for the run.
func (j *journal) scanned(s *walk.Scan) {
	for _, l := range s.Left {
		j.leftDirectory(l)
	}
	if s.LeftMore {
		j.leaveMore()
	}
}

// leaveMore notes that more is not in this run's archives than it names.
func (j *journal) leaveMore() {
	j.leaving.Lock()
	defer j.leaving.Unlock()
	j.leftMore = true
}

// leftBytes bounds what a run says of what it left out: paths may be long.
const leftBytes = 1 << 20

// leave keeps what is not in this run's archives, for the run. It may be named more than once.
func (j *journal) leave(l catalogue.Left) {
	j.leaving.Lock()
	defer j.leaving.Unlock()
	if j.left[l] {
		return
	}
	if len(j.left) == catalogue.MaxLeft || j.leftBytes+len(l.Path) > leftBytes {
		j.leftMore = true
		return
	}
	j.left[l] = true
	j.leftBytes += len(l.Path)
}

// finish stores the catalogue, also of a run that ended early for the cause ended. It returns the
// id of the run, "" if the run is not in the catalogue. The error is a fault of the run.
func (j *journal) finish(ended error) (id string, err error) {
	if j.writer == nil {
		return "", nil
	}
	ctx := j.ctx
	run := j.runLine()
	run.Complete = ended == nil
	if run.Complete {
		run.RetiredKeys = slices.Sorted(maps.Keys(j.retired))
	}
	if ended != nil {
		run.Error = ended.Error()
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer cancel()
	}
	err = j.writer.Finish(ctx, run)
	switch {
	case err == nil:
		step := j.writer.Step()
		step.Learned = true
		j.history.Keep(j.options.State.Memo(j.stateName), step)
		j.markKey()
		return j.id, nil
	case ended != nil && !errors.Is(ended, pipeline.ErrStopped):
		return "", nil // ended says more
	case ctx.Err() != nil || pipeline.IsFatal(err):
		return "", fmt.Errorf("the archives are stored, but the catalogue is not: %w", err)
	}
	j.fail(ctx, err)
	return "", nil
}

func (j *journal) runLine() catalogue.Run {
	t, o, root := j.Totals, &j.options, j.tree.Path()
	return catalogue.Run{
		Number: j.history.Next, Chain: j.chain, Started: j.Started.UTC(), Ended: j.now(), Host: o.Host, Firn: o.Firn,
		BackupPath: o.Path, Path: key.Clean(root), Depth: j.walking.Depth, Ext: j.walking.Ext, Level: o.Format.Level(), Class: o.Class,
		Exclude: j.walking.Exclude.Lines(), ExcludeCaches: j.walking.ExcludeCaches, OneFileSystem: j.walking.OneFileSystem, ForceRead: o.ForceRead,
		Subtrees: j.lines.Load(), Saved: t.Saved.Load(), Identical: t.Identical.Load(), Unchanged: t.Unchanged.Load(), Failed: t.Failed.Load(),
		Faults: t.Faults.Load(), Changed: t.Changed.Load(), Entries: t.Entries.Load(), Bytes: t.Bytes.Load(), Stored: t.Stored.Load(), Adopted: t.Adopted.Load(),
		CutFaults: j.cutFaults, Left: slices.SortedFunc(maps.Keys(j.left), func(x, y catalogue.Left) int {
			return cmp.Or(treepath.Compare(x.Path, y.Path), strings.Compare(string(x.Why), string(y.Why)))
		}), LeftMore: j.leftMore,
	}
}

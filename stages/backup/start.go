package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/service/ledger"
	"firn/stages/service/recovery"
	"firn/stages/service/report"
	"firn/stages/stage/archive"
	"firn/stages/stage/check"
	"firn/stages/stage/lock"
	"firn/stages/stage/pack"
	"firn/stages/stage/upload"
	"firn/stages/stage/walk"
	"firn/stages/store"
)

// backup is a backup under way.
type backup struct {
	*job.Job
	options   Options
	walking   walk.Options
	stateName string // of the store, in the state file
	tree      *walk.Tree
	repeats   *pipeline.Budget // one repeat at a time: two could each hold the memory that the other waits for
	asker     *check.Asker
	archiver  *archive.Archiver
	packer    *pack.Packer
	sender    *upload.Sender
	journal   *journal
	book      book          // the journal, or the answers of a worker
	member    *hosts.Member // nil: this run is no worker
	answers   *answers
	lead      *lead       // nil: no other hosts work
	over      func() bool // of a worker: the run need not be followed any more
	shells    *shells
	locks     *lock.Renewer // nil if nothing is locked
	uploads   *uploads      // nil in a dry run
	sending   *pipeline.Loop[*subtree]

	learned chan struct{} // closed when the state file has what the catalogue says
	proven  proven

	runs   func() ([]catalogue.Run, error) // of the catalogue
	shelf  func() *ledger.Shelf            // of the lists of stored archives
	closed func()                          // closes it

	searched  atomic.Int64 // see elsewhere
	warned    sync.Map     // problem → true: its warning was reported
	strangers strangers    // objects that other than runs with this key file made
	blind     atomic.Bool  // a part of the tree was not seen
	cutFaults sync.Map     // path → true: a directory above the depth that could not be read

	stages struct {
		take, cut, walk, lookup, publish, archive, compress, hash, spool, check, encrypt, upload, record *pipeline.Stage
	}
}

func (b *backup) now() time.Time { return time.Now().UTC() }

// Start starts a backup. After an error no archive was stored.
func Start(ctx context.Context, o Options) (_ *job.Handle, err error) {
	if o.Hosts != nil && o.DryRun {
		return nil, errDryRun
	}
	b, volume, err := open(o)
	if err != nil {
		return nil, err
	}
	defer b.undo(&err)
	if !o.DryRun {
		b.Works = report.NewWorks(report.StageArchive, report.StageUpload)
	}
	if o.Hosts != nil { // before the catalogue is read, to which an earlier coordinator may still add
		if err = o.Hosts.Take(ctx); err != nil {
			return nil, err
		}
	}
	if err = b.prepare(ctx, volume); err != nil {
		return nil, err
	}
	h := b.Handle(nil, b.finish)
	b.begin(ctx)
	if o.Hosts != nil {
		if err = b.takeLead(ctx, h); err != nil {
			b.Run.Fail(err)
			_ = b.Run.Wait() // for what it has begun
			b.closed()
			return nil, err
		}
	}
	b.find()
	b.flow()
	return h, nil
}

// open opens the tree and what the run works with.
func open(o Options) (_ *backup, volume int64, err error) {
	blocks := int64(0)
	if need := MemoryNeeded(o.Format, o.PartSize); o.Hosts != nil {
		// it makes no archives
	} else if o.MemoryLimit < need {
		return nil, 0, fmt.Errorf("a memory limit of %d bytes is too small: %s at level %d with parts of %d bytes needs %d", o.MemoryLimit, o.Format.Name(), o.Format.Level(), o.PartSize, need)
	} else {
		blocks = o.MemoryLimit - partsShare(o)
	}
	volume, volumes := o.VolumeLimit()
	b := &backup{options: o, walking: o.Walk, stateName: o.Store.URL(), repeats: pipeline.NewBudget(1)}
	b.walking.Prefix, b.walking.Ext, b.walking.Workers = o.Prefix, "tar."+o.Format.Ext(), o.Workers.Walk
	if b.tree, err = walk.Open(o.Path, b.walking); err != nil {
		return nil, 0, err
	}
	if b.Job, err = job.Open(o.Means, blocks, volumes); err != nil {
		return nil, 0, errors.Join(err, b.tree.Close())
	}
	return b, volume, nil
}

// undo closes what open opened, if a start failed.
func (b *backup) undo(err *error) {
	if *err != nil {
		*err = errors.Join(*err, b.tree.Close())
		b.Close()
	}
}

// prepare checks that the store still has what earlier runs stored, removes what interrupted runs
// left, and stores the recovery files before the first archive.
func (b *backup) prepare(ctx context.Context, volume int64) (err error) {
	b.sender = b.newSender()
	if !b.options.DryRun {
		if b.uploads, err = b.openUploads(ctx); err != nil {
			return err
		}
	}
	b.Totals.SpoolFilesRemoved.Store(int64(b.SpoolFilesRemoved))
	if b.SpoolFilesRemoved > 0 {
		b.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("removed spool files that an interrupted run had left in %s: %d", b.Cache, b.SpoolFilesRemoved)})
	}
	if b.journal, err = b.openJournal(ctx, volume); err != nil {
		return err
	}
	b.book = b.journal
	if err := b.checkStore(ctx); err != nil || b.options.DryRun {
		return err
	}
	b.journal.link()
	var suspects []*recovery.Finding
	var g errgroup.Group // each waits for round trips
	g.Go(func() error { return b.abortUploads(ctx) })
	g.Go(func() error {
		suspects, err = recovery.Leave(ctx, b.Store, key.Prefix(b.Prefix), b.Keys)
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	for _, s := range suspects {
		b.Report.Event(report.Event{Kind: report.Warning, Key: s.Key, Problem: report.ProblemRecovery, Err: s})
	}
	if errors.Is(err, store.ErrNoLock) {
		return err
	}
	if err != nil && ctx.Err() == nil {
		b.Report.Event(report.Event{Kind: report.Warning, Text: "the archives are saved, but the instructions to open them without firn are missing or out of date", Err: err})
	}
	return nil
}

// An EmptyStoreError says that a store holds nothing of what earlier runs stored in it.
type EmptyStoreError struct {
	Path  string // the backup path
	Store string // its URL
}

func (e *EmptyStoreError) Error() string {
	return fmt.Sprintf("an earlier run stored archives of %s in %s, which holds none of them now, and no catalogue: it was emptied, or is another store, or its disk is not mounted", e.Path, e.Store)
}

// checkStore returns an EmptyStoreError if the state file knows archives of the tree, and the store
// has neither an archive nor a catalogue where they were. It asks the store only if there is no list
// of entries either.
func (b *backup) checkStore(ctx context.Context) error {
	keys := b.tree.KeySpace()
	if b.options.NewStore || len(b.journal.packs) > 0 || !b.options.State.Knows(b.stateName, keys...) {
		return nil
	}
	found := errors.New("found")
	for _, prefix := range append(keys, ledger.Dir(b.Prefix)) {
		err := b.Store.List(ctx, prefix, func(store.Object) error { return found })
		if errors.Is(err, found) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return &EmptyStoreError{b.options.Path, b.Store.URL()}
}

// finish stores the catalogue.
func (b *backup) finish(end error, s *report.Summary) error {
	var err error
	s.DryRun = b.options.DryRun
	if b.lead != nil {
		defer func() { b.lead.End(cmp.Or(end, err)) }()
	}
	b.closed()
	b.countStrangers()
	if end == nil && b.Totals.Final() && !b.blind.Load() {
		b.warnOfIdle()
	}
	s.Run, err = b.journal.finish(end)
	if end == nil && err == nil {
		b.renewCatalogue(b.journal.ctx)
	}
	if end == nil && b.uploads != nil {
		b.uploads.end(b.journal.ctx)
	}
	return errors.Join(end, err, b.tree.Close())
}

// abortUploads aborts uploads of archives, of the catalogue and of the recovery files that nobody
// completed in a long time. A younger one may be that of a run under way, or that its own cache path
// takes up.
func (b *backup) abortUploads(ctx context.Context) error {
	var aborted atomic.Int64
	var g errgroup.Group
	abort := func(some func() (int, error)) {
		g.Go(func() error {
			n, err := some()
			aborted.Add(int64(n))
			return err
		})
	}
	abort(func() (int, error) { return b.abortArchives(ctx) })
	abort(func() (int, error) { return b.Ledger.Clean(ctx, b.options.AbortAfter) })
	abort(func() (int, error) { return recovery.Clean(ctx, b.Store, key.Prefix(b.Prefix), b.options.AbortAfter) })
	err := g.Wait()
	if pipeline.IsFatal(err) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		b.Report.Event(report.Event{Kind: report.Warning, Text: "some old uploads that nobody completed could not be aborted, and are still billed", Err: err})
	}
	b.Totals.UploadsAborted.Add(aborted.Load())
	if n := aborted.Load(); n > 0 {
		b.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("aborted old uploads in %s that nobody had completed: %d", b.Store.URL(), n)})
	}
	return nil
}

// abortArchives aborts old uploads of archives of the tree.
func (b *backup) abortArchives(ctx context.Context) (aborted int, err error) {
	for _, prefix := range b.tree.KeySpace() {
		err = b.Store.Uploads(ctx, prefix, func(u store.PendingUpload) error {
			if u.Key != "" && !job.IsArchive(u.Key) || u.Age < b.options.AbortAfter || b.uploads.owns(u) {
				return nil // a directory store lists uploads that have no key yet
			}
			if err := b.Store.AbortUpload(ctx, u.Key, u.ID); err != nil {
				return err
			}
			aborted++
			return nil
		})
		if err != nil {
			break
		}
	}
	return aborted, err
}

func (b *backup) newSender() *upload.Sender {
	return &upload.Sender{
		Store: b.Store, PartSize: b.PartSize, Memory: b.Memory,
		Warn: func(key string, err error) {
			b.Report.Event(report.Event{Kind: report.Warning, Key: key, Text: "a later run will abort an upload that this one could not abort", Err: err})
		},
	}
}

// fault reports a subtree that was not saved.
func (b *backup) fault(f pipeline.Fault) {
	item := f.Item
	if part, ok := item.(*upload.Part); ok {
		item = part.Item()
	}
	if s, ok := item.(*subtree); ok {
		s.unplan()
		b.book.failed(s, f.Err)
		return
	}
	b.Report.Event(report.Event{Kind: report.Failed, Path: fmt.Sprint(item), Err: f.Err})
}

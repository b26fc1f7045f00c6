// Package backup saves a tree. Its flow is one screen. Each stage is a package below
// firn/stages/stage, and package pipeline joins them.
package backup

import (
	"context"
	"errors"
	"fmt"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/format/tarfmt"
	"firn/stages/service/report"
	"firn/stages/stage/archive"
	"firn/stages/stage/check"
	"firn/stages/stage/forecast"
	"firn/stages/stage/upload"
	"firn/stages/stage/walk"
)

// flow is the backup. Subtrees flow from stage to stage; between encrypt and upload, the parts of
// their objects.
func (b *backup) flow() {
	found := pipeline.Source(b.stages.cut, b.cut)                                // cut the tree into subtrees
	scanned := pipeline.Map(b.stages.walk, found, b.walk)                        // fingerprint each, from lstat data alone
	changed := pipeline.MapBatch(b.stages.lookup, scanned, lookupMost, b.lookup) // ask what is stored; skip what did not change
	if b.options.DryRun {
		pipeline.Sink(b.stages.check, changed, b.wouldSave)
		return
	}
	ordered := pipeline.Hold(b.Run, changed, ahead, b.shells.waits, b.shells.ready) // shells that take the place of more come last
	if b.lead != nil {
		b.share(ordered) // many hosts save them: see help
		return
	}
	b.save(ordered)
}

// save saves subtrees in this process.
func (b *backup) save(ordered <-chan *subtree) {
	archived := pipeline.Map(b.stages.archive, ordered, b.archive) // tar ▸ compress ▸ hash ▸ spool, block by block
	needed := pipeline.Map(b.stages.check, archived, b.check)      // skip what the store holds with the same content
	sent := b.sending.Flow(b.Run, needed)                          // once more, if an upload failed
	parts := pipeline.Map(b.stages.encrypt, sent, b.encrypt)       // spool ▸ ciphertext, part by part
	stored := pipeline.Map(b.stages.upload, parts, b.upload)       // parts of all archives, many at a time
	pipeline.Sink(b.stages.record, stored, b.record)               // record and report what is completely stored
}

// ahead is how many subtrees may wait for their turn to be archived, each in some 2 KB: the scan, which
// says how much there is to do, runs ahead of the rest.
const ahead = 10_000

// lookupMost is how many keys one request to a table asks for: the most that DynamoDB's
// BatchGetItem takes.
const lookupMost = 100

func (b *backup) cut(ctx context.Context, emit func(*subtree) error) error {
	err := b.tree.Cut(ctx, func(s walk.Subtree) error {
		b.Totals.Subtrees.Add(1)
		return emit(&subtree{Subtree: s, backup: b})
	}, func(path string, err error) {
		b.cutFaults.Store(path, true)
		b.blind.Store(true)
		b.journal.cutFault(path, err)
		b.shells.missed(key.Clean(path))
		b.Report.Event(report.Event{Kind: report.Entry, Path: path, Err: fmt.Errorf("cutting %s: %w", path, err)})
	}, b.journal.leftDirectory)
	if err == nil {
		b.Totals.Cut.Store(true)
	}
	return err
}

func (b *backup) walk(ctx context.Context, s *subtree, emit func(*subtree) error) (err error) {
	if s.scan, err = b.tree.Scan(ctx, s.Subtree); err != nil {
		return err
	}
	b.Totals.Scanned.Add(1)
	b.Totals.Entries.Add(s.scan.Entries)
	b.Totals.Files.Add(s.scan.Files)
	b.Totals.Bytes.Add(s.scan.Bytes)
	if s.scan.Blind {
		b.blind.Store(true)
	}
	b.journal.scanned(&s.scan)
	return emit(s)
}

func (b *backup) lookup(ctx context.Context, batch []*subtree, emit func(*subtree) error) error {
	if err := b.ask(ctx, batch...); err != nil {
		return err
	}
	b.announce(batch)
	for _, s := range batch {
		if s.known.Err != nil {
			s.plan(false)
			b.stages.lookup.Fault(s, s.known.Err)
			continue
		}
		b.uploads.claim(s)
		b.warnOfStore(s)
		if s.known.Record.KeyID != "" && !s.known.Ours {
			b.journal.retire(s.known.Record.KeyID)
		}
		if s.scan.Sound && !b.options.ForceRead && !b.isOtherKeys(s) && check.Unchanged(s.known, s.seen, s.scan.Fingerprint) {
			s.plan(false)
			if err := b.unchanged(ctx, s); err != nil {
				b.stages.lookup.Fault(s, err)
			}
			continue
		}
		s.plan(true)
		if err := emit(s); err != nil {
			return err
		}
	}
	return nil
}

func (b *backup) wouldSave(_ context.Context, s *subtree) error {
	what := forecast.New
	if s.known.Stored {
		what = forecast.Changed
	}
	s.foresee(what)
	s.report(report.WouldSave)
	return nil
}

func (b *backup) archive(ctx context.Context, s *subtree, emit func(*subtree) error) (err error) {
	if left, err := b.uploads.archive(ctx, s); err != nil {
		return s.giveUp(err)
	} else if left {
		s.begin(true)
		return emit(s)
	}
	s.begin(false)
	fault := func(f archive.Fault) { b.book.fault(s, f) }
	first := &aside{to: fault}
	err = b.archiveOnce(ctx, s, first.add)
	if err == nil && s.result.Changed > 0 && !first.passed && !s.spool.Overflow() {
		b.book.count(s, counts{ReadAgain: 1})
		s.unspool()
		s.spool = nil
		s.task.FirstAgain()
		err = b.archiveOnce(ctx, s, fault)
	} else {
		first.pass()
	}
	if errors.Is(err, errLeftOut) {
		b.book.leftOut(s)
		s.Drop(err)
		return nil
	}
	if err != nil {
		return s.giveUp(err)
	}
	s.spool.Seal()
	return emit(s)
}

// archiveOnce makes the archive of s and its list in the spool.
func (b *backup) archiveOnce(ctx context.Context, s *subtree, fault func(archive.Fault)) (err error) {
	if s.spool, err = b.Spool.Create(ctx, b.stages.archive, s.bound()); err != nil {
		return err
	}
	s.list = s.spool.Beside()
	sink := b.marked(s)
	return b.listing(s, func(member func(*tarfmt.Header) error) error {
		return b.pack(ctx, s, sink, archive.Observer{Fault: fault, Member: member})
	})
}

func (b *backup) check(ctx context.Context, s *subtree, emit func(*subtree) error) (err error) {
	if !check.Identical(s.known, s.record) && s.known.OfTable() && s.begun == nil {
		// The table can be older than the store: ask the store before an upload.
		if s.known, err = b.asker.AskStore(ctx, s.Key); err != nil {
			return s.giveUp(err)
		}
	}
	identical, err := b.identical(ctx, s)
	if err == nil && !identical && s.mayHave() {
		identical, err = b.hasNow(ctx, s)
	}
	if err != nil {
		return s.giveUp(err)
	}
	if identical && !b.isOtherKeys(s) {
		return b.found(ctx, s)
	}
	if err := b.compare(ctx, s); err != nil {
		return s.giveUp(err)
	}
	if b.comesLast(ctx, s) {
		s.Drop(nil)
		return b.book.putAside(s)
	}
	s.task.FirstDone(encryption.CiphertextSize(s.record.ArchiveSize))
	s.task.Doing(report.StageSpool)
	b.sending.Add()
	s.sending = true
	return emit(s)
}

// found ends a subtree whose archive the store holds.
func (b *backup) found(ctx context.Context, s *subtree) error {
	s.task.FirstDone(0)
	defer s.Drop(nil)
	b.uploads.abort(ctx, s)
	entry := b.entryOf(s)
	if entry.Partial = s.unread.any(); !entry.Partial {
		entry.Better = ""
	}
	if err := errors.Join(b.putRow(ctx, s.Key, &entry, s.known.Object != nil || b.options.ForceRead), b.locks.Renew(ctx, s.Key)); err != nil {
		return err
	}
	b.book.identical(ctx, s, &entry)
	return nil
}

func (b *backup) encrypt(ctx context.Context, s *subtree, emit func(*upload.Part) error) error {
	if s.refused != nil {
		return b.refused(ctx, s)
	}
	if wanted, err := b.wanted(ctx, s); err != nil || !wanted {
		return err
	}
	s.task.Doing(report.StageUpload)
	j, err := b.job(ctx, s)
	if err != nil {
		return s.giveUp(err)
	}
	b.stages.encrypt.AddIn(s.record.ArchiveSize)
	salt, made, err := b.uploads.takeUp(ctx, s, j)
	if err != nil {
		return errors.Join(s.giveUp(err), j.Close())
	}
	if made != nil {
		if s.retakes == 0 { // else this run sent it
			s.task.Spare(made.Size)
		}
		return b.sender.Made(j, *made, emit)
	}
	cipher, err := b.ciphertext(ctx, s, salt)
	if err != nil {
		return errors.Join(s.giveUp(err), j.Close())
	}
	defer cipher.Close()
	j.Source = cipher
	return b.sender.Parts(ctx, j, emit)
}

func (b *backup) upload(ctx context.Context, p *upload.Part, emit func(*subtree) error) error {
	item, object, err := b.sender.Send(ctx, p)
	if isRefused(err) {
		err = fmt.Errorf("%s: %w", elseStored, err)
	}
	if err != nil || item == nil {
		return err
	}
	s := item.(*subtree)
	s.object = object
	s.leave.Store(false)
	b.remember(s, b.entryOf(s)) // however the run ends
	return emit(s)
}

func (b *backup) record(ctx context.Context, s *subtree) error {
	defer s.Drop(nil)
	b.locks.Stored(s.Key)
	entry := b.entryOf(s)
	if err := b.putRow(ctx, s.Key, &entry, true); err != nil {
		return err
	}
	b.book.saved(ctx, s, &entry)
	return nil
}

// warnOfStore warns of a store that is not what the user may expect.
func (b *backup) warnOfStore(s *subtree) {
	if s.seen != nil && !s.known.Stored {
		b.warnOnce(report.Event{
			Problem: report.ProblemGone, Key: s.Key,
			Text: fmt.Sprintf("an earlier run stored it, but %s does not hold it any more, and other archives may be missing too: they are stored again", b.Store.URL()),
		})
	}
	if s.known.Replaced {
		b.warnOfOther(s, "it is not the object that was recorded: a run that was killed stored it before it could record it, or somebody replaced it")
	}
}

// warnOfOther warns of an object of which nothing is believed.
func (b *backup) warnOfOther(s *subtree, why string) {
	b.book.tell(s, report.Event{Kind: report.Warning, Problem: report.ProblemNotRecorded, Path: s.String(), Key: s.Key, Text: why + "; it is stored again"})
}

// warnOnce reports the first warning of each problem.
func (b *backup) warnOnce(e report.Event) {
	if _, again := b.warned.LoadOrStore(e.Problem, true); !again {
		e.Kind = report.Warning
		b.Report.Event(e)
	}
}

// errLeftOut: no archive can hold the subtree, which is a socket. It was reported, and is no fault.
var errLeftOut = errors.New("left out")

// errEmpty: the archive holds nothing of its subtree.
var errEmpty = errors.New("nothing of it could be read, so nothing was stored in its place")

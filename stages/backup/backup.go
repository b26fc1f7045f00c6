// Package backup saves a tree: flow is its story. Each stage has a room of its own below firn/stages/stage, and the engine that
// joins them is package pipeline.
package backup

import (
	"context"
	"errors"
	"fmt"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/format/tarfmt"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/archive"
	"firn/stages/stage/check"
	"firn/stages/stage/upload"
	"firn/stages/stage/walk"
	"firn/stages/store"
)

// flow is the backup: what flows from one line to the next is a subtree, and
// between encrypt and upload the parts of its object.
func (b *backup) flow() {
	found := pipeline.Source(b.stages.cut, b.cut)                              // cut the tree into subtrees
	scanned := pipeline.Map(b.stages.walk, found, b.walk)                      // fingerprint each, from lstat data alone
	changed := pipeline.MapBatch(b.stages.lookup, scanned, lookupMost, b.look) // ask what is stored; skip the unchanged, unread
	if b.options.DryRun {
		pipeline.Sink(b.stages.check, changed, b.tell)
		return
	}
	archived := pipeline.Map(b.stages.archive, changed, b.archive) // tar ▸ compress ▸ hash ▸ spool, block by block
	needed := pipeline.Map(b.stages.check, archived, b.check)      // skip what the store holds with the same content
	parts := pipeline.Map(b.stages.encrypt, needed, b.encrypt)     // spool ▸ ciphertext, part by part
	stored := pipeline.Map(b.stages.upload, parts, b.upload)       // parts of all archives, many at a time
	pipeline.Sink(b.stages.record, stored, b.record)               // only what is stored whole is called saved
}

// lookupMost is how many keys one question to a table asks for (DynamoDB's
// BatchGetItem takes 100).
const lookupMost = 100

func (b *backup) cut(ctx context.Context, emit func(*subtree) error) error {
	err := b.tree.Cut(ctx, func(s walk.Subtree) error {
		b.Totals.Subtrees.Add(1)
		return emit(&subtree{Subtree: s, backup: b})
	}, func(path string, err error) {
		b.cutFaults.Store(path, true)
		b.journal.cutFault(path, err)
		b.Report.Event(report.Event{Kind: report.Entry, Path: path, Err: fmt.Errorf("cutting %s: %w", path, err)})
	})
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
	return emit(s)
}

func (b *backup) look(ctx context.Context, batch []*subtree, emit func(*subtree) error) error {
	keys := make([]string, len(batch))
	for i, s := range batch {
		keys[i] = s.Key
	}
	known, err := b.asker.Ask(ctx, keys)
	if err != nil {
		return err
	}
	for i, s := range batch {
		s.known = known[i]
		if s.known.Err != nil {
			b.stages.lookup.Fault(s, s.known.Err)
			continue
		}
		s.asked = true
		b.warnOfOtherKey(s)
		seen, ok := b.options.State.Get(b.stateName, s.Key)
		if ok && !s.known.Stored {
			b.warnOfGone(s)
		}
		if ok && s.scan.Sound && !b.options.ForceRead && check.Unchanged(s.known, seen, s.scan.Fingerprint) {
			if err := b.mendRow(ctx, s); err != nil {
				b.stages.lookup.Fault(s, err)
				continue
			}
			b.journal.unchanged(ctx, s, seen)
			b.tellOf(s, report.Unchanged, 0)
			continue
		}
		if err := emit(s); err != nil {
			return err
		}
	}
	return nil
}

func (b *backup) tell(_ context.Context, s *subtree) error {
	b.tellOf(s, report.WouldSave, 0)
	return nil
}

func (b *backup) archive(ctx context.Context, s *subtree, emit func(*subtree) error) (err error) {
	if s.spool, err = b.Spool.Create(ctx, b.stages.archive, s.bound()); err != nil {
		return err
	}
	s.list = s.spool.Beside()
	err = b.journal.listing(s, func(member func(*tarfmt.Header) error) error {
		return b.pack(ctx, s, s.spool, archive.Observer{Fault: b.entryFault(s), Member: member})
	})
	if err != nil {
		s.Drop(err)
		if errors.Is(err, errLeftOut) {
			b.Totals.DoneSubtrees.Add(1)
			return nil
		}
		return err
	}
	s.spool.Seal()
	return emit(s)
}

func (b *backup) check(ctx context.Context, s *subtree, emit func(*subtree) error) (err error) {
	if !check.Identical(s.known, s.record) && s.known.Stored && s.known.Object == nil {
		// Before an archive is uploaded because of what a table says, the store itself is asked.
		if s.known, err = b.asker.AskStore(ctx, s.Key); err != nil {
			s.Drop(err)
			return err
		}
	}
	if !check.Identical(s.known, s.record) {
		if s.known.Stored && s.lost && s.result.Entries == 1 {
			s.Drop(errEmpty)
			return errEmpty
		}
		return emit(s)
	}
	defer s.Drop(nil)
	if err := b.mendRow(ctx, s); err != nil {
		return err
	}
	b.keepState(s, s.known.Record.MD5, b.journal.identical(ctx, s))
	b.tellOf(s, report.Identical, 0)
	return nil
}

func (b *backup) encrypt(ctx context.Context, s *subtree, emit func(*upload.Part) error) error {
	plain, err := b.plaintext(ctx, s)
	if err != nil {
		s.Drop(err)
		return err
	}
	defer plain.Close()
	cipher, err := encryption.NewEncrypter(b.Passphrase, plain)
	if err != nil {
		s.Drop(err)
		return err
	}
	b.stages.encrypt.AddIn(s.record.ArchiveSize)
	return b.sender.Parts(ctx, &upload.Job{
		Key:     s.Key,
		Options: store.PutOptions{Meta: s.record.Meta(), Class: b.options.Class},
		Size:    encryption.CiphertextSize(s.record.ArchiveSize),
		Source:  cipher,
		Item:    s,
	}, emit)
}

func (b *backup) upload(ctx context.Context, p *upload.Part, emit func(*subtree) error) error {
	item, object, err := b.sender.Send(ctx, p)
	if err != nil || item == nil {
		return err
	}
	s := item.(*subtree)
	s.object = object
	return emit(s)
}

func (b *backup) record(ctx context.Context, s *subtree) error {
	defer s.Drop(nil)
	if b.options.Table != nil {
		if err := b.putRow(ctx, s.Key, s.record, s.object); err != nil {
			return err
		}
	}
	b.keepState(s, s.record.MD5, b.journal.saved(ctx, s))
	b.tellOf(s, report.Saved, s.object.Size)
	return nil
}

// mendRow makes the table tell of the object that the store holds, where it
// told of none or of another: a run that died between the upload and the
// table's row left the old row behind.
func (b *backup) mendRow(ctx context.Context, s *subtree) error {
	if b.options.Table == nil || s.known.Object == nil || b.options.DryRun {
		return nil
	}
	return b.putRow(ctx, s.Key, s.known.Record, *s.known.Object)
}

func (b *backup) putRow(ctx context.Context, key string, r record.Record, o store.Object) error {
	r = o.Describe(r)
	if r.Saved.IsZero() {
		r.Saved = b.now()
	}
	if err := b.options.Table.Put(ctx, key, r); err != nil {
		return fmt.Errorf("the archive is stored, but its record is not: %w", err)
	}
	return nil
}

// keepState notes the fingerprint of a subtree that is stored whole, so that
// the next run need not read it. What changed while it was read is read again.
func (b *backup) keepState(s *subtree, md5 string, list catalogue.Place) {
	if !s.scan.Sound || s.result.Faults > 0 || s.result.Changed > 0 {
		return
	}
	err := b.options.State.Put(b.stateName, s.Key, state.Entry{Fingerprint: s.scan.Fingerprint, MD5: md5, List: list})
	if err != nil {
		b.warnOnce.Do(func() {
			b.Report.Event(report.Event{Kind: report.Warning, Text: "the next run will read unchanged files again", Err: err})
		})
	}
}

// warnOfOtherKey tells, once, that the store's archives open with another key:
// whoever named the wrong key file would pay for storing everything again.
func (b *backup) warnOfOtherKey(s *subtree) {
	if s.known.Record.KeyID == "" || s.known.Ours {
		return
	}
	b.otherKeyOnce.Do(func() {
		b.Report.Event(report.Event{Kind: report.Warning, Key: s.Key, Text: "it was made with another key file, and so may be others: they are stored again under this one; if that is not what you want, stop and name the other --keyfile"})
	})
}

// warnOfGone tells, once, that what an earlier run stored is not there: the
// disk of a directory store is not mounted, or somebody deletes objects.
func (b *backup) warnOfGone(s *subtree) {
	b.goneOnce.Do(func() {
		b.Report.Event(report.Event{Kind: report.Warning, Key: s.Key, Text: fmt.Sprintf("an earlier run stored it, and it is gone from %s, and so may be others: they are stored again; if you did not delete them, check what did, or whether the store's disk is mounted", b.Store.URL())})
	})
}

// errLeftOut: the subtree is a thing that no archive can hold, which has been
// reported, and is not a fault.
var errLeftOut = errors.New("left out")

// errEmpty keeps an archive that holds nothing of its subtree from taking the
// place of one that does.
var errEmpty = errors.New("nothing of it could be read, so nothing was stored in its place")

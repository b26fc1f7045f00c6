package backup

import (
	"context"

	"firn/pipeline"
	"firn/stages/service/report"
	"firn/stages/stage/archive"
	"firn/stages/stage/check"
	"firn/stages/stage/lock"
	"firn/stages/stage/pack"
)

// begin begins the run, adds its stages and makes what they work with.
func (b *backup) begin(ctx context.Context) {
	b.Begin(ctx, b.fault)
	s, w := &b.stages, b.options.Workers
	if b.member == nil {
		s.cut = b.Run.Stage(report.StageCut, 1)
	} else {
		s.take = b.Run.Stage(report.StageTake, 1)
	}
	s.walk = b.Run.Stage(report.StageWalk, w.Walk).TakesNew()
	s.lookup = b.Asking(report.StageLookup).TakesNew()
	if b.options.Hosts != nil {
		s.publish = b.Run.Stage(report.StagePublish, 1).TakesNew()
	} else {
		b.beginSaving()
	}
	s.record = b.Asking(report.StageRecord)

	b.runs, b.shelf, b.closed = b.readBefore(ctx)
	b.asker = &check.Asker{Store: b.Store, Table: b.options.Table, Listing: check.NewListing(), Keys: b.Keys}
	b.archiver = archive.New()
	b.shells = newShells(b)
}

// beginSaving adds the stages that save archives.
func (b *backup) beginSaving() {
	s, w := &b.stages, b.options.Workers
	s.archive = b.Run.Stage(report.StageArchive, w.Archive).TakesNew()
	s.compress = b.Run.Stage(report.StageCompress, w.Compress)
	s.hash = b.Run.Stage(report.StageHash, 3*w.Archive) // SHA-256, MD5 and HMAC in parallel
	s.spool = b.Run.Stage(report.StageSpool, w.Archive)
	s.check = b.Asking(report.StageCheck)
	s.encrypt = b.Run.Stage(report.StageEncrypt, w.Encrypt)
	s.upload = b.Moving(report.StageUpload, w.Upload)
	b.sending = pipeline.NewLoop[*subtree]()
	b.packer = pack.New(b.options.Format, b.Blocks, pack.Stages{Archive: s.archive, Compress: s.compress, Hash: s.hash, Spool: s.spool})
	b.sender.Encrypt, b.sender.Upload = s.encrypt, s.upload
}

// find reads what the store lists, and learns what other runs say of it. Lookup waits for both.
func (b *backup) find() {
	if !b.options.DryRun {
		b.locks = lock.New(b.Store, b.options.State)
	}
	b.learned = make(chan struct{})
	b.Run.Go(func(ctx context.Context) error {
		defer close(b.learned)
		if err := b.asker.Listing.Read(ctx, b.Store, b.tree.KeySpace()...); err != nil {
			return err
		}
		return b.learn(ctx)
	})
}

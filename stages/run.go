package stages

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"firn/pipeline"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/service/state"
	"firn/stages/stage/archive"
	"firn/stages/stage/check"
	"firn/stages/stage/pack"
	"firn/stages/stage/upload"
	"firn/stages/stage/walk"
	"firn/stages/store"
)

// Backup says what to save, where to, and with what means. All fields without
// a stated default must be set. What is passed stays the caller's, who closes
// it after Run.
type Backup struct {
	Path   string       // the backup path
	Walk   walk.Options // Ext and Workers are filled in
	Format codec.Format
	Cache  string // the cache path: the spool lies below it

	Store      store.Store  // checked by the caller, as the table is
	Table      record.Table // nil: records are kept in the objects' metadata only
	Passphrase *encryption.Passphrase
	Keys       *encryption.Keys
	State      *state.DB

	Class     string // storage class, "" for the store's default
	PartSize  int64  // bytes
	ForceRead bool   // read everything, whatever the fingerprints say
	DryRun    bool   // scan and ask, archive and store nothing

	Workers     Workers
	MemoryLimit int64 // bytes, for blocks and parts in flight
	SpoolLimit  int64 // bytes, for all spool files together

	Report report.Reporter
	Totals *report.Totals

	// Host and Firn are noted in the catalogue: whose tree it is, and which
	// version of firn saved it.
	Host, Firn string
}

// Workers are the numbers of workers of each stage.
type Workers struct{ Walk, Archive, Compress, Encrypt, Upload int }

// lookupWorkers ask what is stored: each waits for a server, none computes.
const lookupWorkers = 16

// MemoryNeeded is the least memory limit, in bytes, that a backup in a format
// with parts of partSize bytes can go through with.
func MemoryNeeded(f codec.Format, partSize int64) int64 { return pack.BlockMemory(f) + partSize }

// DefaultMemory is a memory limit, in bytes, with which no worker waits for
// memory.
func DefaultMemory(f codec.Format, partSize int64, w Workers) int64 {
	return blocksWanted(f, w) + int64(w.Encrypt+w.Upload)*partSize
}

// blocksWanted is what blocks take when every compress worker has one and two
// more wait.
func blocksWanted(f codec.Format, w Workers) int64 { return int64(w.Compress+2) * pack.BlockMemory(f) }

// partsShare is how much of the memory is for parts: what blocks do not want,
// within bounds.
func partsShare(o Backup) int64 {
	share := o.MemoryLimit - blocksWanted(o.Format, o.Workers)
	share = max(share, o.MemoryLimit/4)
	share = min(share, o.MemoryLimit-pack.BlockMemory(o.Format))
	return max(share, o.PartSize)
}

// backup is a Backup under way.
type backup struct {
	Backup
	run      *pipeline.Run
	tree     *walk.Tree
	blocks   *pipeline.Budget // memory of blocks of archives
	parts    *pipeline.Budget // memory of parts of objects; apart, for an archive that is made while it is sent needs both
	spooled  *pipeline.Budget
	repeats  *pipeline.Budget // one archive at a time is made while it is sent: two could each hold the memory that the other waits for
	spool    *spool.Dir
	asker    *check.Asker
	archiver *archive.Archiver
	packer   *pack.Packer
	sender   *upload.Sender
	journal  *journal

	stateName string // of the store, in the state file
	started   time.Time
	warnOnce  sync.Once

	otherKeyOnce sync.Once
	goneOnce     sync.Once
	cutFaults    sync.Map // path → true: directories above the depth that could not be read

	stages struct {
		cut, walk, lookup, archive, compress, hash, spool, check, encrypt, upload, record *pipeline.Stage
	}
}

func (b *backup) now() time.Time { return time.Now().UTC() }

// A Handle is a backup that was started.
type Handle struct{ b *backup }

// Start makes everything ready and starts the backup. An error says what was
// wrong before anything was stored. Wait must be called after it.
func (o Backup) Start(ctx context.Context) (_ *Handle, err error) {
	if need := MemoryNeeded(o.Format, o.PartSize); o.MemoryLimit < need {
		return nil, fmt.Errorf("a memory limit of %d bytes is too small: %s at level %d with parts of %d bytes needs %d", o.MemoryLimit, o.Format.Name(), o.Format.Level(), o.PartSize, need)
	}
	b := &backup{Backup: o, started: time.Now(), stateName: o.Store.URL()}
	b.Report = &report.Tee{Totals: o.Totals, To: o.Report}
	b.Walk.Ext = "tar." + o.Format.Ext()
	b.Walk.Workers = o.Workers.Walk
	if b.tree, err = walk.Open(o.Path, b.Walk); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.tree.Close())
		}
	}()
	parts := partsShare(o)
	b.parts, b.blocks = pipeline.NewBudget(parts), pipeline.NewBudget(o.MemoryLimit-parts)
	volume := volumeLimit(o.SpoolLimit)
	b.spooled, b.repeats = pipeline.NewBudget(o.SpoolLimit-volumes*volume), pipeline.NewBudget(1)
	if err := b.clean(ctx); err != nil {
		return nil, err
	}
	if b.journal, err = b.openJournal(ctx, volume); err != nil {
		return nil, err
	}
	b.leaveRecovery(ctx)
	b.begin(ctx)
	b.flow()
	return &Handle{b}, nil
}

// clean opens the spool and clears away what dead runs left: plaintext in the
// cache path, parts in the store.
func (b *backup) clean(ctx context.Context) error {
	dir, removed, err := spool.Open(b.Cache, b.spooled)
	if err != nil {
		return err
	}
	b.spool = dir
	b.Totals.SpoolFilesRemoved.Store(int64(removed))
	if removed > 0 {
		b.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("removed spool files that an interrupted run had left in %s: %d", b.Cache, removed)})
	}
	if b.DryRun {
		return nil
	}
	aborted := 0
	for _, prefix := range b.keySpace() {
		err := b.Store.Uploads(ctx, prefix, func(u store.PendingUpload) error {
			if u.Key != "" && !isArchive(u.Key) || u.Initiated.After(b.started) {
				return nil // a directory store shows what was left before it had a key
			}
			if err := b.Store.AbortUpload(ctx, u.Key, u.ID); err != nil {
				return err
			}
			aborted++
			return nil
		})
		if pipeline.IsFatal(err) || ctx.Err() != nil {
			return fmt.Errorf("looking for unfinished uploads: %w", err)
		}
		if err != nil {
			b.Report.Event(report.Event{Kind: report.Warning, Text: "parts that an interrupted run may have left in the store could not be cleared away and go on being billed", Err: err})
			break
		}
	}
	b.Totals.UploadsAborted.Store(int64(aborted))
	if aborted > 0 {
		b.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("aborted unfinished uploads that an interrupted run had left in %s: %d", b.Store.URL(), aborted)})
	}
	return nil
}

// isArchive tells whether a key is one that a backup makes.
func isArchive(k string) bool {
	i := strings.LastIndex(k, ".tar.")
	return i >= 0 && codec.HasExt(k[i+len(".tar."):])
}

// longestListed is the length in bytes up to which keys of one tree are sure
// to begin alike: longer ones may be shortened.
const longestListed = 512

// keySpace is the prefixes under which the keys of the tree lie.
func (b *backup) keySpace() []string {
	root := b.tree.Path()
	if root == "/" || root == "." {
		return []string{key.Prefix(b.Walk.Prefix)}
	}
	full := key.Full(b.Walk.Prefix, root, b.Walk.Ext)
	base := strings.TrimSuffix(full, b.Walk.Ext) // ends in a dot
	base = base[:len(base)-1]
	if len(base) > longestListed {
		cut := longestListed
		for !utf8.RuneStart(base[cut]) {
			cut--
		}
		return []string{base[:cut]}
	}
	return []string{base + ".tar.", base + "/"}
}

// begin adds the stages and gives the rooms their means.
func (b *backup) begin(ctx context.Context) {
	b.run = pipeline.New(ctx, pipeline.Options{OnFault: b.fault})
	s, w := &b.stages, b.Workers
	s.cut = b.run.Stage("cut", 1)
	s.walk = b.run.Stage("walk", w.Walk).TakesNew()
	s.lookup = b.run.Stage("lookup", lookupWorkers).TakesNew()
	s.archive = b.run.Stage("archive", w.Archive).TakesNew()
	s.compress = b.run.Stage("compress", w.Compress)
	s.hash = b.run.Stage("hash", 3*w.Archive) // SHA-256, MD5 and HMAC side by side
	s.spool = b.run.Stage("spool", w.Archive)
	s.check = b.run.Stage("check", lookupWorkers)
	s.encrypt = b.run.Stage("encrypt", w.Encrypt)
	s.upload = b.run.Stage("upload", w.Upload)
	s.record = b.run.Stage("record", lookupWorkers)

	listing := check.NewListing()
	b.run.Go(func(ctx context.Context) error { return listing.Read(ctx, b.Store, b.keySpace()...) })
	b.asker = &check.Asker{Store: b.Store, Table: b.Table, Listing: listing, Keys: b.Keys}
	b.archiver = archive.New(archive.Options{})
	b.packer = pack.New(b.Format, b.blocks, pack.Stages{Archive: s.archive, Compress: s.compress, Hash: s.hash, Spool: s.spool}, w.Compress)
	b.sender = &upload.Sender{
		Store: b.Store, PartSize: b.PartSize, Memory: b.parts, Encrypt: s.encrypt, Upload: s.upload,
		Warn: func(key string, err error) {
			b.Report.Event(report.Event{Kind: report.Warning, Key: key, Text: "an upload was left unfinished", Err: err})
		},
	}
}

// fault tells of a subtree that was not saved.
func (b *backup) fault(f pipeline.Fault) {
	item := f.Item
	if part, ok := item.(*upload.Part); ok {
		item = part.Item()
	}
	e := report.Event{Kind: report.Failed, Path: fmt.Sprint(item), Err: f.Err}
	if s, ok := item.(*subtree); ok {
		e.Key, e.Source = s.Key, s.scan.Bytes
		if s.Shell {
			e.Err = fmt.Errorf("the directory's own entry and plain files: %w", f.Err)
		}
		b.journal.failed(s, f.Err)
	}
	b.Report.Event(e)
}

// Stop ends the backup softly: nothing new is taken, what is in flight is
// finished.
func (h *Handle) Stop() { h.b.run.Stop() }

// Progress may be asked for at any time.
func (h *Handle) Progress() report.Progress {
	b := h.b
	p := report.Progress{
		Elapsed:     time.Since(b.started),
		Stages:      b.run.Counters(),
		MemoryLimit: b.MemoryLimit,
		SpoolLimit:  b.spooled.Size(),
	}
	blocks, _ := b.blocks.Used()
	parts, _ := b.parts.Used()
	p.MemoryUsed = blocks + parts
	p.SpoolUsed, _ = b.spooled.Used()
	return p
}

// Wait waits for the end. The summary's Err is nil if the run came to its end,
// pipeline.ErrStopped after Stop, else the cause: a fault of the run, or that
// of ctx. Subtrees and entries that failed are in the totals.
func (h *Handle) Wait() report.Summary {
	b := h.b
	err := b.run.Wait()
	run, noted := b.journal.finish(err)
	b.spool.Close()
	err = errors.Join(err, noted, b.tree.Close())
	s := report.Summary{Progress: h.Progress(), DryRun: b.DryRun, Err: err, Run: run}
	_, blocks := b.blocks.Used()
	_, parts := b.parts.Used()
	s.MemoryPeak = blocks + parts
	_, s.SpoolPeak = b.spooled.Used()
	s.Bottleneck = pipeline.Bottleneck(s.Stages)
	return s
}

// Package job is what every operation shares: the means it is given, the budgets, spool and catalogue that it works
// with, the handle that its caller holds, and how a key file is opened.
//
// It knows no operation and reads no archive. It promises that a job that ended holds no file and no budget.
package job

import (
	"context"
	"os"
	"time"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/store"
)

// Means are what an operation works with. What is passed stays the caller's, who closes it after Handle.Wait.
type Means struct {
	Store      store.Store // checked by the caller
	Prefix     string      // of the keys, as the user gives it
	Passphrase *encryption.Passphrase
	Keys       *encryption.Keys

	Cache       string // the cache path, below which the spool lies; "" for an operation that spools nothing
	PartSize    int64  // bytes in one request
	MemoryLimit int64  // bytes of blocks, parts and ranges in flight
	SpoolLimit  int64  // bytes of all spool files and volumes of the catalogue together

	Report report.Reporter
	Totals *report.Totals
}

// LookupWorkers is how many workers ask a store or a table: each waits for a server, none computes.
const LookupWorkers = 16

// Workers are the numbers of workers of the stages that read archives back. Read is the last stage: it extracts, compares or
// lists what was fetched and decrypted.
type Workers struct{ Fetch, Decrypt, Read int }

// A Job is an operation under way.
type Job struct {
	Means
	Run     *pipeline.Run
	Memory  *pipeline.Budget // parts and ranges in flight
	Blocks  *pipeline.Budget // blocks of archives that are being made; nil where none are
	Spooled *pipeline.Budget
	Spool   *spool.Dir // nil without a cache path
	Ledger  *ledger.Ledger
	Started time.Time

	// SpoolFilesRemoved were left in the cache path by a run that died.
	SpoolFilesRemoved int
}

// Open opens the spool and the catalogue. memory and blocks share the memory limit, in bytes; of the spool limit, reserved bytes
// are kept for something else than archives. Close must be called if the job never comes to Handle.Wait.
func Open(m Means, blocks, reserved int64) (*Job, error) {
	j := &Job{Means: m, Started: time.Now()}
	j.Report = &report.Tee{Totals: m.Totals, To: m.Report}
	j.Memory, j.Spooled = pipeline.NewBudget(m.MemoryLimit-blocks), pipeline.NewBudget(m.SpoolLimit-reserved)
	if blocks > 0 {
		j.Blocks = pipeline.NewBudget(blocks)
	}
	scratch := func() (*os.File, error) { return spool.Scratch("") }
	if m.Cache != "" {
		var err error
		if j.Spool, j.SpoolFilesRemoved, err = spool.Open(m.Cache, j.Spooled); err != nil {
			return nil, err
		}
		scratch = j.Spool.Scratch
	}
	j.Ledger = &ledger.Ledger{Store: m.Store, Prefix: m.Prefix, Passphrase: m.Passphrase, Keys: m.Keys, Scratch: scratch}
	return j, nil
}

// Begin makes the run, to which the operation adds its stages.
func (j *Job) Begin(ctx context.Context, fault func(pipeline.Fault)) {
	j.Run = pipeline.New(ctx, pipeline.Options{OnFault: fault})
}

// Close closes the spool.
func (j *Job) Close() {
	if j.Spool != nil {
		j.Spool.Close()
	}
}

const (
	shelfLeast = 4 // packs of lists that are kept at hand, whatever their size
	shelfShare = 8 // part of the spool limit that they may take beside the spool
)

// Shelf keeps packs of lists at hand: the archives of a run come in no order of their packs, of which there may be one for each
// run since the first. The caller closes it.
func (j *Job) Shelf() *ledger.Shelf { return j.Ledger.Shelf(shelfLeast, j.SpoolLimit/shelfShare) }

const (
	// volumes is how many volumes of the catalogue are on disk at most: a pack and a manifest that are being filled, one that
	// is being stored, and one that is full and waits for that.
	volumes = 4
	// volumeMost is how large a volume gets, in bytes: a handful make the catalogue of a million files.
	volumeMost = 64 << 20
)

// VolumeLimit is the size of a volume of the catalogue, in bytes, and what all of them take of the spool limit: an eighth.
func (m Means) VolumeLimit() (volume, all int64) {
	volume = max(min(m.SpoolLimit/(8*volumes), volumeMost), 1)
	return volume, volumes * volume
}

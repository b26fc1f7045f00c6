// Package job is what all operations share: means, budgets, spool, catalogue, the handle for the
// caller, and the key file. It knows no operation and reads no archive. A job that ended holds no
// file and no budget.
package job

import (
	"context"
	"os"
	"runtime"
	"time"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/store"
)

// Means are what an operation works with. The caller closes them after Handle.Wait.
type Means struct {
	Store  store.Store // checked by the caller
	Prefix string      // of the keys, as the user gives it
	Keys   *encryption.Keys

	Cache       string // the cache path, for the spool; "" for an operation that spools nothing
	Nameless    bool   // Cache is only for files without a name, and is not locked; "": the system's temporary directory
	PartSize    int64  // bytes in one request
	MemoryLimit int64  // bytes of blocks, parts and ranges in flight
	SpoolLimit  int64  // bytes of all spool files and volumes of the catalogue together

	// Throttle counts when the store asks for fewer requests, TableThrottle when the table does; nil
	// if it never does.
	Throttle, TableThrottle *pipeline.Throttle

	Traffic *store.Traffic // counts the bytes of objects; nil: nobody does

	Report report.Reporter
	Totals *report.Totals
}

// Workers are the numbers of workers of the stages that read archives.
type Workers struct {
	Fetch   int // ranges fetched at once, over all archives: bounds connections; 0 is found
	Decrypt int // archives fetched and decrypted at once: bounds processor use; found if Fetch is
	Read    int // archives extracted, compared or listed at once: bounds processor use
}

// DefaultWorkers returns numbers that suit the machine.
func DefaultWorkers() Workers {
	cpus := runtime.GOMAXPROCS(0)
	return Workers{
		Fetch:   0,            // it waits for the network, which the run measures
		Decrypt: max(2, cpus), // it computes, and waits for ranges
		Read:    cpus,         // it decompresses
	}
}

// A Job is an operation under way.
type Job struct {
	Means
	Run     *pipeline.Run
	Memory  *pipeline.Budget // parts and ranges in flight
	Blocks  *pipeline.Budget // blocks of archives that are being made; nil where none are
	Spooled *pipeline.Budget
	Spool   *spool.Dir // nil without a cache path
	Ledger  *ledger.Ledger
	Works   *report.Works // nil: there is no progress to tell
	Started time.Time

	SpoolFilesRemoved int // left in the cache path by an interrupted run
}

// Open opens the spool and the catalogue. The budget Blocks gets that many bytes of the memory
// limit; reserved bytes of the spool limit are not for archives. Close must be called if
// Handle.Wait is not.
func Open(m Means, blocks, reserved int64) (*Job, error) {
	j := &Job{Means: m, Started: time.Now()}
	j.Report = &report.Tee{Totals: m.Totals, To: m.Report}
	j.Memory, j.Spooled = pipeline.NewBudget(m.MemoryLimit-blocks), pipeline.NewBudget(m.SpoolLimit-reserved)
	if blocks > 0 {
		j.Blocks = pipeline.NewBudget(blocks)
	}
	scratch := func() (*os.File, error) { return spool.Scratch("") }
	switch {
	case m.Nameless:
		j.Spool = spool.Nameless(m.Cache, j.Spooled)
		scratch = j.Spool.Scratch
	case m.Cache != "":
		var err error
		if j.Spool, j.SpoolFilesRemoved, err = spool.Open(m.Cache, j.Spooled); err != nil {
			return nil, err
		}
		scratch = j.Spool.Scratch
	}
	j.Ledger = &ledger.Ledger{Store: m.Store, Prefix: m.Prefix, Keys: m.Keys, Scratch: scratch}
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
	shelfLeast = 4 // packs of lists that are kept, whatever their size
	shelfShare = 8 // they may take an eighth of the spool limit, beside the spool
)

// Shelf keeps packs of lists: the archives of a run come in no order of their packs, and there may
// be a pack of each earlier run. The caller closes it.
func (j *Job) Shelf() *ledger.Shelf { return j.Ledger.Shelf(shelfLeast, j.SpoolLimit/shelfShare) }

const (
	// volumes is how many volumes of the catalogue are on disk at most: a pack and a manifest that
	// are being filled, one that is being stored, and one that is full.
	volumes = 4
	// volumeMost is the largest size of a volume in bytes. A few make the catalogue of a million
	// files.
	volumeMost = 64 << 20
)

// VolumeLimit returns the size of a volume of the catalogue, in bytes, and that of all volumes: an
// eighth of the spool limit.
func (m Means) VolumeLimit() (volume, all int64) {
	volume = max(min(m.SpoolLimit/(8*volumes), volumeMost), 1)
	return volume, volumes * volume
}

package backup

import (
	"runtime"
	"time"

	"firn/stages/format/codec"
	"firn/stages/format/record"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/service/state"
	"firn/stages/stage/forecast"
	"firn/stages/stage/pack"
	"firn/stages/stage/walk"
)

// Options say what to save and how. A field without a stated default must be set.
type Options struct {
	job.Means
	Path   string       // the backup path
	Walk   walk.Options // Start sets Prefix, Ext and Workers
	Format codec.Format

	Table record.Table // nil: records are only in the objects' metadata; checked by the caller
	State *state.DB

	Class     string // storage class, "" for the store's default
	NewStore  bool   // go on if the store holds nothing any more of what State knows
	Rekey     bool   // store again what was made with another key, also if all is
	ForceRead bool   // read everything, whatever the fingerprints say
	// ReplacePartial stores what could be read, though the archive in its place holds more.
	ReplacePartial bool
	NoResume       bool // take up no upload of an earlier run, and leave none to a later one

	// AbortAfter is the age from which an upload that nobody completes is aborted, whoever began it.
	AbortAfter time.Duration

	DryRun bool // scan and ask; archive and store nothing
	// Foresee is told of each archive of a dry run, and what would become of it, from any goroutine;
	// nil is allowed.
	Foresee func(forecast.Archive)
	Workers Workers

	Host, Firn string // for the catalogue: whose tree it is, and the version of firn

	// Hosts has other hosts save the tree, of which this one is the coordinator: see Work. Start sets
	// what only it knows. nil: this process saves it.
	Hosts *hosts.Options
}

// Workers are the numbers of workers of the stages.
type Workers struct {
	Walk     int // subtrees scanned at once: bounds requests to the disk
	Archive  int // subtrees read at once: bounds open files and half-filled blocks
	Compress int // blocks compressed at once, over all archives: bounds processor use
	Encrypt  int // archives encrypted at once: bounds processor use and half-filled parts
	Upload   int // parts uploaded at once, over all archives: bounds connections; 0 is found
}

// DefaultWorkers returns numbers that suit the machine.
func DefaultWorkers() Workers {
	cpus := runtime.GOMAXPROCS(0)
	return Workers{
		Walk:     max(4, 2*cpus), // it waits for the disk
		Archive:  cpus + 2,       // two more than can compute, to read while the others wait
		Compress: cpus,           // it computes
		Encrypt:  max(2, cpus),   // it computes, and waits for memory
		Upload:   0,              // it waits for the network, which the run measures
	}
}

// MemoryNeeded is the least memory limit, in bytes, of a backup with parts of partSize bytes.
func MemoryNeeded(f codec.Format, partSize int64) int64 { return pack.BlockMemory(f) + partSize }

// DefaultMemory is a memory limit, in bytes, with which no worker waits for memory. If the number of
// upload workers is found, it is enough for job.InFlight parts, and at most half, which is half of
// the machine's memory.
func DefaultMemory(f codec.Format, partSize int64, w Workers, half int64) int64 {
	return min(blocksWanted(f, w)+(int64(w.Encrypt)+job.InFlight(w.Upload, partSize, half))*partSize, half)
}

// blocksWanted is the memory of a block for each compress worker, and of two that wait.
func blocksWanted(f codec.Format, w Workers) int64 { return int64(w.Compress+2) * pack.BlockMemory(f) }

// partsShare is the share of the memory limit for parts: what blocks do not want, within bounds.
func partsShare(o Options) int64 {
	share := o.MemoryLimit - blocksWanted(o.Format, o.Workers)
	share = max(share, o.MemoryLimit/4)
	share = min(share, o.MemoryLimit-pack.BlockMemory(o.Format))
	return max(share, o.PartSize)
}

package bench

import (
	"time"

	"firn/stages/stage/sample"
)

// Version is that of the form in which results are kept.
const Version = 1

// A Result is what one run of the benchmark measured. All bytes are those of tars, headers and
// padding included, unless a field says otherwise; rates are bytes a second.
type Result struct {
	Version int       `json:"version"`
	Made    time.Time `json:"made"`
	Firn    string    `json:"firn"`
	Host    string    `json:"host"`
	System  string    `json:"system"`  // operating system and processor architecture
	Cores   int       `json:"cores"`   // that the process may use
	Seconds float64   `json:"seconds"` // that it took

	Tree    Tree      `json:"tree"`
	Read    Reading   `json:"read"`
	Codecs  []Codec   `json:"codecs"`
	Scaling []Scaled  `json:"scaling"` // of the format of the backup, by rising number of workers
	Sums    []Rated   `json:"sums"`    // hashes and the cipher
	Upload  *Link     `json:"upload,omitempty"`
	Backup  *Pipeline `json:"backup,omitempty"`
	// Missing says what could not be measured, and why.
	Missing []Missing `json:"missing,omitempty"`

	Settings Settings `json:"settings"`
}

// Settings are those that the figures are of.
type Settings struct {
	Algorithm string `json:"algorithm"`
	Level     int    `json:"level"`
	Depth     int    `json:"depth"`
	Walk      int    `json:"walk_workers"`
	Archive   int    `json:"archive_workers"`
	Compress  int    `json:"compress_workers"`
	Encrypt   int    `json:"encrypt_workers"`
	Upload    int    `json:"upload_workers"` // 0: found by the run
	PartSize  int64  `json:"part_size"`
	Store     string `json:"store,omitempty"`
}

// A Tree is what was walked.
type Tree struct {
	Path    string `json:"path"`
	Entries int64  `json:"entries"`
	Files   int64  `json:"files"`
	Bytes   int64  `json:"bytes"`          // of regular files
	Tar     int64  `json:"tar"`            // bytes that their tars have
	Part    bool   `json:"part,omitempty"` // the walk was ended by its time: the tree has more

	Disk  int64        `json:"first_walk_disk"` // bytes that came from the disk for the first walk; -1: not known
	First sample.Range `json:"first_walk"`      // entries a second of one walker, the first time
	Again sample.Range `json:"walk"`            // of all walk workers, once the names are in memory
}

// A Reading is how fast files are read and made into tars, without anything after that.
type Reading struct {
	Rate    sample.Range `json:"rate"`
	Workers int          `json:"workers"`
	Bytes   int64        `json:"bytes"`
	// Disk is the share of Bytes that came from the disk, the rest came from memory; -1: not known.
	Disk float64 `json:"disk"`
}

// A Codec is how one compression did on pieces of the tree.
type Codec struct {
	Name    string       `json:"name"`
	Library string       `json:"library,omitempty"` // of another's, that firn could use in place of its own
	Level   int          `json:"level,omitempty"`   // 0: it has none
	Rate    sample.Range `json:"rate"`              // per second of one core
	Ratio   sample.Range `json:"ratio"`
	// Cost and Size are the time and the bytes that it took, over those of the backup's format for the
	// same pieces: what the pieces are, and what else the machine did meanwhile, is in both.
	Cost sample.Range `json:"cost"`
	Size sample.Range `json:"size"`
}

// A Rated is a rate per second of one core.
type Rated struct {
	Name string       `json:"name"`
	Rate sample.Range `json:"rate"`
}

// A Scaled is a rate of several workers at once.
type Scaled struct {
	Workers int          `json:"workers"`
	Rate    sample.Range `json:"rate"`
	// Cores is how many the workers had: fewer than workers if other processes took them. 0: not
	// looked at.
	Cores float64 `json:"cores,omitempty"`
}

// A Link is how fast bytes are stored. They are those of objects.
type Link struct {
	Store    string   `json:"store"`
	By       []Scaled `json:"by_connections"`
	Requests int64    `json:"requests"`
	Bytes    int64    `json:"bytes"`   // that were sent, and dropped by the store
	Dollars  float64  `json:"dollars"` // of the requests; set by the caller
}

// A Pipeline is a backup that was measured as a whole, into a store that keeps nothing.
type Pipeline struct {
	Rate    sample.Range `json:"rate"`
	Ratio   float64      `json:"ratio"` // of the archives
	Bytes   int64        `json:"bytes"`
	Whole   bool         `json:"whole"`  // of the tree
	CPU     float64      `json:"cpu"`    // seconds per byte
	Stages  []Busy       `json:"stages"` // in the order of the data
	Limit   string       `json:"limit"`  // the stage that was busiest
	Seconds float64      `json:"seconds"`
}

// Busy is how busy the workers of a stage were, from 0 to 1.
type Busy struct {
	Stage   string  `json:"stage"`
	Workers int     `json:"workers"`
	Share   float64 `json:"share"`
}

// Missing is something that was not measured.
type Missing struct {
	What string `json:"what"`
	Why  string `json:"why"`
	Err  error  `json:"-"` // nil: it was not asked for
}

// best is the measurement of the highest rate, the one of fewer workers if others are within its spread.
func best(all []Scaled) (b Scaled) {
	for _, s := range all {
		if s.Rate.Value > b.Rate.Value {
			b = s
		}
	}
	return b
}

// Package extract writes the entries of tar streams below a directory: the tar half of the stage
// "extract".
//
// It reads what GNU tar, bsdtar, Python's tarfile and package archive write. It knows neither
// compression nor stores nor what a run is. It trusts nothing that an archive says.
//
// It promises:
//
//   - Nothing is made, changed or removed outside the target: each directory is opened from the one
//     above it without following links. An absolute name, "..", and a name that leads through a
//     symbolic link, of the archive or an older one, are refused.
//   - A file gets its name only when it is whole and on the disk, with all that belongs to it: see
//     Settle. Until then its name begins with TempPrefix. What a killed run left is removed when
//     its directory is written to again.
//   - A fault of an entry is reported and stops nothing. A stream ends early by its own fault, its
//     context, its limits, or a fault of the whole target, which is marked pipeline.Fatal.
//   - An entry that is there already, as the archive has it, is not written again. If only its owner,
//     mode or attributes differ, they are set.
//   - Directories are open to their owner alone until Finish sets their owners, modes and times.
//     Their mode until then shows a later run which ones a killed run left. Only the memory for
//     that, some 190 bytes and a name each, grows with the number of entries.
package extract

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

// TempPrefix begins the names of unfinished files.
const TempPrefix = ".firn-restore-"

// Overwrite says what happens to an entry that is there already and is not what the archive holds.
// Directories are always merged. A directory is replaced by something else only if it is empty.
type Overwrite int

// The rules of overwriting.
const (
	Never   Overwrite = iota // it stays, and is reported as Exists
	IfOlder                  // it is replaced if its time of modification is older, else as Never
	Always                   // it is replaced
)

// Options says where entries are written, and how. Target is needed.
type Options struct {
	// Target holds everything that is written. The caller closes it, after Finish.
	Target    *os.Root
	Overwrite Overwrite
	// Owners gives entries their numeric owners, if root runs it; else they belong to who runs it.
	Owners bool
	// Run is the id of a run on many hosts, of which each has an Extractor of this target, which they
	// share; "" for any other. See Dir.
	Run string
	// Hands: this is not the one of them that finishes directories.
	Hands bool
	// Report is called for every entry that was not restored whole, one call at a time; nil for none.
	Report func(Fault)
}

// Limits bounds what one archive may ask for. Zero fields are no limits.
type Limits struct {
	// Top is the first element that all names in the archive have, also those that hard links lead
	// to. Another one ends the archive with ErrOutside.
	Top string
	// Harmless takes from entries what an archive of unknown origin must not give: owners but who
	// runs this, setuid, setgid, and attributes of the system, such as capabilities. A device is
	// reported as Refused.
	Harmless   bool
	MaxEntries int64 // entries in the archive, selected or not, and directories that its names imply
	MaxBytes   int64 // sizes of the regular files in the archive, selected or not, holes included
}

// Result says what was written of one archive.
type Result struct {
	Entries int64 // entries in place as the archive has them, Kept ones that are right included
	Files   int64 // of them regular files that were written
	Bytes   int64 // their sizes added up, holes included
	Kept    int64 // entries but directories that were there already: right, or reported as Exists
	Faults  int64 // reports of anything but Exists
}

// An Extractor extracts archives, any number at once. Make one with New, and end with Finish.
type Extractor struct {
	o          Options
	root       bool   // may give files away
	admin      bool   // may set any attribute
	euid, egid uint32 // who runs it
	own        string // begins the names of this run's unfinished files
	temps      atomic.Uint64
	dirs       dirs
	over       bool // see Over
	sweeps     bool // see SweepRun
	exact      exactModes

	open    sync.Once
	top     *os.File // the target
	openErr error

	settling  settling
	counting  sync.Mutex // of Results
	reporting sync.Mutex
	writers   sync.Pool // of *writer
}

const (
	bufferSize = 128 << 10 // of file content on its way; a multiple of holeSize
	readAhead  = 32 << 10  // of the stream
)

// New returns an Extractor.
func New(o Options) *Extractor {
	euid := os.Geteuid()
	x := &Extractor{o: o, root: euid == 0, admin: euid == 0 && isAdmin(), euid: uint32(euid), egid: uint32(os.Getegid())}
	x.own = TempPrefix + strconv.Itoa(os.Getpid()) + "-" + rand.Text()[:12] + "-"
	if o.Run != "" {
		x.own = ofRun(o.Run) + rand.Text()[:12] + "-"
	}
	x.dirs.hands = o.Hands
	x.writers.New = func() any {
		return &writer{x: x, buf: make([]byte, bufferSize), in: tap{r: bufio.NewReaderSize(nil, readAhead)}}
	}
	return x
}

// Extract writes the archive that r yields below dir, a path relative to the target ("" or "." is
// the target itself), which is made if it is missing. selected reports which entries are wanted, by
// their names as in Members; nil wants all. Directories above a selected entry are made as well.
//
// Files wait for their names until Settle is called, which is after Extract at the latest, and, when
// many wait, in full, or by another goroutine that full has to do it; nil is Settle.
//
// The result counts what was done, also with an error: one of r, a *LimitError, ctx's cause, one of
// full, or one marked pipeline.Fatal (TargetError). It is complete, and may be read, once Settle or
// Finish was called after Extract. Without an error, r has been read to its end.
func (x *Extractor) Extract(ctx context.Context, r io.Reader, dir string, selected func(name string, dir bool) bool, limits Limits, full func() error) (*Result, error) {
	w, err := x.writer(ctx, r, dir)
	if err != nil {
		return &Result{}, err
	}
	defer w.end()
	if full == nil {
		full = x.Settle
	}
	w.selected, w.limits, w.full = selected, limits, full
	if _, err := w.here.enter(w.base, w.implied); err != nil {
		return w.result, x.explain(fmt.Errorf("making the directory %q to restore to: %w", dir, err))
	}
	err = members(&w.in, w.tar, func(h *tar.Header) error {
		if err := w.count(h); err != nil {
			return err
		}
		if err := Outside(limits.Top, h); err != nil {
			return err
		}
		if limits.Harmless {
			x.disarm(h)
		}
		return w.settle(h.Name, w.entry(h))
	})
	return w.result, err
}

// writer returns a writer of an archive below dir, whose end must be called.
func (x *Extractor) writer(ctx context.Context, r io.Reader, dir string) (*writer, error) {
	if err := x.openTarget(); err != nil {
		return nil, err
	}
	base, err := clean(dir)
	if err != nil {
		return nil, fmt.Errorf("extracting to %q: %w", dir, err)
	}
	w := x.writers.Get().(*writer)
	w.in.r.Reset(r)
	w.in = tap{ctx: ctx, r: w.in.r, maps: true}
	w.tar, w.base, w.result = tar.NewReader(&w.in), base, &Result{}
	w.here.x, w.there.x, w.here.adopt = x, x, w.adopt
	return w, nil
}

func (x *Extractor) openTarget() error {
	x.open.Do(func() {
		if x.o.Target == nil {
			x.openErr = errors.New("there is no target to extract to")
		} else if x.top, x.openErr = x.o.Target.Open("."); x.openErr != nil {
			x.openErr = fmt.Errorf("opening the target %s: %w", x.o.Target.Name(), x.openErr)
		}
	})
	return x.openErr
}

func (x *Extractor) tempName() string {
	return x.own + strconv.FormatUint(x.temps.Add(1), 36)
}

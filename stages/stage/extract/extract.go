// Package extract lays the entries of tar streams down below a directory: the tar half of the stage "extract".
//
// It reads what GNU tar, bsdtar, Python's tarfile and package archive write. It knows neither compression nor stores nor what a
// run is. It believes nothing that an archive says.
//
// What it promises:
//
//   - Nothing is made, changed or removed outside the target, whatever a stream holds: names are taken apart, and each
//     directory is opened from the one above it without following links. An absolute name, "..", and a name that leads
//     through a symbolic link (of the archive, or one that was there before) are refused.
//   - A file appears under its name only when it is whole: content, owner, attributes, mode and time. Until then it has a
//     name that begins with TempPrefix, and goes when there is an error. What a killed run left goes
//     when its directory is written to again.
//   - A fault of an entry is reported and stops nothing. What ends a stream early: the stream's own fault, its context, its
//     limits, and a fault of the target's file system as a whole, which is marked pipeline.Fatal.
//   - An entry that is there already, as the archive has it, is not written again.
//   - Directories are open to their owner alone while they are filled; Finish gives them their owners, modes and times, over
//     all streams of a run. That takes some 180 bytes and the length of its name for each directory; nothing else grows
//     with the number of entries.
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

// TempPrefix is what the names of unfinished files begin with.
const TempPrefix = ".firn-restore-"

// Overwrite says what becomes of an entry that is there already and is not what the archive holds. Directories are
// merged whatever it says. A directory makes way for something else only if it is empty.
type Overwrite int

// The rules of overwriting.
const (
	Never   Overwrite = iota // it stays, and is reported as Exists
	IfOlder                  // it is replaced if it was modified before what the archive holds, else it stays and is reported
	Always                   // it is replaced
)

// Options says where entries are laid down, and how. Target is needed; the rest has a useful zero value.
type Options struct {
	// Target is what everything is laid down in. It belongs to the caller, and must be open until Finish.
	Target *os.Root
	// Overwrite decides about what is there already.
	Overwrite Overwrite
	// Owners gives entries their numeric owners, if root runs it; else they belong to who runs it.
	Owners bool
	// Limits bounds each archive.
	Limits Limits
	// Report is told of every entry that was not restored whole. It is called by one goroutine at a time; nil for none.
	Report func(Fault)
}

// Limits bounds what one archive may ask for. 0 is no limit.
type Limits struct {
	MaxEntries int64 // entries in the archive, selected or not, and directories that its names imply
	MaxBytes   int64 // sizes of the regular files in the archive, selected or not, holes included
}

// Result says what was laid down of one archive.
type Result struct {
	Entries int64 // entries now in their place as the archive has them, Kept ones that are right included
	Files   int64 // of them regular files that were written
	Bytes   int64 // their sizes added up, holes included
	Kept    int64 // entries other than directories that were there already: right, or not to be overwritten (those are reported too)
	Faults  int64 // reports of anything but Exists
}

// An Extractor lays archives down, any number at once. Make one with New, and end with Finish.
type Extractor struct {
	o     Options
	root  bool   // may give files away
	euid  uint32 // who runs it
	egid  uint32
	own   string // what the names of this run's unfinished files begin with
	temps atomic.Uint64
	dirs  dirs
	exact exactModes

	open    sync.Once
	top     *os.File // the target
	openErr error

	reporting sync.Mutex
	layers    sync.Pool // of *layer
}

// New returns an Extractor.
func New(o Options) *Extractor {
	euid := os.Geteuid()
	x := &Extractor{o: o, root: euid == 0, euid: uint32(euid), egid: uint32(os.Getegid())}
	x.own = TempPrefix + strconv.Itoa(os.Getpid()) + "-" + rand.Text()[:12] + "-"
	x.layers.New = func() any {
		return &layer{x: x, buf: make([]byte, bufferSize), in: tap{r: bufio.NewReaderSize(nil, readAhead)}}
	}
	return x
}

func (x *Extractor) begin() error {
	x.open.Do(func() {
		if x.o.Target == nil {
			x.openErr = errors.New("there is no target to lay an archive down in")
			return
		}
		if x.top, x.openErr = x.o.Target.Open("."); x.openErr != nil {
			x.openErr = fmt.Errorf("opening the target %s: %w", x.o.Target.Name(), x.openErr)
		}
	})
	return x.openErr
}

// Extract lays the archive that r yields down below dir, a path relative to the target ("" or "." is the target itself), which is
// made if it is missing. selected tells which entries are wanted, by their names as in the tar without a trailing slash or a
// leading "./" ("." for the archive's own top); nil wants all. Directories above a selected entry are made, as the archive describes them if it does.
//
// The result counts what was done, also when an error is returned: one of r (which may be damaged, or cut off), of a limit
// (LimitError), ctx's cause, or one marked pipeline.Fatal, when the target is full or can't be written to. Without an error,
// r has been read to its end, past the end of the archive.
func (x *Extractor) Extract(ctx context.Context, r io.Reader, dir string, selected func(name string) bool) (Result, error) {
	return x.ExtractWithin(ctx, r, dir, selected, x.o.Limits)
}

// ExtractWithin is Extract with limits of the archive's own in place of the Options'.
func (x *Extractor) ExtractWithin(ctx context.Context, r io.Reader, dir string, selected func(name string) bool, limits Limits) (Result, error) {
	if err := x.begin(); err != nil {
		return Result{}, err
	}
	l := x.layers.Get().(*layer)
	defer x.layers.Put(l)
	l.begin(ctx, r, selected, limits)
	defer l.end()
	var err error
	if l.base, err = clean(dir); err != nil {
		return Result{}, fmt.Errorf("laying an archive down in %q: %w", dir, err)
	}
	if _, err := l.here.enter(l.base, l.implied); err != nil {
		return l.result, x.explain(fmt.Errorf("making the directory %q to restore to: %w", dir, err))
	}
	return l.result, l.all()
}

func (x *Extractor) tempName() string {
	return x.own + strconv.FormatUint(x.temps.Add(1), 36)
}

// tap is what the tar reader reads from.
type tap struct {
	ctx   context.Context
	r     *bufio.Reader
	n     int64 // bytes read
	zeros int   // zero bytes that the last of them were, at most endSize
}

// endSize is what an archive ends with at least, in zero bytes: one block (POSIX wants two, some writers make one).
const endSize = 512

func (t *tap) Read(p []byte) (int, error) {
	if t.ctx.Err() != nil {
		return 0, context.Cause(t.ctx)
	}
	n, err := t.r.Read(p)
	t.n += int64(n)
	run := 0
	for run < n && run < endSize && p[n-1-run] == 0 {
		run++
	}
	if run == n {
		run = min(run+t.zeros, endSize)
	}
	t.zeros = run
	return n, err
}

// rest reads what follows the archive, so that whoever makes the stream comes to its end and can tell what is wrong with it.
func (t *tap) rest() error {
	if t.zeros < endSize {
		return fmt.Errorf("the archive is cut off after %d bytes: %w", t.n, io.ErrUnexpectedEOF)
	}
	_, err := io.Copy(io.Discard, struct{ io.Reader }{t})
	return err
}

const (
	bufferSize = 128 << 10 // of file content on its way; a multiple of holeSize
	readAhead  = 32 << 10  // of the stream
)

func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	_, major := h.PAXRecords["GNU.sparse.major"]
	_, sparseMap := h.PAXRecords["GNU.sparse.map"]
	return major || sparseMap
}

// Package spool keeps archives in files under the cache path while they wait for the next stage. A
// file is written once, and removed when it is no longer needed, by the next run if need be; but that
// of an upload under way is kept for the next run. All files together stay inside a budget. Reading
// gives what was written, or an error.
package spool

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"firn/pipeline"
	"firn/stages/service/fsys"
)

const (
	dirName = "firn-spool"
	suffix  = ".archive"
)

// Dir is the spool of one run.
type Dir struct {
	path   string
	budget *pipeline.Budget
	next   atomic.Int64
	hidden bool
	lent   bool // path is not the spool's own
	kept   kept
}

// Nameless returns a spool of files without a name in dir, which exists; "" is the directory of the system
// for temporary files. It needs no lock, and nothing of it is left however the run ends.
func Nameless(dir string, budget *pipeline.Budget) *Dir {
	return &Dir{path: dir, budget: budget, hidden: true, lent: true}
}

// Hide makes files without names from now on, of which nothing is left however the run ends. It is
// called before Create.
func (d *Dir) Hide() { d.hidden = true }

// Open makes the spool under cache (mode 0700), removes the files that interrupted runs left, but for
// those that they kept, and returns their number. The caller holds the lock of the cache path.
func Open(cache string, budget *pipeline.Budget) (d *Dir, removed int, err error) {
	d = &Dir{path: filepath.Join(cache, dirName), budget: budget}
	if err := fsys.Private(d.path); err != nil {
		return nil, 0, fmt.Errorf("the spool %s can't be used: %w", d.path, err)
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the spool: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, e.Name())); err != nil {
			return nil, removed, fmt.Errorf("removing what an earlier run left in the spool: %w", err)
		}
		removed++
	}
	return d, removed, nil
}

// Close removes the spool's directory if it is empty.
func (d *Dir) Close() {
	if !d.lent {
		_ = os.Remove(d.path)
	}
}

// A File is the spool of one archive: Write, then Seal, then Reader. Remove may be called at any
// time.
type File struct {
	dir      *Dir
	file     *os.File
	path     string       // "" if it has no name
	share    int64        // bytes of the budget
	used     atomic.Int64 // of the share, by the archive and its Beside
	size     int64        // bytes written
	crc      uint32       // CRC-32C of the last block, while it is not full
	crcs     []uint32     // CRC-32C of each full block
	overflow bool
	removed  atomic.Bool
	beside   *Beside
}

// Create waits for a share of bound bytes, the largest size that the archive can have, and makes a
// file for it. The stage that calls it counts as blocked meanwhile. An archive with a larger bound
// than the whole budget waits until it is alone.
func (d *Dir) Create(ctx context.Context, s *pipeline.Stage, bound int64) (*File, error) {
	share, err := d.acquire(ctx, s, bound)
	if err != nil {
		return nil, err
	}
	path, file, err := d.create()
	if err != nil {
		d.budget.Release(share)
		return nil, pipeline.Fatal(fmt.Errorf("making a spool file: %w", err))
	}
	return &File{dir: d, file: file, path: path, share: share}, nil
}

func (d *Dir) create() (path string, file *os.File, err error) {
	if d.hidden {
		file, err = d.Scratch()
		return "", file, err
	}
	path = filepath.Join(d.path, fmt.Sprintf("%d-%d%s", os.Getpid(), d.next.Add(1), suffix))
	file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	return path, file, err
}

// Write appends to the file. An archive that exceeds its share is not kept (see Overflow). A full
// disk is a fault of the run.
func (f *File) Write(p []byte) (int, error) {
	if f.overflow {
		return len(p), nil
	}
	if f.used.Add(int64(len(p))) > f.share {
		f.used.Add(-f.size - int64(len(p)))
		f.overflow = true
		if err := f.file.Truncate(0); err != nil {
			return 0, fmt.Errorf("emptying a spool file: %w", err)
		}
		return len(p), nil
	}
	n, err := f.file.Write(p)
	f.sum(p[:n])
	return n, writeError("an archive", err)
}

// blockSize is of how many bytes each a CRC is kept: a reader gives none of them out unproven.
const blockSize = 256 << 10

// sum adds the CRCs of the next bytes of the file.
func (f *File) sum(p []byte) {
	for len(p) > 0 {
		some := p[:min(int64(len(p)), blockSize-f.size%blockSize)]
		f.crc = crc32.Update(f.crc, castagnoli, some)
		if f.size += int64(len(some)); f.size%blockSize == 0 {
			f.crcs, f.crc = append(f.crcs, f.crc), 0
		}
		p = p[len(some):]
	}
}

// Overflow reports that the archive was larger than its share and is not kept.
func (f *File) Overflow() bool { return f.overflow }

// Seal ends the writing and releases the rest of the share. An archive that overflowed keeps its
// share, so that few of them are sent at once.
func (f *File) Seal() {
	if surplus := f.share - f.used.Load(); surplus > 0 && !f.overflow {
		f.share -= surplus
		f.dir.budget.Release(surplus)
	}
}

// Size in bytes of what was written and kept.
func (f *File) Size() int64 { return f.size }

// Reader returns a new reader of the archive. It gives no byte that was not written: instead it fails
// with ErrDamaged.
func (f *File) Reader() io.Reader { return &reader{file: f} }

// ErrDamaged: the disk returned other bytes than were written, or the file was changed.
var ErrDamaged = errors.New("the archive in the cache path is not what was written there")

type reader struct {
	file  *File
	block []byte // as it was read
	rest  []byte // of block, not given out yet
	next  int64  // number of the next block
}

func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// fill reads the next block.
func (r *reader) fill() error {
	f, at := r.file, r.next*blockSize
	size := min(f.size-at, blockSize)
	if size <= 0 {
		return io.EOF
	}
	if r.block == nil {
		r.block = make([]byte, size)
	}
	block := r.block[:size]
	if _, err := f.file.ReadAt(block, at); errors.Is(err, io.EOF) {
		return ErrDamaged
	} else if err != nil {
		return err
	}
	want := f.crc
	if r.next < int64(len(f.crcs)) {
		want = f.crcs[r.next]
	}
	if crc32.Checksum(block, castagnoli) != want {
		return ErrDamaged
	}
	r.rest, r.next = block, r.next+1
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Remove deletes the file and releases its share. Further calls do nothing.
func (f *File) Remove() error { return f.end(os.Remove) }

// Leave is Remove, but leaves a file that was kept to the next run.
func (f *File) Leave() error {
	return f.end(func(path string) error {
		if strings.HasSuffix(path, keptSuffix) {
			return nil
		}
		return os.Remove(path)
	})
}

func (f *File) end(remove func(string) error) error {
	if f.removed.Swap(true) {
		return nil
	}
	err := f.file.Close()
	if f.path != "" {
		err = errors.Join(err, remove(f.path))
	}
	if f.beside != nil {
		err = errors.Join(err, f.beside.close())
	}
	f.dir.budget.Release(f.share)
	if err != nil {
		return fmt.Errorf("removing a spool file: %w", err)
	}
	return nil
}

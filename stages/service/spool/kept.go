package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"firn/pipeline"
)

// keptSuffix is that of files which Open leaves.
const keptSuffix = ".kept"

// kept are the files that an earlier run kept, until they are taken. They have shares of the budget,
// and are removed as soon as somebody would have to wait for those: an archive can be made again.
type kept struct {
	mu     sync.Mutex
	shares map[string]int64 // by name
}

var errHidden = errors.New("a spool file without a name can't be kept")

// Keep gives the file a name under which the next run finds it, if this one does not remove it.
func (f *File) Keep(name string) error {
	if f.path == "" {
		return errHidden
	}
	path := filepath.Join(f.dir.path, name+keptSuffix)
	if err := os.Rename(f.path, path); err != nil {
		return fmt.Errorf("keeping a spool file: %w", err)
	}
	f.path = path
	return nil
}

// Sweep removes the kept files that are not wanted, or do not fit into the budget, and returns their
// number. It is called once, before Create and Take.
func (d *Dir) Sweep(wanted func(name string) bool) (removed int, err error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return 0, fmt.Errorf("reading the spool: %w", err)
	}
	d.kept.shares = map[string]int64{}
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Name(), keptSuffix)
		if !is {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && wanted(name) && info.Size() <= d.budget.Size() {
			if share, ok := d.budget.TryAcquire(info.Size()); ok {
				d.kept.shares[name] = share
				continue
			}
		}
		removed++
		err = errors.Join(err, os.RemoveAll(filepath.Join(d.path, e.Name())))
	}
	if err != nil {
		return removed, fmt.Errorf("removing what an earlier run kept in the spool: %w", err)
	}
	return removed, nil
}

// Take returns the file that an earlier run kept under the name, and writes its bytes to sums: who
// calls it compares them. The file has a share for size bytes, which it must have, and for more.
// Errors: ErrDamaged if it has another size, fs.ErrNotExist.
func (d *Dir) Take(ctx context.Context, s *pipeline.Stage, name string, size, more int64, sums io.Writer) (_ *File, err error) {
	path := filepath.Join(d.path, name+keptSuffix)
	if !d.kept.release(d.budget, name) {
		return nil, fmt.Errorf("reading the spool: %s: %w", name, fs.ErrNotExist)
	}
	share, err := d.acquire(ctx, s, size+more)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	f := &File{dir: d, path: path, share: share}
	f.used.Store(size)
	f.file, err = os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		d.budget.Release(share)
		return nil, errors.Join(fmt.Errorf("reading the spool: %w", err), os.RemoveAll(path))
	}
	info, err := f.file.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != size) {
		err = ErrDamaged
	}
	if err == nil {
		_, err = io.Copy(io.MultiWriter(summer{f}, sums), io.NewSectionReader(f.file, 0, size))
	}
	if err != nil {
		return nil, errors.Join(err, f.end(os.RemoveAll))
	}
	return f, nil
}

// summer makes the CRCs of a file that was written by an earlier run.
type summer struct{ *File }

func (s summer) Write(p []byte) (int, error) {
	s.sum(p)
	return len(p), nil
}

// Drop removes a kept file that was not taken.
func (d *Dir) Drop(name string) error {
	if !d.kept.release(d.budget, name) {
		return nil
	}
	return os.RemoveAll(filepath.Join(d.path, name+keptSuffix))
}

// release gives back the share of a kept file; false if there is no such file.
func (k *kept) release(budget *pipeline.Budget, name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	share, ok := k.shares[name]
	if ok {
		delete(k.shares, name)
		budget.Release(share)
	}
	return ok
}

// acquire waits for a share, and lets no kept file be in its way.
func (d *Dir) acquire(ctx context.Context, s *pipeline.Stage, n int64) (int64, error) {
	if share, ok := d.budget.TryAcquire(n); ok {
		return share, nil
	}
	d.kept.mu.Lock()
	names := make([]string, 0, len(d.kept.shares))
	for name := range d.kept.shares {
		names = append(names, name)
	}
	d.kept.mu.Unlock()
	for _, name := range names {
		if err := d.Drop(name); err != nil {
			return 0, fmt.Errorf("making room in the spool: %w", err)
		}
	}
	return s.Acquire(ctx, d.budget, n)
}

package spool_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firn/pipeline"
	"firn/stages/service/spool"
)

// run is a run over a cache path, with a spool of size bytes.
type run struct {
	*spool.Dir
	t      *testing.T
	budget *pipeline.Budget
	stage  *pipeline.Stage
}

func newRun(t *testing.T, cache string, size int64) *run {
	t.Helper()
	budget := pipeline.NewBudget(size)
	d, _, err := spool.Open(cache, budget)
	must(t, err)
	return &run{d, t, budget, pipeline.New(t.Context(), pipeline.Options{}).Stage("test", 1)}
}

// ends checks that the run holds nothing, and what it left in the spool.
func (r *run) ends(cache string, files int) {
	r.t.Helper()
	left, err := os.ReadDir(filepath.Join(cache, "firn-spool"))
	if now, _ := r.budget.Used(); now != 0 || err != nil || len(left) != files {
		r.t.Errorf("%d bytes are used, left are %v, %v", now, left, err)
	}
}

// write makes a file of the spool that holds the bytes.
func (r *run) write(b []byte) *spool.File {
	r.t.Helper()
	f, err := r.Create(r.t.Context(), r.stage, int64(len(b))+100)
	must(r.t, err)
	_, err = f.Write(b)
	must(r.t, err)
	f.Seal()
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestKept: the next run takes a file that was kept if it is what was written. It follows no link, waits
// for no pipe, and touches nothing of what others put in its place.
func TestKept(t *testing.T) {
	content := bytes.Repeat([]byte("kept "), 200_000)
	size := int64(len(content))
	const name = "0123"
	for what, tt := range map[string]struct {
		before, after func(t *testing.T, path string) // Sweep
		swept         int
		err           error // of Take
		spoiled       bool  // the bytes are others
	}{
		"as it was":     {},
		"not wanted":    {before: func(t *testing.T, path string) { must(t, os.Rename(path, path+"x.kept")) }, swept: 1, err: fs.ErrNotExist},
		"lost":          {before: func(t *testing.T, path string) { must(t, os.Remove(path)) }, err: fs.ErrNotExist},
		"lost later":    {after: func(t *testing.T, path string) { must(t, os.Remove(path)) }, err: fs.ErrNotExist},
		"cut off":       {before: func(t *testing.T, path string) { must(t, os.Truncate(path, size-1)) }, err: spool.ErrDamaged},
		"empty":         {before: func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, err: spool.ErrDamaged},
		"grown":         {before: func(t *testing.T, path string) { must(t, os.Truncate(path, size+1)) }, err: spool.ErrDamaged},
		"grown later":   {after: func(t *testing.T, path string) { must(t, os.Truncate(path, 1<<40)) }, err: spool.ErrDamaged},
		"too large":     {before: func(t *testing.T, path string) { must(t, os.Truncate(path, 1<<40)) }, swept: 1, err: fs.ErrNotExist},
		"a link":        {before: toLink, swept: 1, err: fs.ErrNotExist},
		"a link later":  {after: toLink, err: unix.ELOOP},
		"a pipe":        {before: toPipe, swept: 1, err: fs.ErrNotExist},
		"a pipe later":  {after: toPipe, err: spool.ErrDamaged},
		"a dir":         {before: toDirectory, swept: 1, err: fs.ErrNotExist},
		"a dir later":   {after: toDirectory, err: spool.ErrDamaged},
		"other content": {before: func(t *testing.T, path string) { must(t, os.WriteFile(path, bytes.ToUpper(content), 0o600)) }, spoiled: true},
	} {
		t.Run(what, func(t *testing.T) {
			cache := t.TempDir()
			first := newRun(t, cache, 10<<20)
			f := first.write(content)
			must(t, f.Keep(name))
			must(t, f.Leave())
			first.ends(cache, 1)

			path := filepath.Join(cache, "firn-spool", name+".kept")
			if tt.before != nil {
				tt.before(t, path)
			}
			next := newRun(t, cache, 10<<20)
			swept, err := next.Sweep(func(n string) bool { return n == name })
			if err != nil || swept != tt.swept {
				t.Errorf("%d files were swept, not %d: %v", swept, tt.swept, err)
			}
			if tt.after != nil {
				tt.after(t, path)
			}
			var read bytes.Buffer
			f, err = next.Take(t.Context(), next.stage, name, size, 1000, &read)
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("%v, not %v", err, tt.err)
			}
			if err == nil {
				if bytes.Equal(read.Bytes(), content) == tt.spoiled {
					t.Error("the sums are of other bytes than were written")
				}
				again, err := io.ReadAll(f.Reader())
				if err != nil || !bytes.Equal(again, read.Bytes()) || f.Size() != size {
					t.Errorf("%d bytes, %v", len(again), err)
				}
				must(t, f.Remove())
			}
			next.ends(cache, 0)
		})
	}
}

// toLink puts a link to a file of somebody else in the place of a kept file.
func toLink(t *testing.T, path string) {
	other := filepath.Join(t.TempDir(), "other")
	must(t, os.Rename(path, other))
	must(t, os.Symlink(other, path))
	t.Cleanup(func() {
		if _, err := os.Stat(other); err != nil {
			t.Error(err)
		}
	})
}

func toPipe(t *testing.T, path string) {
	must(t, os.Remove(path))
	must(t, unix.Mkfifo(path, 0o600))
}

func toDirectory(t *testing.T, path string) {
	must(t, os.Remove(path))
	must(t, os.MkdirAll(filepath.Join(path, "in it"), 0o700))
}

// TestKeptMakesRoom: kept files have shares of the budget, and go as soon as somebody would have to wait
// for those, also if one is gone already.
func TestKeptMakesRoom(t *testing.T) {
	cache := t.TempDir()
	first := newRun(t, cache, 3000)
	for _, name := range []string{"a", "b"} {
		f := first.write(make([]byte, 1000))
		must(t, f.Keep(name))
		must(t, f.Leave())
	}
	next := newRun(t, cache, 3000)
	if _, err := next.Sweep(func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if now, _ := next.budget.Used(); now != 2000 {
		t.Errorf("%d bytes are used", now)
	}
	must(t, os.Remove(filepath.Join(cache, "firn-spool", "a.kept")))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it does not wait
	defer cancel()
	small, err := next.Create(ctx, next.stage, 1000)
	must(t, err)
	if now, _ := next.budget.Used(); now != 3000 {
		t.Errorf("%d bytes are used: kept files were removed that were in nobody's way", now)
	}
	large, err := next.Create(ctx, next.stage, 2000)
	must(t, err)
	if _, err := next.Take(ctx, next.stage, "b", 1000, 0, io.Discard); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	must(t, next.Drop("b"))
	must(t, errors.Join(small.Remove(), large.Remove()))
	next.ends(cache, 0)

	third := newRun(t, cache, 1500) // kept files for which the spool has no room are swept
	for _, name := range []string{"c", "d"} {
		f := third.write(make([]byte, 1000))
		must(t, f.Keep(name))
		must(t, f.Leave())
	}
	last := newRun(t, cache, 1500)
	if n, err := last.Sweep(func(string) bool { return true }); n != 1 || err != nil {
		t.Errorf("%d files were swept: %v", n, err)
	}
	must(t, errors.Join(last.Drop("c"), last.Drop("d")))
	last.ends(cache, 0)
}

// TestHidden: a file without a name works as any, can't be kept, and leaves nothing however the run ends.
func TestHidden(t *testing.T) {
	cache := t.TempDir()
	r := newRun(t, cache, 10<<20)
	r.Hide()
	f := r.write([]byte("hidden"))
	if left, err := os.ReadDir(filepath.Join(cache, "firn-spool")); err != nil || len(left) != 0 {
		t.Errorf("in the spool: %v, %v", left, err)
	}
	if err := f.Keep("name"); err == nil {
		t.Error("it was kept")
	}
	if b, err := io.ReadAll(f.Reader()); string(b) != "hidden" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	must(t, f.Leave())
	r.ends(cache, 0)
}

// TestNothingUnproven: of a file that the disk changes, no block is given out that is not what was
// written.
func TestNothingUnproven(t *testing.T) {
	const block = 256 << 10
	for _, size := range []int{1, block - 1, block, block + 1, 3*block + 7} {
		for _, at := range []int{0, size / 2, size - 1} {
			cache := t.TempDir()
			r := newRun(t, cache, 10<<20)
			f := r.write(make([]byte, size))
			must(t, f.Keep("k"))
			path := filepath.Join(cache, "firn-spool", "k.kept")
			onDisk, err := os.OpenFile(path, os.O_WRONLY, 0)
			must(t, err)
			_, err = onDisk.WriteAt([]byte{1}, int64(at))
			must(t, errors.Join(err, onDisk.Close()))
			got, err := io.ReadAll(f.Reader())
			if !errors.Is(err, spool.ErrDamaged) || len(got) != at/block*block {
				t.Errorf("byte %d of %d changed: %d bytes, %v", at, size, len(got), err)
			}
			must(t, f.Remove())
		}
	}
}

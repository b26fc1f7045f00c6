package restore_test

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/stage/extract"
)

// TestRestoreOnManyHosts: any number of workers restore what one process does: entries, times and modes
// of directories that several of them write in, and the same counts.
func TestRestoreOnManyHosts(t *testing.T) {
	t.Parallel()
	for depth := range 4 {
		r := stagestest.NewRig(t)
		plantRandom(r, int64(depth))
		r.Backup(depthOf(depth))
		_, plain := r.Restore()
		for workers := 1; workers <= 3; workers += 2 {
			c := r.NewCrew(workers)
			target, o := c.Restore()
			if o.Err != nil || !o.Complete(&o.Totals) {
				t.Fatalf("depth %d, %d workers: %v %v", depth, workers, o.Err, o.Events)
			}
			r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{LinkScope: stagestest.ArchiveOf(depth)})
			sameTotals(t, o, plain)
			noLeftovers(t, target)
			if o := c.RestoreInto(target); o.Err != nil || o.Totals.Restored.Load() > 0 {
				t.Errorf("depth %d, once more: %v %v", depth, o.Err, o.Events)
			}
		}
	}
}

// TestAwkwardTreeOnManyHosts: whatever an entry may be.
func TestAwkwardTreeOnManyHosts(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	if _, err := tree.Awkward(r.Tree, tree.Sockets, tree.TooDeep); err != nil {
		t.Fatal(err)
	}
	r.Backup(depthOf(2))
	target, o := r.NewCrew(2).Restore()
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Fatalf("%v %v", o.Err, o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{Holes: true, LinkScope: stagestest.ArchiveOf(2)})
	noLeftovers(t, target)
}

// plantRandom fills the tree with directories of all modes and times, files, and links.
func plantRandom(r *stagestest.Rig, seed int64) {
	r.T.Helper()
	r.T.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(13, uint64(seed)))
	dirs, files := []string{r.Tree}, []string{}
	for i := range 60 {
		path := filepath.Join(dirs[random.IntN(len(dirs))], fmt.Sprint("e", i))
		switch kind := random.IntN(10); {
		case kind < 4:
			r.Must(os.Mkdir(path, 0o755))
			dirs = append(dirs, path)
		case kind < 8:
			stagestest.Noise(r.T, path, seed+int64(i), random.IntN(5000))
			r.Must(os.Chmod(path, os.FileMode(random.IntN(0o1000))))
			files = append(files, path)
		case kind == 8:
			r.Must(os.Symlink(fmt.Sprint("e", random.IntN(60)), path))
		case len(files) > 0:
			r.Must(os.Link(files[random.IntN(len(files))], path))
		}
	}
	for _, path := range append(files, dirs...) {
		at := time.Unix(1e9+random.Int64N(1e8), random.Int64N(1e9))
		r.Must(os.Chtimes(path, at, at))
	}
	for _, path := range dirs {
		r.Must(os.Chmod(path, os.FileMode(0o700|random.IntN(0o100))))
	}
}

func depthOf(depth int) func(*backup.Options) {
	return func(b *backup.Options) { b.Walk.Depth = depth }
}

// sameTotals compares the counts of two restores of the same. An archive that is a directory alone may be
// in place when its turn comes.
func sameTotals(t *testing.T, a, b *stagestest.Outcome) {
	t.Helper()
	of := func(o *stagestest.Outcome) map[string]int64 {
		all := &o.Totals
		return map[string]int64{
			"archives": all.Subtrees.Load(), "scanned": all.Scanned.Load(), "bytes": all.Bytes.Load(), "done": all.DoneSubtrees.Load(),
			"restored": all.Restored.Load() + all.Intact.Load(), "files": all.Files.Load(), "failed": all.Failed.Load(), "faults": all.Faults.Load(),
			"unproven": all.Unproven.Load(), "cold": all.Cold.Load(), "catalogue": all.CatalogueFaults.Load(),
			"source": all.DoneBytes.Load(),
		}
	}
	if x, y := of(a), of(b); !maps.Equal(x, y) {
		t.Errorf("on many hosts %v, on one %v", x, y)
	}
}

// noLeftovers looks for unfinished files, and for the mark of the run.
func noLeftovers(t *testing.T, target string) {
	t.Helper()
	err := filepath.WalkDir(target, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), extract.TempPrefix) {
			t.Errorf("left: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

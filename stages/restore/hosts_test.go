package restore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/restore"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
	"firn/stages/stage/extract"
	"firn/stages/store"
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

// TestPicksAndOverlapOnManyHosts: what newer runs show is not restored from older archives, on whatever
// host, and only what is picked is.
func TestPicksAndOverlapOnManyHosts(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(40, 3000)
	sub := filepath.Join(r.Tree, "d1", "sub")
	stagestest.Write(t, filepath.Join(sub, "gone"), "of the older run")
	stagestest.Write(t, filepath.Join(sub, "changed"), "of the older run")
	r.Backup()
	r.Must(os.Remove(filepath.Join(sub, "gone")))
	stagestest.Write(t, filepath.Join(sub, "changed"), "of the newer run")
	inner := *r
	inner.Tree, inner.Cache = sub, t.TempDir()
	inner.Backup()
	for _, picks := range [][]string{nil, {"changed", "noise", "text", "gone"}} {
		var lines [2][]string
		_, plain := r.Restore(picks...)
		picked, err := pick.Parse(picks)
		r.Must(err)
		at, _ := r.Restore(picks...)
		target, o := r.NewCrew(2).Restore(func(b *restore.Options) { b.Picks = picked })
		if o.Err != nil || !o.Complete(&o.Totals) {
			t.Errorf("%q: %v %v", picks, o.Err, o.Events)
		}
		sameTotals(t, o, plain)
		for i, dir := range []string{at, target} {
			lines[i], err = tree.List(dir)
			r.Must(err)
		}
		if !slices.Equal(lines[0], lines[1]) {
			t.Errorf("%q: %q, and on one host %q", picks, lines[1], lines[0])
		}
		r.Diff(sub, filepath.Join(target, sub), tree.DiffOptions{NoDirTimes: picks != nil})
	}
}

// TestDamageOnManyHosts is found by one worker, and told once, as one process tells it.
func TestDamageOnManyHosts(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(41, 3000)
	r.Backup()
	r.Replace(r.KeyOf("d1"), stagestest.Flip(100), r.KeyOf("d1"))
	r.Swap("d2", "d3")
	_, plain := r.Restore()
	target, o := r.NewCrew(2).Restore()
	sameTotals(t, o, plain)
	if o.Err != nil || o.Complete(&o.Totals) || !slices.Equal(o.Problems(), plain.Problems()) || len(o.Problems()) != 2 {
		t.Errorf("%v %q, on one host %q", o.Err, o.Problems(), plain.Problems())
	}
	for _, e := range o.Events {
		if e.Kind == report.Failed && !errors.Is(e.Err, prove.ErrDamaged) && e.Problem != report.ProblemPutBack {
			t.Errorf("%v is no damage", e.Err)
		}
	}
	for _, name := range []string{"d1", "d2"} {
		if _, err := os.Stat(filepath.Join(target, r.Tree, name)); err == nil {
			t.Errorf("something of %s was written", name)
		}
	}
}

// TestEntriesThatStayOnManyHosts are told with the archive, so that hints know what they are.
func TestEntriesThatStayOnManyHosts(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(42, 3000)
	r.Backup()
	target := t.TempDir()
	stagestest.Write(t, filepath.Join(target, r.Tree, "d1", "noise"), "something else")
	o := r.NewCrew(2).RestoreInto(target)
	if o.Err != nil || len(o.Of(report.Entry)) != 1 || o.Totals.Faults.Load() != 1 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	for _, e := range o.Events {
		if e.Kind == report.Entry && !errors.Is(e.Err, extract.ErrExists) {
			t.Errorf("%v", e.Err)
		}
	}
}

// TestKilledWorkerOfARestore holds archives in the midst of their work: others begin them again, and the
// tree is the same, with nothing left of what was unfinished.
func TestKilledWorkerOfARestore(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	plantRandom(r, 43)
	r.Backup(depthOf(2))
	c := r.NewCrew(3)
	c.Lease = 3 * time.Second
	reads, killed := make(chan struct{}), make(chan struct{})
	c.Change = func(i int, m *job.Means) {
		first := &firstRead{Store: m.Store, reads: make(chan struct{}), goOn: killed} // so that there is something for each
		if i == 0 {
			first.reads = reads
		}
		m.Store = first
	}
	c.Began = func(i int, _ *job.Handle, link *hoststest.Link) {
		if i == 0 {
			<-reads
			link.Kill() // the worker goes on with what it has, and nobody hears of that
			close(killed)
		}
	}
	target, o := c.Restore()
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Fatalf("%v %v", o.Err, o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{LinkScope: stagestest.ArchiveOf(2)})
	noLeftovers(t, target)
}

// firstRead is a store that says when an object is read for the first time, and lets none be read until it
// may go on.
type firstRead struct {
	store.Store
	once        sync.Once
	reads, goOn chan struct{}
}

func (f *firstRead) Get(ctx context.Context, key string, o store.GetOptions) (io.ReadCloser, error) {
	f.once.Do(func() { close(f.reads) })
	<-f.goOn
	return f.Store.Get(ctx, key, o)
}

// TestAnswersTwice: what is answered twice, or done twice, counts once.
func TestAnswersTwice(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	plantRandom(r, 44)
	r.Backup(depthOf(2))
	_, plain := r.Restore()
	c := r.NewCrew(2)
	c.Queue.Twice = func([]byte) bool { return true }
	target, o := c.Restore()
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Fatalf("%v %v", o.Err, o.Events)
	}
	sameTotals(t, o, plain)
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{LinkScope: stagestest.ArchiveOf(2)})
}

// TestOtherTarget: a worker that sees another directory does not write to it.
func TestOtherTarget(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	root, err := os.OpenRoot(t.TempDir())
	r.Must(err)
	defer root.Close()
	if err := extract.Marked(ctx, root, "run"); !errors.Is(err, context.Canceled) {
		t.Errorf("without a mark: %v", err)
	}
	unmark, err := extract.Mark(root, "run")
	r.Must(err)
	if err := extract.Marked(t.Context(), root, "run"); err != nil {
		t.Error(err)
	}
	r.Must(unmark())
	noLeftovers(t, root.Name())
}

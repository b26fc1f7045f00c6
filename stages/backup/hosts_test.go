package backup_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/service/report"
)

// TestSameByManyHosts: a run on several hosts saves what a run on one saves, says the same of it, and is
// one run in the catalogue, which all that read it can read. The next run skips everything.
func TestSameByManyHosts(t *testing.T) {
	for workers := 1; workers <= 3; workers++ {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			r := stagestest.NewRig(t)
			later := time.Now().Add(time.Hour) // also for the clock of a bubble, so that what is unchanged is skipped
			r.Change = func(b *backup.Options) { b.Walk.Now = func() time.Time { return later } }
			seed := uint64(workers)
			random := rand.New(rand.NewPCG(seed, 13))
			for i := range 12 {
				dir := filepath.Join(r.Tree, fmt.Sprint("d", i%4), fmt.Sprint("e", i))
				for j := range 1 + random.IntN(4) {
					stagestest.Noise(t, filepath.Join(dir, fmt.Sprint("noise", j)), random.Int64(), random.IntN(40_000))
				}
				stagestest.Write(t, filepath.Join(dir, "text"), strings.Repeat("text ", random.IntN(1000)))
			}
			stagestest.Noise(t, filepath.Join(r.Tree, "d0", "big", "noise"), random.Int64(), 11<<20)
			stagestest.Write(t, filepath.Join(r.Tree, "d1", "file"), "beside the directories")
			depth := func(o *backup.Options) { o.Walk.Depth = 2 }
			p := plain(t, r)
			c := newCrew(r, workers)
			t.Context().Done() // made here, it is no channel of the bubble
			synctest.Test(t, func(*testing.T) {
				for range 2 {
					want, got := p.Backup(depth), c.backup(depth)
					c.check(got)
					c.sameAs(got, p, want)
					c.clean()
					done := 0
					for _, w := range c.workers {
						done += len(w.Of(report.Saved))
					}
					if done != len(got.Of(report.Saved)) {
						t.Errorf("workers saved %d, the run %d", done, len(got.Of(report.Saved)))
					}
					r.CheckArchives()
					if v := r.Verify(); v.Err != nil || !v.Complete(&v.Totals) {
						t.Errorf("%v %v", v.Err, v.Events)
					}
					stagestest.Write(t, filepath.Join(r.Tree, "d1", "e1", "more"), "more")
				}
			})
			if runs := r.Catalogue().Runs; len(runs) != 2 || slices.ContainsFunc(runs[0].Packs, func(p string) bool { return !strings.Contains(p, runs[0].ID) }) {
				t.Errorf("%+v", runs)
			}
			o := r.Backup(depth) // by itself
			if n := o.Totals.Unchanged.Load(); o.Totals.Saved.Load() != 1 || n != o.Totals.Subtrees.Load()-1 {
				t.Errorf("unchanged: %d of %d", n, o.Totals.Subtrees.Load())
			}
			r.MustRebuild()
		})
	}
}

package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	_ "firn/bench/seed"
	"firn/stages/format/catalogue"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
)

// names are the paths of a small tree, the directories first.
func names() (dirs, files []string) {
	dirs = []string{"h", "h/a", "h/a/x", "h/b", "h/b/x", "s"}
	for _, d := range dirs {
		files = append(files, d+"/f", d+"/o.o", d+"/CACHEDIR.TAG")
	}
	return dirs, files
}

func aRun(t *rapid.T, n int) catalogue.Run {
	dirs, _ := names()
	dir := rapid.SampledFrom(append([]string{"/"}, dirs...))
	run := catalogue.Run{ID: fmt.Sprint(n), Started: time.Unix(int64(n), 0), Complete: true, Path: dir.Draw(t, "path"), Depth: rapid.IntRange(0, 3).Draw(t, "depth")}
	within := func(what string) string {
		d := dir.Draw(t, what)
		if run.Path == "/" && d != "/" || strings.HasPrefix(d, run.Path+"/") {
			return d
		}
		return run.Path
	}
	if rapid.Bool().Draw(t, "patterns") {
		run.Exclude = rapid.SliceOfN(rapid.SampledFrom([]string{"/a", "/h/a", "*.o", "x/", "/a/x", "!/a", "/x", "/b/*"}), 0, 2).Draw(t, "exclude")
	}
	for range rapid.IntRange(0, 2).Draw(t, "left") {
		why := rapid.SampledFrom([]catalogue.Why{catalogue.InCache, catalogue.OtherSystem, catalogue.Unreadable, catalogue.Unsaved, catalogue.Kept, catalogue.Unlisted}).Draw(t, "why")
		shell := (why == catalogue.Unsaved || why == catalogue.Kept) && rapid.Bool().Draw(t, "shell")
		run.Left = append(run.Left, catalogue.Left{Path: within("what"), Why: why, Shell: shell})
	}
	if rapid.IntRange(0, 3).Draw(t, "unlisted") == 0 {
		run.CutFaults = []catalogue.Fault{{Path: "/" + within("where"), Kind: "unreadable"}}
	}
	return run
}

// TestChosenShowAll: whatever runs there are, each entry that an older run may hold is shown by the
// newest run that shows it, and that run is chosen. What is said of a subtree holds for each entry
// in it.
func TestChosenShowAll(t *testing.T) {
	dirs, files := names()
	rapid.Check(t, func(t *rapid.T) {
		var all []catalogue.Run
		for n := range rapid.IntRange(1, 5).Draw(t, "runs") {
			all = append(all, aRun(t, n))
		}
		chosen, err := ledger.Choose(all, ledger.Moment{})
		if err != nil {
			t.Fatal(err)
		}
		reaches := ledger.Reaches(all)
		for i, r := range reaches {
			for _, name := range slices.Concat(dirs, files) {
				isDir := slices.Contains(dirs, name)
				// To itself, a run is one of another path: what it was told to leave out it does not hold.
				if !r.Has("elsewhere", name, isDir) || ledger.Shown(reaches[i+1:], r.Run.Path, name, isDir) {
					continue
				}
				if !slices.ContainsFunc(chosen, func(c catalogue.Run) bool { return c.ID == r.Run.ID }) {
					t.Fatalf("%s is in run %d alone, which is not chosen: %+v", name, i, all)
				}
			}
			for _, older := range all[:i] {
				for _, dir := range dirs {
					if !treepath.Within(older.Path, dir) {
						continue
					}
					extent := r.Of(older.Path, dir)
					for _, name := range slices.Concat(dirs, files) {
						if name != dir && !strings.HasPrefix(name, dir+"/") {
							continue
						}
						has := r.Has(older.Path, name, slices.Contains(dirs, name))
						if extent == ledger.All && !has || extent == ledger.Nothing && has {
							t.Fatalf("%+v shows of %s: %d, but of %s: %v", r.Run, dir, extent, name, has)
						}
					}
				}
			}
		}
	})
}

// TestChooseFew: of nights that all leave out the same, two runs are chosen, however many there are.
func TestChooseFew(t *testing.T) {
	var all []catalogue.Run
	for n := range 300 {
		all = append(all, catalogue.Run{ID: fmt.Sprint("vm", n), Started: time.Unix(int64(2*n), 0), Complete: true, Path: "home/vm"},
			catalogue.Run{
				ID: fmt.Sprint("home", n), Started: time.Unix(int64(2*n+1), 0), Complete: true, Path: "home", Exclude: []string{"/vm", "*.o"},
				CutFaults: []catalogue.Fault{{Path: "/home/secret", Kind: "unreadable"}}, Left: []catalogue.Left{{Path: "home/cache", Why: catalogue.InCache}},
			})
	}
	chosen, err := ledger.Choose(all, ledger.Moment{})
	if err != nil || len(chosen) != 2 || chosen[0].ID != "home299" || chosen[1].ID != "vm299" {
		t.Errorf("%d are chosen: %v", len(chosen), err)
	}
}

package backup_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/browse"
	"firn/stages/format/pick"
	"firn/stages/restore"
)

// browsed is what list, diff and find say of a rig, whose runs are the same but for their ids.
func browsed(r *stagestest.Rig) string {
	r.T.Helper()
	ctx, runs := r.T.Context(), r.Catalogue().Runs
	var b strings.Builder
	c := &browse.Catalogue{Ledger: r.Ledger(), Fault: func(f browse.Fault) { r.T.Errorf("%+v", f) }}
	for i, run := range runs {
		r.Must(c.Entries(ctx, run, nil, func(item browse.Item) error {
			_, err := fmt.Fprintln(&b, "run", i, item.Path, item.Entry, item.Archive.Key)
			return err
		}))
	}
	picks, err := pick.Parse([]string{"noise"})
	r.Must(err)
	found, err := c.Find(ctx, runs, picks)
	r.Must(err)
	fmt.Fprintf(&b, "found %+v\n", found)
	totals, err := c.Diff(ctx, runs[0], runs[len(runs)-1], nil, func(change browse.Change) error {
		_, err := fmt.Fprintln(&b, "diff", change.Path, change.Old, change.New, change.What)
		return err
	})
	r.Must(err)
	fmt.Fprintf(&b, "%+v\n", totals)
	return b.String()
}

// TestReadRunsOfManyHosts: all that reads runs reads those whose packs workers wrote, as it reads those of
// one host: list, diff and find, a restore of an older run, and a rebuild of the catalogue.
func TestReadRunsOfManyHosts(t *testing.T) {
	synctest.Test(t, readRunsOfManyHosts) // workers look for their coordinator every two seconds
}

func readRunsOfManyHosts(t *testing.T) {
	r := stagestest.NewRig(t)
	r.Change = stagestest.Settled
	r.PlantSmall(61, 20_000)
	p, c := plain(t, r), newCrew(r, 2)
	p.Backup()
	c.check(c.backup())
	before := filepath.Join(t.TempDir(), "before")
	r.Command(exec.Command("cp", "-a", r.Tree, before))
	top, err := os.Stat(r.Tree)
	r.Must(err)
	r.Must(os.RemoveAll(filepath.Join(r.Tree, "d0")))
	stagestest.Noise(t, filepath.Join(r.Tree, "d8", "noise"), 62, 30_000)
	r.Must(os.Chtimes(r.Tree, time.Time{}, top.ModTime())) // the store keeps no versions of it
	p.Backup()
	c.check(c.backup())

	runs := r.Catalogue().Runs
	if len(runs) != 2 || len(runs[0].Packs) == 0 || len(runs[1].Packs) == 0 {
		t.Fatalf("%+v", runs)
	}
	want := browsed(p)
	if got := browsed(r); got != want || strings.Count(want, "diff ") < 4 || !strings.Contains(want, "d8/noise") {
		t.Errorf("of many hosts:\n%s\nof one:\n%s", got, want)
	}
	target := t.TempDir()
	o := r.RestoreWith(target, r.Keyfile, func(o *restore.Options) { o.Moment.Run = runs[0].ID })
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.Diff(before, filepath.Join(target, r.Tree), tree.DiffOptions{})

	for _, of := range []*stagestest.Rig{r, p} {
		of.ForgetCatalogue()
		of.MustRebuild()
	}
	if got, want := browsed(r), browsed(p); got != want || !strings.Contains(want, "d8/noise") {
		t.Errorf("after a rebuild, of many hosts:\n%s\nof one:\n%s", got, want)
	}
}

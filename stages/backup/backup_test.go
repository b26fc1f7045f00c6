package backup_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"firn/bench/stagestest"
	"firn/stages/service/report"
)

func TestBackupSavesAndSkips(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	for i := range 5 {
		for j := range 10 {
			stagestest.Write(t, filepath.Join(r.Tree, fmt.Sprint("d", i), fmt.Sprint("f", j)), strings.Repeat(fmt.Sprint(i, j), 10000))
		}
	}
	stagestest.Write(t, filepath.Join(r.Tree, "plain"), "a file at the depth")
	first := r.Backup()
	if first.Err != nil || !first.Complete(&first.Totals) || len(first.Of(report.Saved)) != 7 {
		t.Fatalf("first run: %v; %v", first.Err, first.Events)
	}
	before := r.Objects()
	r.Command(exec.Command("diff", "-r", r.Tree, filepath.Join(r.Extract(), r.Tree)))

	second := r.Backup()
	if n := second.Totals.Saved.Load(); n != 0 {
		t.Errorf("second run saved %d", n)
	}
	stagestest.Write(t, filepath.Join(r.Tree, "d3", "f1"), "new")
	third := r.Backup()
	if got := third.Of(report.Saved); len(got) != 1 || got[0] != filepath.Join(r.Tree, "d3") {
		t.Errorf("after a change in d3 the third run saved %v", got)
	}
	for key, o := range r.Objects() {
		if same := o.Modified.Equal(before[key].Modified); same == strings.HasSuffix(key, "d3.tar.gz") && before[key].ETag == o.ETag {
			t.Errorf("%s: modified %v, before %v", key, o.Modified, before[key].Modified)
		}
	}
}

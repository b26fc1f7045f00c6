package restore_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages/service/report"
	"firn/stages/stage/extract"
)

// TestFullTargetOfManyHosts ends the run with one error. What has its name is whole, and the next run
// restores the rest.
func TestFullTargetOfManyHosts(t *testing.T) {
	target := t.TempDir()
	if err := unix.Mount("tmpfs", target, "tmpfs", 0, "size=120k"); err != nil {
		t.Skip("it needs to mount a small disk:", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
	r := iceRig(t)
	o := r.NewCrew(2).RestoreInto(target)
	if full, is := errors.AsType[*extract.TargetError](o.Err); !is || full.Target != target || !errors.Is(o.Err, unix.ENOSPC) || !pipeline.IsFatal(o.Err) || strings.Count(o.Err.Error(), target) != 1 {
		t.Errorf("%v", o.Err)
	}
	if failed := o.Of(report.Failed); len(failed) > 1 {
		t.Errorf("%d archives failed: %v", len(failed), o.Events)
	}
	noLeftovers(t, target)
	r.Must(filepath.WalkDir(target, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		got, err := os.ReadFile(path)
		want, wanted := os.ReadFile(strings.TrimPrefix(path, target))
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not whole", path)
		}
		return errors.Join(err, wanted)
	}))
	r.Must(unix.Mount("", target, "", unix.MS_REMOUNT, "size=40m"))
	if o := r.NewCrew(2).RestoreInto(target); o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("with room: %v %v", o.Err, o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
}

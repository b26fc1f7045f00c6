package restore_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/format/exclude"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/store/fault"
)

// failing makes the next backup fail to store some subtrees.
func failing(r *stagestest.Rig, names ...string) func() {
	sound := r.Store
	f := fault.New(sound)
	for _, name := range names {
		for range 8 {
			f.Add(fault.Fault{Op: fault.Put, Key: r.KeyOf(name)})
		}
	}
	r.Store = f
	return func() { r.Store = sound }
}

// holds checks what a restore brought; "" is nothing.
func holds(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	for name, content := range want {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != content || err == nil && content == "" {
			t.Errorf("%s holds %q, not %q: %v", name, got, content, err)
		}
	}
}

// TestFailedSubtrees of the last run come from the run that saved them last, and from no other.
func TestFailedSubtrees(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	write := func(name, content string) { stagestest.Write(t, filepath.Join(r.Tree, name), content) }
	deep := func(b *backup.Options) { b.Walk.Depth = 2 }

	// Of three runs, one of the subtree alone, the last one fails: the second has the newest.
	write("vm/s/f", "old")
	write("vm/s/deleted", "old")
	write("other/f", "other")
	inner := *r
	inner.Tree, inner.Cache = filepath.Join(r.Tree, "vm"), t.TempDir()
	inner.Backup()
	write("vm/s/f", "new")
	r.Must(os.Remove(filepath.Join(r.Tree, "vm", "s", "deleted")))
	r.Backup()
	write("vm/s/f", "never saved")
	sound := failing(r, "vm")
	r.Backup()
	sound()
	target, o := r.Restore()
	if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Warning)) != 1 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	holds(t, filepath.Join(target, r.Tree), map[string]string{"vm/s/f": "new", "vm/s/deleted": "", "other/f": "other"})
	o = r.Verify()
	vm := strings.TrimPrefix(filepath.Join(r.Tree, "vm"), "/")
	times := len(slices.DeleteFunc(o.Of(report.Verified), func(path string) bool { return path != vm }))
	if o.Err != nil || !o.Complete(&o.Totals) || times != 1 {
		t.Errorf("verify: %s was verified %d times: %v %v", vm, times, o.Err, o.Events)
	}

	// What the older archive above it does not have is missing, and told.
	write("vm/new/f", "never saved")
	sound = failing(r, "vm", "vm/new", "vm/s")
	r.Backup(deep)
	sound()
	target, o = r.Restore()
	if o.Err != nil || o.Complete(&o.Totals) || len(o.Of(report.Failed)) != 1 {
		t.Errorf("a subtree that nobody saved: %v %v", o.Err, o.Events)
	}
	holds(t, filepath.Join(target, r.Tree), map[string]string{"vm/s/f": "new", "vm/new/f": ""})
}

// forgetful is a store that says that it keeps versions, and keeps none.
type forgetful struct{ store.Store }

func (forgetful) KeepsVersions(context.Context) (bool, error) { return true, nil }

// TestDeeperCutThatFails: the run stored an archive of a directory alone over one of all that is in
// it, and then failed. If the store has no versions after all, the content is gone, and that is told.
func TestDeeperCutThatFails(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "a", "s", "f"), "content")
	r.Store = forgetful{r.Store}
	r.Backup()
	sound := failing(r, "a/s")
	r.Backup(func(b *backup.Options) { b.Walk.Depth = 2 })
	sound()
	for _, picks := range [][]string{nil, {filepath.Join(r.Tree, "a", "s")}} {
		_, o := r.Restore(picks...)
		if o.Err == nil && o.Complete(&o.Totals) {
			t.Errorf("%q: %v", picks, o.Events)
		}
		if !slices.ContainsFunc(o.Events, func(e report.Event) bool {
			return e.Kind == report.Failed && e.Err != nil && strings.Contains(e.Err.Error(), "its earlier content is gone")
		}) {
			t.Errorf("%q: it is not told what is gone: %v", picks, o.Events)
		}
	}
}

// TestShellThatWasKept: a run with a smaller depth failed, and the object of the subtree is that of
// the directory alone. What the run before it saved comes back.
func TestShellThatWasKept(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "a", "s", "f"), "content")
	stagestest.Write(t, filepath.Join(r.Tree, "a", "top"), "top")
	r.Backup(func(b *backup.Options) { b.Walk.Depth = 2 })
	sound := failing(r, "a")
	r.Backup(func(b *backup.Options) { b.ForceRead = true })
	sound()
	for _, picks := range [][]string{nil, {filepath.Join(r.Tree, "a")}} {
		target, o := r.Restore(picks...)
		if o.Err != nil || !o.Complete(&o.Totals) {
			t.Errorf("%q: %v %v", picks, o.Err, o.Events)
		}
		holds(t, filepath.Join(target, r.Tree), map[string]string{"a/s/f": "content", "a/top": "top"})
	}
}

// TestUnlistedBelowWhatIsLeftOut: archives that no run lists, since theirs was killed, come back
// although a run of another backup path leaves that directory out.
func TestUnlistedBelowWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "vm", "a", "f"), "of a killed run")
	stagestest.Write(t, filepath.Join(r.Tree, "old", "f"), "that was left out later")
	inner := *r
	inner.Tree, inner.Cache = filepath.Join(r.Tree, "vm"), t.TempDir()
	inner.Backup()
	r.ForgetCatalogue()
	x := new(exclude.List)
	r.Must(x.Add("/vm"))
	r.Backup(func(b *backup.Options) { b.Walk.Exclude = x })
	y := new(exclude.List)
	r.Must(y.Add("/vm"))
	r.Must(y.Add("/old"))
	r.Backup(func(b *backup.Options) { b.Walk.Exclude = y })
	target, o := r.Restore()
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	holds(t, filepath.Join(target, r.Tree), map[string]string{"vm/a/f": "of a killed run", "old/f": ""})
}

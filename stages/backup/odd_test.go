package backup_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/service/report"
)

// TestShellsByManyHosts: shells that take the place of more come last here too, also those of which only
// a worker finds out what they replace; and a socket is left out.
func TestShellsByManyHosts(t *testing.T) {
	r := stagestest.NewRig(t)
	forest(r)
	r.Must(syscall.Mknod(filepath.Join(r.Tree, "socket"), syscall.S_IFSOCK|0o600, 0))
	p := plain(t, r)
	c := newCrew(r, 2)
	synctest.Test(t, func(*testing.T) {
		r.Backup()
		p.Backup()
		want, got := p.Backup(cutAt(2)), c.backup(cutAt(2))
		c.check(got)
		c.sameAs(got, p, want)
		stagestest.Write(t, filepath.Join(r.Tree, "d1", "f"), "changed")
		r.ForgetAll()
		p.ForgetAll()
		want, got = p.Backup(cutAt(2)), c.backup(cutAt(2))
		c.check(got)
		c.sameAs(got, p, want)
	})
	c.clean()
	restored(t, r)
	if mine, theirs := len(r.Catalogue().Runs), len(p.Catalogue().Runs); mine != theirs {
		t.Errorf("%d runs, want %d", mine, theirs)
	}
}

// TestFailedOnManyHosts: what no host can store is named with what each of them said, and all else is
// saved. A worker that is stopped hands back what it has not begun.
func TestFailedOnManyHosts(t *testing.T) {
	r := stagestest.NewRig(t)
	small(r)
	real := r.Store
	r.Store = &choosy{Store: real, key: r.KeyOf("d1")}
	c := newCrew(r, 2)
	synctest.Test(t, func(*testing.T) {
		o := c.backup()
		if o.Err != nil || o.Totals.Failed.Load() != 1 || o.Totals.Saved.Load() != 2 {
			t.Errorf("%v; %v", o.Err, o.Events)
		}
		for _, e := range o.Events {
			if e.Kind == report.Failed && (e.Path != filepath.Join(r.Tree, "d1") || strings.Count(e.Err.Error(), "refused") != 3) {
				t.Errorf("%+v", e)
			}
		}
	})
	r.Store = real
	c = newCrew(r, 2)
	synctest.Test(t, func(*testing.T) {
		o := c.backup(func(o *backup.Options) { o.ForceRead = true })
		c.check(o)
		if o.Totals.Saved.Load() != 1 || o.Totals.Identical.Load() != 2 {
			t.Errorf("%v", o.Events)
		}
	})
	c.clean()
	r.CheckArchives()
}

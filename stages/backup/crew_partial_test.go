package backup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
)

// asNobody has the whole process go on as a user who can't read everything, until the test ends. Such a
// test is not parallel to others.
func asNobody(t *testing.T) {
	t.Helper()
	if syscall.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	if err := syscall.Setreuid(-1, nobody); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setreuid(-1, 0); err != nil {
			panic(err)
		}
	})
	if f, err := os.CreateTemp("", ""); err != nil {
		t.Skip(err)
	} else {
		_, _ = f.Close(), os.Remove(f.Name())
	}
}

// TestPartialByManyHosts: of entries that can't be read, a run on many hosts says and stores what one on
// one host does, and the runs after it know the same.
func TestPartialByManyHosts(t *testing.T) {
	asNobody(t)
	r := stagestest.NewRig(t)
	in := func(name string) string { return filepath.Join(r.Tree, name) }
	for _, name := range []string{"top/whole/file", "top/some/file", "top/some/secret", "top/some/closed/file", "top/beside", "shut/a/file", "shut/b/file"} {
		stagestest.Write(t, in(name), name)
	}
	mode := func(mode os.FileMode, names ...string) {
		for _, name := range names {
			r.Must(os.Chmod(in(name), mode))
		}
	}
	t.Cleanup(func() { mode(0o755, "shut", "top/some/closed", "top/new/closed") })
	p := plain(t, r)
	c := newCrew(r, 2)
	for _, step := range []struct {
		name    string
		change  func()
		options func(*backup.Options)
		failed  int
		partial int
	}{
		{"all can be read", func() {}, nil, 0, 0},
		{"some can't", func() {
			mode(0, "top/some/secret", "top/some/closed", "top/beside", "shut")
			stagestest.Write(t, in("top/some/file"), "changed")
			stagestest.Write(t, in("top/new/file"), "new")
			stagestest.Write(t, in("top/new/closed/file"), "new")
			stagestest.Write(t, in("top/alone"), "new")
			mode(0, "top/new/closed", "top/alone")
		}, nil, 3, 1},
		{"a poorer archive takes the place", func() {}, func(o *backup.Options) { o.ReplacePartial = true }, 2, 2},
		{"one that is no poorer", func() { stagestest.Write(t, in("top/some/file"), "changed once more") }, nil, 2, 2},
		{"all can be read again", func() {
			mode(0o755, "top/some/closed", "top/new/closed", "shut")
			mode(0o644, "top/some/secret", "top/beside", "top/alone")
		}, nil, 0, 0},
	} {
		t.Run(step.name, func(t *testing.T) {
			c.T, p.T, c.queue = t, t, hoststest.New()
			step.change()
			options := func(o *backup.Options) {
				o.Walk.Depth = 2
				if step.options != nil {
					step.options(o)
				}
			}
			synctest.Test(t, func(*testing.T) {
				want, got := p.Backup(options), c.backup(options)
				c.sameAs(got, p, want)
				c.clean()
				partial := 0
				for _, l := range linesOf(r) {
					if l.Partial {
						partial++
					}
				}
				if failed := len(got.Of(report.Failed)); failed != step.failed || partial != step.partial {
					t.Errorf("%d failed, %d are partial: %v", failed, partial, got.Events)
				}
			})
		})
	}
	c.T, p.T = t, t
	alone := func(o *backup.Options) { o.Walk.Depth = 2 }
	c.sameAs(r.Backup(alone), p, p.Backup(alone))
}

// TestChangesByManyHosts: of files that change while they are read, a run on many hosts says and stores
// what one on one host does.
func TestChangesByManyHosts(t *testing.T) {
	for name, tt := range changes {
		t.Run(name, func(t *testing.T) {
			r := stagestest.NewRig(t)
			file := filepath.Join(r.Tree, "d", "noise")
			then := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			changing := func(b *backup.Options) {
				stagestest.Noise(t, file, 31, 3<<20)
				r.Must(os.Chtimes(file, then, then))
				r.Must(os.Chtimes(filepath.Dir(file), then, then))
				var times atomic.Int64
				inSmallParts(b)
				b.SpoolLimit = tt.spool
				b.Format = changing{b.Format, func() {
					n := times.Add(1)
					if n > tt.times {
						return
					}
					f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
					if err == nil {
						_, err = fmt.Fprint(f, "more")
						f.Close()
					}
					if at := then.Add(time.Duration(n) * time.Hour); err != nil || os.Chtimes(file, at, at) != nil {
						t.Error(err)
					}
				}}
			}
			p := plain(t, r)
			c := newCrew(r, 1)
			synctest.Test(t, func(*testing.T) {
				want, got := p.Backup(changing), c.backup(changing)
				c.sameAs(got, p, want)
				if got.Totals.ReadAgain.Load() != tt.again || got.Totals.Changed.Load() != tt.changed {
					t.Errorf("read again %d, changed %d: %v", got.Totals.ReadAgain.Load(), got.Totals.Changed.Load(), got.Events)
				}
			})
			c.clean()
		})
	}
}

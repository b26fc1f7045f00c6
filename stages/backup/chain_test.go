package backup_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/service/report"
	"firn/stages/store"
)

// A chain is a rig whose runs somebody may delete or replace, who has no key.
type chain struct {
	*stagestest.Rig
	remove func(key string)
	runs   []string // ids, in order
}

// stores are a directory, and a bucket if that is asked for.
func stores(t *testing.T, bucket bool, test func(t *testing.T, c *chain)) {
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		r := stagestest.NewRig(t)
		r.Change = stagestest.Settled
		test(t, &chain{Rig: r, remove: func(key string) {
			dir, base := filepath.Split(filepath.Join(r.Root(), key))
			r.Must(os.Remove(dir + base))
			r.Must(os.Remove(dir + "." + base + ".firn-meta"))
		}})
	})
	if !bucket {
		return
	}
	t.Run("s3", func(t *testing.T) {
		s := stagestest.NewSite(t)
		test(t, &chain{Rig: s.Rig, remove: func(key string) {
			_, err := s.Server.Client().DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &s.Bucket, Key: &key})
			s.Must(err)
		}})
	})
}

func keyOf(run string) string { return ".firn/runs/" + run + ".json.gz" }

// saved backs up, and returns what is told of the chain, as "problem run".
func (c *chain) saved(options ...func(*backup.Options)) (told []string) {
	c.T.Helper()
	stagestest.Write(c.T, filepath.Join(c.Tree, fmt.Sprint("f", len(c.runs))), "text")
	o := c.Backup(options...)
	if o.Err != nil || o.Totals.Failed.Load() > 0 || o.Summary.Run == "" {
		c.T.Fatalf("%v %v", o.Err, o.Events)
	}
	c.runs = append(c.runs, o.Summary.Run)
	told = chainOf(o, report.Catalogue)
	if o.Complete(&o.Totals) != (len(told) == 0) {
		c.T.Errorf("told: %v, complete: %v", told, o.Complete(&o.Totals))
	}
	return told
}

// chainOf is what an operation told of the chain, as "problem run".
func chainOf(o *stagestest.Outcome, kind report.Kind) (told []string) {
	for _, e := range o.Events {
		switch e.Problem {
		case report.ProblemRunGone, report.ProblemRunReplaced, report.ProblemFork, report.ProblemUnexpected:
			if e.Kind == kind {
				told = append(told, string(e.Problem)+" "+e.Run)
			}
		}
	}
	return told
}

// readers checks what restore warns of, and what verify calls damage. Both go on.
func (c *chain) readers(want ...string) {
	c.T.Helper()
	c.readersOf(0, want...)
}

// readersOf is readers where so many archives are not what the runs that are left stored.
func (c *chain) readersOf(strays int64, want ...string) {
	c.T.Helper()
	v := c.Verify()
	if got := chainOf(v, report.Catalogue); v.Err != nil || !slices.Equal(got, want) || v.Totals.Checks.Damaged.Load() != strays {
		c.T.Errorf("verify: %v, not %v; %v %v", got, want, v.Err, v.Problems())
	}
	_, r := c.Restore()
	whole := strays == 0 || int64(len(r.Of(report.Intact))) == strays // a directory that others have made is in place, and its archive not read
	if got := chainOf(r, report.Warning); r.Err != nil || !slices.Equal(got, want) || r.Complete(&r.Totals) != whole {
		c.T.Errorf("restore: %v, not %v; %v %v", got, want, r.Err, r.Events)
	}
}

// begin makes three runs.
func (c *chain) begin() {
	c.T.Helper()
	for range 3 {
		if told := c.saved(); len(told) > 0 {
			c.T.Fatalf("nothing happened, and it is told: %v", told)
		}
	}
	c.readers()
}

// next backs up twice: what is to be told is told once, and no reader is told then.
func (c *chain) next(want ...string) {
	c.T.Helper()
	if got := c.saved(); !slices.Equal(got, want) {
		c.T.Errorf("the backup tells %v, not %v", got, want)
	}
	c.readers()
	if got := c.saved(); len(got) > 0 {
		c.T.Errorf("told again: %v", got)
	}
}

// copyOf returns a function that puts an object back as it is now.
func (c *chain) copyOf(key string) (putBack func()) {
	head, err := c.Store.Head(c.T.Context(), key, "")
	c.Must(err)
	body := c.ReadObject(key)
	return func() { c.PutObject(key, body, head.Meta) }
}

// disguise overwrites a run with noise, under a key id that no key file has.
func (c *chain) disguise(run string) {
	head, err := c.Store.Head(c.T.Context(), keyOf(run), "")
	c.Must(err)
	head.Meta["firn-key-id"] = fmt.Sprintf("1-%032x-%032x", 1, 2)
	c.PutObject(keyOf(run), append([]byte("Salted__"), make([]byte, head.Size-8)...), head.Meta)
}

// TestRunsThatAreGone: whoever deletes, replaces or puts back runs is noticed by the host that saved,
// and by readers where a later run is left.
func TestRunsThatAreGone(t *testing.T) {
	for name, test := range map[string]func(c *chain){
		"the newest": func(c *chain) {
			c.remove(keyOf(c.runs[2]))
			c.readersOf(1) // only who knows of it can tell; what it stored is no other run's
			c.next("run-gone " + c.runs[2])
		},
		"one in the middle": func(c *chain) {
			c.remove(keyOf(c.runs[1]))
			c.readers("run-gone " + c.runs[1])
			c.next("run-gone " + c.runs[1])
		},
		"one that is overwritten as if another key file had made it": func(c *chain) {
			c.disguise(c.runs[1])
			c.readers("run-replaced " + c.runs[1])
			c.Cache = c.T.TempDir() // a host that never read it
			c.next("run-replaced " + c.runs[1])
			c.disguise(c.runs[4]) // the newest
			c.readersOf(1)
			c.next("run-replaced " + c.runs[4])
		},
		"the newest, of which copies lie elsewhere below .firn/": func(c *chain) {
			head, err := c.Store.Head(c.T.Context(), keyOf(c.runs[2]), "")
			c.Must(err)
			for _, dir := range []string{".firn/x/", ".firn/x/.firn/", ".firn/runs/"} {
				c.PutObject(dir+strings.TrimPrefix(keyOf(c.runs[2]), ".firn/"), c.ReadObject(keyOf(c.runs[2])), head.Meta)
			}
			c.remove(keyOf(c.runs[2]))
			c.next("run-gone " + c.runs[2])
		},
		"all": func(c *chain) {
			for _, run := range c.runs {
				c.remove(keyOf(run))
			}
			c.next("run-gone " + c.runs[2])
		},
		"the oldest, then more of them": func(c *chain) {
			c.remove(keyOf(c.runs[0]))
			c.readers("run-gone " + c.runs[0])
			c.next("run-gone " + c.runs[0])
			c.remove(keyOf(c.runs[1]))
			c.readers()
			o := c.Backup()
			if got := chainOf(o, report.Notice); !o.Complete(&o.Totals) || !slices.Equal(got, []string{"run-gone " + c.runs[1]}) {
				c.T.Errorf("%v", o.Events)
			}
			if o := c.Backup(); len(chainOf(o, report.Notice)) > 0 {
				c.T.Errorf("told again: %v", o.Events)
			}
		},
		"the state file, which is no loss": func(c *chain) {
			c.Must(os.Remove(filepath.Join(c.Cache, "firn-state.db")))
			c.next()
		},
		"manifests, which are faults of their own": func(c *chain) {
			run := c.Catalogue().Runs[1]
			for _, key := range run.Manifest {
				c.remove(key)
			}
			c.next()
		},
		"one with an older run in its place": func(c *chain) {
			c.remove(keyOf(c.runs[2]))
			head, err := c.Store.Head(c.T.Context(), keyOf(c.runs[0]), "")
			c.Must(err)
			c.PutObject(keyOf(c.runs[2]), c.ReadObject(keyOf(c.runs[0])), head.Meta)
			o := c.Verify()
			if got := o.Problems(); !slices.Equal(got, []string{"runs unproven", "tree etag"}) {
				c.T.Errorf("verify: %v", got)
			}
			if got := c.saved(); !slices.Equal(got, []string{"run-replaced " + c.runs[2]}) {
				c.T.Errorf("the backup tells %v", got)
			}
			if got := c.saved(); len(got) > 0 {
				c.T.Errorf("told again: %v", got)
			}
		},
		"the newest, while another host saves, and put back": func(c *chain) {
			putBack := c.copyOf(keyOf(c.runs[2]))
			c.remove(keyOf(c.runs[2]))
			own := c.Cache
			c.Cache = c.T.TempDir()
			if got := c.saved(); len(got) > 0 { // it can't know
				c.T.Errorf("%v", got)
			}
			run, _ := c.Lines()
			fork := "forked " + run.Chain.Before // the run before its shell took the place of what nothing tells
			putBack()
			c.readers(fork)
			c.Cache = own
			c.next(fork)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := name == "the newest" || name == "one with an older run in its place"
			stores(t, bucket, func(t *testing.T, c *chain) {
				c.begin()
				test(c)
			})
		})
	}
}

// TestRunThatWasSeen: a host misses the run of another one that it has seen, also if its own run was
// killed before it could come after that.
func TestRunThatWasSeen(t *testing.T) {
	stores(t, false, func(t *testing.T, c *chain) {
		own := c.Cache
		c.saved()
		c.Cache = t.TempDir()
		c.saved()
		c.Cache = own
		sound := c.Store
		c.Store = runless{sound}
		c.Backup()
		c.Store = sound
		c.remove(keyOf(c.runs[1]))
		if got := c.saved(); !slices.Equal(got, []string{"run-gone " + c.runs[1]}) {
			t.Errorf("told: %v", got)
		}
	})
}

// TestHostsOfOneChain: hosts that take turns are told nothing; two that save at once fork the chain,
// which the next of them tells.
func TestHostsOfOneChain(t *testing.T) {
	stores(t, true, func(t *testing.T, c *chain) {
		caches := []string{c.Cache, t.TempDir()}
		for i := range 6 {
			c.Cache = caches[i%2]
			if got := c.saved(); len(got) > 0 {
				t.Fatalf("hosts that take turns are told %v", got)
			}
		}
		sound := c.Store
		c.Store = &beside{Store: sound, save: func() {
			c.Store = sound
			if c.Cache = caches[1]; len(c.saved()) > 0 {
				t.Error("the run beside is told something")
			}
			c.Cache = caches[0]
		}}
		c.Cache = caches[0]
		stagestest.Write(t, filepath.Join(c.Tree, fmt.Sprint("f", len(c.runs))), "text")
		o := c.Backup() // what the run beside stored stays
		if got := chainOf(o, report.Catalogue); len(got) > 0 || o.Err != nil || o.Totals.Failed.Load() != 2 {
			t.Errorf("%v %v %v", got, o.Err, o.Events)
		}
		c.runs = append(c.runs, o.Summary.Run)
		c.Store = sound
		last := c.Catalogue().Runs
		fork := "forked " + last[len(last)-1].ID
		c.readers(fork)
		c.next(fork)
		c.Cache = caches[1]
		c.next()
	})
}

// beside is a store beside whose first object another run takes place.
type beside struct {
	store.Store
	once sync.Once
	save func()
}

func (b *beside) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	b.once.Do(b.save)
	return b.Store.Put(ctx, key, body, o)
}

// TestOlderRunsWithoutLinks: the first run with a link follows the last of an older firn.
func TestOlderRunsWithoutLinks(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Change = stagestest.Settled
	c := &chain{Rig: r}
	c.saved()
	old, _ := r.Lines()
	old.Chain, old.Number = nil, 0
	var ids []string
	for i := range 2 {
		ids = append(ids, fmt.Sprintf("20200101T00000%dZ-00000001", i))
		r.Must(r.Ledger().Begin(ids[i], 1<<20).Finish(t.Context(), old))
	}
	r.Must(os.Remove(filepath.Join(r.Root(), keyOf(c.runs[0]))))
	r.Must(os.Remove(filepath.Join(r.Cache, "firn-state.db")))
	if got := c.saved(); len(got) > 0 {
		t.Errorf("%v", got)
	}
	runs := r.Catalogue().Runs
	if run := runs[len(ids)]; run.Chain == nil || run.Chain.Before != ids[1] || run.Chain.Place != 1 {
		t.Errorf("%+v", run.Chain)
	}
	c.next()
	r.Must(os.Remove(filepath.Join(r.Root(), keyOf(ids[1]))))
	c.readers("run-gone " + ids[1])
	c.next("run-gone " + ids[1])
	if o := r.MustRebuild(); strings.Contains(fmt.Sprint(o.Events), "gone") {
		t.Errorf("%v", o.Events)
	}
	c.next()
}

// TestNewestRunOfAnotherKeyFile: the newest run of a path that is overwritten as if another key file
// had made it is told of, although another path was saved later.
func TestNewestRunOfAnotherKeyFile(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	c := &chain{Rig: r}
	c.saved()
	run, _ := r.Lines()
	ids := []string{"20300101T000000Z-00000000", "20300101T000001Z-00000000", "20300101T000002Z-00000000"}
	for i, id := range ids {
		run.Number, run.Chain = int64(2+i), nil
		if i == 2 {
			run.Path = "elsewhere"
		}
		r.Must(r.Ledger().Begin(id, 1<<20).Finish(t.Context(), run))
	}
	c.disguise(ids[1])
	for _, e := range c.Verify().Events {
		if e.Kind == report.Warning && e.Problem == report.ProblemOtherKeyRuns && strings.Contains(e.Text, ids[0]) {
			return
		}
	}
	t.Error("nothing is told")
}

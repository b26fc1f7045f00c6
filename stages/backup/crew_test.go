package backup_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
	"firn/stages/service/state"
)

// A crew are the hosts of a backup on many: a coordinator over the rig's cache path, and workers with
// their own, over a queue in memory.
type crew struct {
	*stagestest.Rig
	queue *hoststest.Queue
	lease time.Duration
	wait  time.Duration // for a coordinator
	// change is applied to the options of a worker, and began is called once it works; nil is allowed.
	change func(w *worker, o *backup.Options)
	began  func(w *worker, h *job.Handle)

	boss    *hoststest.Link // of the coordinator
	workers []*worker
	joined  sync.WaitGroup
}

// A worker is one of a crew.
type worker struct {
	*stagestest.Outcome
	name   string
	cache  string
	ctx    context.Context // nil: nobody cancels it
	link   *hoststest.Link
	member *hosts.Member
	err    error
}

func newCrew(r *stagestest.Rig, workers int) *crew {
	c := &crew{Rig: r, queue: hoststest.New(), lease: time.Minute, wait: time.Minute}
	for i := range workers {
		c.workers = append(c.workers, &worker{name: fmt.Sprint("host", i), cache: r.T.TempDir()})
	}
	return c
}

// backup is a backup by the crew.
func (c *crew) backup(options ...func(*backup.Options)) *stagestest.Outcome {
	c.T.Helper()
	o, err := c.tryBackup(context.Background(), options...)
	c.Must(err)
	return o
}

func (c *crew) tryBackup(ctx context.Context, options ...func(*backup.Options)) (*stagestest.Outcome, error) {
	c.T.Helper()
	link := c.queue.Link()
	c.boss = link
	var its backup.Options
	lead := func(o *backup.Options) {
		o.Hosts = &hosts.Options{Link: link, Lease: c.lease, Host: "boss", Firn: "test"}
		its = *o
	}
	boss := *c.Rig
	boss.Began = func(h *job.Handle) {
		if c.Began != nil {
			c.Began(h)
		}
		for _, w := range c.workers {
			c.join(w, its)
		}
	}
	o, err := boss.TryBackup(ctx, append(slices.Clip(options), lead)...)
	c.joined.Wait()
	_ = link.Close()
	return o, err
}

// join has a worker work for the coordinator that has these options.
func (c *crew) join(w *worker, o backup.Options) {
	w.Outcome, w.link = new(stagestest.Outcome), c.queue.Link()
	c.joined.Go(func() {
		defer w.link.Close()
		w.err = c.work(w, o)
	})
}

func (c *crew) work(w *worker, o backup.Options) error {
	pass, _, err := encryption.ReadPassphrase(c.Keyfile, encryption.KeyfileOptions{})
	if err != nil {
		return err
	}
	db, _, err := state.Open(w.cache)
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := job.OpenKeys(db, pass)
	if err != nil {
		return err
	}
	ctx := w.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	o.Hosts, o.State, o.Cache, o.Report, o.Totals = nil, db, w.cache, w.Outcome, &w.Totals
	m, err := hosts.Join(ctx, hosts.JoinOptions{
		Link: w.link, Keys: keys, Hello: hosts.Hello{Host: w.name, Firn: "test"}, Room: 4, Wait: c.wait,
	})
	if err != nil {
		return err
	}
	w.member = m
	if c.change != nil {
		c.change(w, &o)
	}
	h, err := backup.Work(ctx, m, o)
	if err != nil {
		m.LeaveFor(err)
		return err
	}
	if c.began != nil {
		c.began(w, h)
	}
	w.Summary = h.Wait()
	if w.MemoryUsed != 0 || w.SpoolUsed != 0 {
		c.T.Errorf("%s ended with %d bytes of memory and %d of spool not given back", w.name, w.MemoryUsed, w.SpoolUsed)
	}
	return w.Err
}

// check checks that a backup by the crew did all, and that all workers ended well.
func (c *crew) check(o *stagestest.Outcome) {
	c.T.Helper()
	if o.Err != nil || !o.Complete(&o.Totals) {
		c.T.Errorf("%v; %v", o.Err, o.Events)
	}
	for _, w := range c.workers {
		if w.err != nil && !errors.Is(w.err, hosts.ErrNobody) { // others may be through before it comes
			c.T.Errorf("%s: %v", w.name, w.err)
		}
	}
}

// linesOf are those of the newest run, without what differs from one run to another.
func linesOf(r *stagestest.Rig) []catalogue.Subtree {
	r.T.Helper()
	_, lines := r.Catalogue().Last()
	for i := range lines {
		l := &lines[i]
		if (l.List == nil) != (l.MD5 == "") {
			r.T.Errorf("%s has no list", l.Path)
		}
		l.Version, l.ETag, l.Stored, l.HMAC, l.KeyID, l.List = "", "", time.Time{}, "", "", nil
	}
	return lines
}

// totals are all counters of a run by their names, but for those that are zero.
func totals(t *report.Totals) map[string]int64 {
	all := map[string]int64{}
	v := reflect.ValueOf(t).Elem()
	for i := range v.NumField() {
		if n, is := v.Field(i).Addr().Interface().(*atomic.Int64); is && n.Load() != 0 {
			all[v.Type().Field(i).Name] = n.Load()
		}
	}
	return all
}

// plain is a rig over the same tree with a store and a cache path of its own.
func plain(t *testing.T, r *stagestest.Rig) *stagestest.Rig {
	t.Helper()
	other := stagestest.NewRig(t)
	other.Tree, other.Keyfile, other.Change = r.Tree, r.Keyfile, r.Change
	return other
}

// sameAs checks that a run of the crew saved what a plain run saved.
func (c *crew) sameAs(o *stagestest.Outcome, p *stagestest.Rig, plain *stagestest.Outcome) {
	c.T.Helper()
	mine, theirs := linesOf(c.Rig), linesOf(p)
	names := func(r *stagestest.Rig) func(string) string { // ids of runs are others, and the store
		pairs := []string{r.Store.URL(), "store"}
		for i, run := range r.Catalogue().Runs {
			pairs = append(pairs, run.ID, fmt.Sprint("run ", i))
		}
		return strings.NewReplacer(pairs...).Replace
	}
	my, their := names(c.Rig), names(p)
	for i := range mine {
		mine[i].Error, mine[i].Better = my(mine[i].Error), my(mine[i].Better)
	}
	for i := range theirs {
		theirs[i].Error, theirs[i].Better = their(theirs[i].Error), their(theirs[i].Better)
	}
	if len(mine) != len(theirs) {
		c.T.Errorf("%d lines, want %d", len(mine), len(theirs))
		return
	}
	for i := range mine {
		if !reflect.DeepEqual(mine[i], theirs[i]) {
			c.T.Errorf("line %+v\nwant %+v", mine[i], theirs[i])
		}
	}
	if o.Complete(&o.Totals) != plain.Complete(&plain.Totals) || fmt.Sprint(o.Err) != fmt.Sprint(plain.Err) {
		c.T.Errorf("complete: %v %v, want %v %v", o.Complete(&o.Totals), o.Err, plain.Complete(&plain.Totals), plain.Err)
	}
	if got, want := totals(&o.Totals), totals(&plain.Totals); !reflect.DeepEqual(got, want) {
		c.T.Errorf("totals %v\nwant   %v", got, want)
	}
	events := func(o *stagestest.Outcome, named func(string) string) (all []string) {
		for _, e := range o.Events {
			all = append(all, named(strings.TrimSpace(fmt.Sprint(e.Kind, " ", e.Problem, " ", e.Path, " ", e.Text, " ", e.Err))))
		}
		slices.Sort(all)
		return all
	}
	if got, want := events(o, my), events(plain, their); !slices.Equal(got, want) {
		c.T.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// clean checks that nothing is left in the store or in the queue.
func (c *crew) clean() {
	c.T.Helper()
	if n := c.UnfinishedUploads(); n > 0 {
		c.T.Errorf("uploads are left: %d", n)
	}
	if k := c.queue.Kept(); k != (hosts.Kept{}) {
		c.T.Errorf("the queue keeps %+v", k)
	}
}

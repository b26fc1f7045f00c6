package stagestest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firn/stages/backup"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/job"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/walk"
	"firn/stages/store"
	"firn/stages/store/dir"
)

// A Rig is a tree, a cache path, a store and a key file, kept from run to run. A copy shares them
// all.
type Rig struct {
	T       testing.TB
	Tree    string
	Cache   string
	Keyfile string
	Store   store.Store
	Change  func(*backup.Options) // applied to every backup; may be nil
	Began   func(*job.Handle)     // called with the handle of every backup; may be nil
	hours   int                   // of the clock of rebuilds
}

// NewRig makes a rig with an empty tree and an empty store in a directory.
func NewRig(t testing.TB) *Rig {
	t.Helper()
	return NewRigAt(t, t.TempDir())
}

// NewRigAt is NewRig below a directory of the caller.
func NewRigAt(t testing.TB, base string) *Rig {
	t.Helper()
	r := &Rig{T: t, Tree: filepath.Join(base, "tree"), Cache: filepath.Join(base, "cache"), Keyfile: filepath.Join(base, "key")}
	for _, d := range []string{r.Tree, r.Cache} {
		r.Must(os.Mkdir(d, 0o755))
	}
	r.Must(encryption.CreateKeyfile(r.Keyfile))
	s, err := dir.Open(filepath.Join(base, "store"))
	r.Must(err)
	r.Store = s
	return r
}

// Must fails the test if there is an error.
func (r *Rig) Must(err error) {
	r.T.Helper()
	if err != nil {
		r.T.Fatal(err)
	}
}

// Command runs a program, which must succeed, and returns its standard output.
func (r *Rig) Command(c *exec.Cmd) string {
	r.T.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		r.T.Fatalf("%v: %v\n%s", c.Args, err, stderr.String())
	}
	return stdout.String()
}

// Secrets reads a key file, and more that are for reading alone.
func (r *Rig) Secrets(keyfile string, more ...string) *encryption.Keys {
	r.T.Helper()
	var all []*encryption.Passphrase
	for _, file := range append([]string{keyfile}, more...) {
		pass, _, err := encryption.ReadPassphrase(file, encryption.KeyfileOptions{})
		r.Must(err)
		all = append(all, pass)
	}
	keys, err := encryption.NewKeys(all[0], nil, all[1:]...)
	r.Must(err)
	return keys
}

// An Outcome is what a run reported.
type Outcome struct {
	mu     sync.Mutex
	Events []report.Event // in the order in which they came; to be read after the run
	Totals report.Totals
	report.Summary
}

// Event implements report.Reporter.
func (o *Outcome) Event(e report.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Events = append(o.Events, e)
}

// Of returns the paths of the events of a kind.
func (o *Outcome) Of(kind report.Kind) (paths []string) {
	for _, e := range o.Events {
		if e.Kind == kind {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// Problems returns what is wrong, sorted, as "name problem": the name is the last element of the
// path of an archive, or the folder of an object of the catalogue.
func (o *Outcome) Problems() (found []string) {
	for _, e := range o.Events {
		switch e.Kind {
		case report.Damaged, report.Replaced, report.Failed:
			found = append(found, filepath.Base(e.Path)+" "+string(e.Problem))
		case report.Catalogue:
			found = append(found, strings.Split(e.Key, "/")[1]+" "+string(e.Problem))
		}
	}
	slices.Sort(found)
	return found
}

// Settled is a change of a backup: files that were just written count as old enough to be skipped
// by their times.
func Settled(b *backup.Options) {
	b.Walk.Now = func() time.Time { return time.Now().Add(time.Minute) }
}

// Backup runs a backup at depth 1, which must start. The options are applied after Change.
func (r *Rig) Backup(options ...func(*backup.Options)) *Outcome {
	r.T.Helper()
	o, err := r.TryBackup(context.Background(), options...)
	r.Must(err)
	return o
}

// TryBackup is Backup with a context. The error is that of the start.
func (r *Rig) TryBackup(ctx context.Context, options ...func(*backup.Options)) (*Outcome, error) {
	r.T.Helper()
	format, err := codec.New("gzip", 1)
	if err != nil {
		return nil, err
	}
	pass, _, err := encryption.ReadPassphrase(r.Keyfile, encryption.KeyfileOptions{})
	if err != nil {
		return nil, err
	}
	db, _, err := state.Open(r.Cache)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := db.Close(); err != nil {
			r.T.Error(err)
		}
	}()
	keys, err := job.OpenKeys(db, pass)
	if err != nil {
		return nil, err
	}
	o := new(Outcome)
	b := backup.Options{
		Means: job.Means{
			Store: r.Store, Keys: keys, Cache: r.Cache, PartSize: 5 << 20,
			MemoryLimit: 64 << 20, SpoolLimit: 256 << 20, Report: o, Totals: &o.Totals,
		},
		Path: r.Tree, Walk: walk.Options{Depth: 1, LeaveOut: []string{r.Cache}}, Format: format, State: db, Class: "GLACIER", AbortAfter: 7 * 24 * time.Hour,
		Workers: backup.Workers{Walk: 2, Archive: 2, Compress: 2, Encrypt: 2, Upload: 4},
	}
	if r.Change != nil {
		r.Change(&b)
	}
	for _, f := range options {
		f(&b)
	}
	h, err := backup.Start(ctx, b)
	if err != nil {
		return nil, err
	}
	if r.Began != nil {
		r.Began(h)
	}
	o.Summary = h.Wait()
	r.CheckNothingHeld(o)
	if o.MemoryPeak > b.MemoryLimit || o.SpoolPeak > b.SpoolLimit {
		r.T.Errorf("budgets exceeded: memory %d of %d, spool %d of %d", o.MemoryPeak, b.MemoryLimit, o.SpoolPeak, b.SpoolLimit)
	}
	return o, nil
}

// CheckNothingHeld checks that a run that ended holds no memory, no spool and no spool file but those
// that a backup left to the next one.
func (r *Rig) CheckNothingHeld(o *Outcome) {
	r.T.Helper()
	if o.MemoryUsed != 0 || o.SpoolUsed != 0 {
		r.T.Errorf("the run ended with %d bytes of memory and %d of spool not given back", o.MemoryUsed, o.SpoolUsed)
	}
	left, _ := filepath.Glob(filepath.Join(r.Cache, "firn-spool", "*"))
	if left = slices.DeleteFunc(left, func(name string) bool { return strings.HasSuffix(name, ".kept") }); len(left) > 0 {
		r.T.Errorf("left in the spool: %v", left)
	}
	l := o.Load
	if len(l.Parts)+len(o.Now) > 0 || l.Done != l.Begun || l.Begun > l.Planned || l.Sent > l.Known ||
		o.Err == nil && (l.Begun != l.Planned || l.Waiting != 0) {
		r.T.Errorf("the run ended (%v) with works: %+v, %+v", o.Err, l, o.Now)
	}
}

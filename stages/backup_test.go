package stages_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"firn/stages"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/walk"
	"firn/stages/store"
	"firn/stages/store/dir"
)

// A rig is a tree, a cache path, a store and a key file, kept from run to run.
type rig struct {
	t       testing.TB
	tree    string
	cache   string
	keyfile string
	store   store.Store
	change  func(*stages.Backup) // applied to every run
	hours   int                  // of the clock of rebuilds
}

func newRig(t testing.TB) *rig {
	base := t.TempDir()
	r := &rig{t: t, tree: filepath.Join(base, "tree"), cache: filepath.Join(base, "cache"), keyfile: filepath.Join(base, "key")}
	for _, d := range []string{r.tree, r.cache} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := encryption.CreateKeyfile(r.keyfile); err != nil {
		t.Fatal(err)
	}
	s, err := dir.Open(filepath.Join(base, "store"))
	if err != nil {
		t.Fatal(err)
	}
	r.store = s
	return r
}

// An outcome is what a run told.
type outcome struct {
	mu     sync.Mutex
	events []report.Event
	totals report.Totals
	report.Summary
}

func (o *outcome) Event(e report.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
}

// of are the events of a kind, by key or path.
func (o *outcome) of(kind report.Kind) (names []string) {
	for _, e := range o.events {
		if e.Kind == kind {
			names = append(names, e.Path)
		}
	}
	return names
}

func (r *rig) run(options ...func(*stages.Backup)) *outcome {
	r.t.Helper()
	o, err := r.try(context.Background(), options...)
	if err != nil {
		r.t.Fatal(err)
	}
	return o
}

func (r *rig) try(ctx context.Context, options ...func(*stages.Backup)) (*outcome, error) {
	r.t.Helper()
	format, err := codec.New("gzip", 1)
	if err != nil {
		return nil, err
	}
	pass, _, err := encryption.ReadPassphrase(r.keyfile, encryption.KeyfileOptions{})
	if err != nil {
		return nil, err
	}
	db, _, err := state.Open(r.cache)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := db.Close(); err != nil {
			r.t.Error(err)
		}
	}()
	keys, err := stages.OpenKeys(pass, db)
	if err != nil {
		return nil, err
	}
	o := new(outcome)
	b := stages.Backup{
		Path: r.tree, Walk: walk.Options{Depth: 1, LeaveOut: []string{r.cache}}, Format: format, Cache: r.cache,
		Store: r.store, Passphrase: pass, Keys: keys, State: db, Class: "GLACIER", PartSize: 5 << 20,
		Workers:     stages.Workers{Walk: 2, Archive: 2, Compress: 2, Encrypt: 2, Upload: 4},
		MemoryLimit: 64 << 20, SpoolLimit: 256 << 20, Report: o, Totals: &o.totals,
	}
	if r.change != nil {
		r.change(&b)
	}
	for _, f := range options {
		f(&b)
	}
	h, err := b.Start(ctx)
	if err != nil {
		return nil, err
	}
	o.Summary = h.Wait()
	if o.MemoryUsed != 0 || o.SpoolUsed != 0 {
		r.t.Errorf("the run ended with %d bytes of memory and %d of spool not given back", o.MemoryUsed, o.SpoolUsed)
	}
	if o.MemoryPeak > b.MemoryLimit || o.SpoolPeak > b.SpoolLimit {
		r.t.Errorf("budgets exceeded: memory %d of %d, spool %d of %d", o.MemoryPeak, b.MemoryLimit, o.SpoolPeak, b.SpoolLimit)
	}
	if left, _ := filepath.Glob(filepath.Join(r.cache, "firn-spool", "*")); len(left) > 0 {
		r.t.Errorf("left in the spool: %v", left)
	}
	return o, nil
}

// objects are the archives in the store.
func (r *rig) objects() map[string]store.Object {
	r.t.Helper()
	found := map[string]store.Object{}
	err := r.store.List(context.Background(), "", func(o store.Object) error {
		if !strings.Contains(path.Base(o.Key), ".tar.") {
			return nil // the catalogue, and what explains the bucket
		}
		head, err := r.store.Head(context.Background(), o.Key, "")
		found[o.Key] = head
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

// extract opens every archive with openssl and tar alone, checks its md5, and
// lays the union of all out under a new directory, at the tree's own paths.
func (r *rig) extract() string {
	r.t.Helper()
	into, scratch := r.t.TempDir(), r.t.TempDir()
	levels := map[int][]store.Object{}
	for _, o := range r.objects() {
		n := strings.Count(o.Key, "/")
		levels[n] = append(levels[n], o)
	}
	// A directory's own archive last: what is laid under it changes its time.
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(levels))) {
		var g errgroup.Group
		g.SetLimit(4)
		for i, o := range levels[n] {
			g.Go(func() error { return r.extractOne(o, into, filepath.Join(scratch, fmt.Sprint(n, "-", i))) })
		}
		if err := g.Wait(); err != nil {
			r.t.Fatal(err)
		}
	}
	return into
}

func (r *rig) extractOne(o store.Object, into, archive string) (err error) {
	path, _, ok := key.Path("", o.Key)
	if !ok {
		return fmt.Errorf("no path can be read from the key %s", o.Key)
	}
	at := filepath.Join(into, filepath.Dir(path))
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	body, err := r.store.Get(context.Background(), o.Key, store.GetOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	sum := md5.New()
	var said bytes.Buffer
	openssl := exec.Command("openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-pass", "file:"+r.keyfile)
	openssl.Stdin, openssl.Stdout, openssl.Stderr = body, io.MultiWriter(f, sum), &said
	if err := errors.Join(openssl.Run(), f.Close()); err != nil {
		return fmt.Errorf("%s: openssl: %w: %s", o.Key, err, said.String())
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != o.Meta["md5"] {
		return fmt.Errorf("%s: md5 is %s, its record says %s", o.Key, got, o.Meta["md5"])
	}
	out, err := exec.Command("tar", "--xattrs", "--xattrs-include=*", "--acls", "--same-owner", "-C", at, "-xpf", archive).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: tar: %w: %s", o.Key, err, out)
	}
	return os.Remove(archive)
}

func (r *rig) command(c *exec.Cmd) string {
	r.t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		r.t.Fatalf("%v: %v\n%s", c.Args, err, stderr.String())
	}
	return stdout.String()
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBackupSavesAndSkips(t *testing.T) {
	r := newRig(t)
	for i := range 5 {
		for j := range 10 {
			write(t, filepath.Join(r.tree, fmt.Sprint("d", i), fmt.Sprint("f", j)), strings.Repeat(fmt.Sprint(i, j), 10000))
		}
	}
	write(t, filepath.Join(r.tree, "plain"), "a file at the depth")
	first := r.run()
	if first.Err != nil || !first.Complete(&first.totals) || len(first.of(report.Saved)) != 7 {
		t.Fatalf("first run: %v; %v", first.Err, first.events)
	}
	before := r.objects()
	r.command(exec.Command("diff", "-r", r.tree, filepath.Join(r.extract(), r.tree)))

	second := r.run()
	if n := second.totals.Saved.Load(); n != 0 {
		t.Errorf("second run saved %d", n)
	}
	write(t, filepath.Join(r.tree, "d3", "f1"), "new")
	third := r.run()
	if got := third.of(report.Saved); len(got) != 1 || got[0] != filepath.Join(r.tree, "d3") {
		t.Errorf("after a change in d3 the third run saved %v", got)
	}
	for key, o := range r.objects() {
		if same := o.Modified.Equal(before[key].Modified); same == strings.HasSuffix(key, "d3.tar.gz") && before[key].ETag == o.ETag {
			t.Errorf("%s: modified %v, before %v", key, o.Modified, before[key].Modified)
		}
	}
}

package stages_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firn/bench/tree"
	"firn/stages"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/pick"
	"firn/stages/service/report"
	"firn/stages/store"
)

// restore brings back what is picked and returns the target and what was told.
func (r *rig) restore(picks ...string) (string, *outcome) {
	r.t.Helper()
	target := r.t.TempDir()
	return target, r.restoreInto(target, r.keyfile, picks...)
}

func (r *rig) restoreInto(target, keyfile string, picks ...string) *outcome {
	r.t.Helper()
	return r.restoreAs(target, keyfile, func(o *stages.Restore) {
		var err error
		if o.Picks, err = pick.Parse(picks); err != nil {
			r.t.Fatal(err)
		}
	})
}

// restoreAs restores with what change sets.
func (r *rig) restoreAs(target, keyfile string, change func(*stages.Restore)) *outcome {
	r.t.Helper()
	root, err := os.OpenRoot(target)
	if err != nil {
		r.t.Fatal(err)
	}
	defer root.Close()
	pass, _, err := encryption.ReadPassphrase(keyfile, encryption.KeyfileOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	keys, err := encryption.NewKeys(pass, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	o := new(outcome)
	restore := stages.Restore{
		Target: root, Owners: true, Cache: r.cache, Store: r.store, Passphrase: pass, Keys: keys,
		PartSize: 1 << 20, Workers: stages.RestoreWorkers{Fetch: 4, Decrypt: 2, Extract: 2},
		MemoryLimit: 16 << 20, SpoolLimit: 256 << 20, Report: o, Totals: &o.totals,
	}
	change(&restore)
	h, err := restore.Start(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	o.Summary = h.Wait()
	if o.MemoryUsed != 0 || o.SpoolUsed != 0 {
		r.t.Errorf("the restore ended with %d bytes of memory and %d of spool not given back", o.MemoryUsed, o.SpoolUsed)
	}
	return o
}

func (r *rig) diff(a, b string, o tree.DiffOptions) {
	r.t.Helper()
	lines, err := tree.Diff(a, b, o)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, line := range lines {
		r.t.Error(line)
	}
}

func TestRestoreGivesTheTreeBack(t *testing.T) {
	for _, name := range codec.Names() {
		for depth := range 4 {
			if name != "gzip" && depth != 1 {
				continue // what a format does, it does at any depth
			}
			t.Run(name+" "+string(rune('0'+depth)), func(t *testing.T) {
				format, err := codec.New(name, 1)
				if err != nil {
					t.Fatal(err)
				}
				r := newRig(t)
				if _, err := tree.Awkward(r.tree, tree.Sockets); err != nil {
					t.Fatal(err)
				}
				saved := r.run(func(b *stages.Backup) {
					b.Format, b.Walk.Depth, b.MemoryLimit = format, depth, 512<<20
				})
				if saved.Err != nil || !saved.Complete(&saved.totals) {
					t.Fatalf("backup: %v %v", saved.Err, saved.events)
				}
				target, o := r.restore()
				if o.Err != nil || !o.Complete(&o.totals) {
					t.Fatalf("restore: %v %v", o.Err, o.events)
				}
				r.diff(r.tree, filepath.Join(target, r.tree), tree.DiffOptions{Holes: true, LinkScope: linkScope(depth)})
			})
		}
	}
}

// linkScope names the archive that a path lies in: hard links are kept within
// one.
func linkScope(depth int) func(string) string {
	return func(path string) string {
		parts := strings.SplitN(path, "/", depth+1)
		if len(parts) <= depth {
			return path
		}
		return strings.Join(parts[:depth], "/")
	}
}

func TestRestoreOfWhatIsPicked(t *testing.T) {
	r := newRig(t)
	r.plant(6)
	r.run()
	target, o := r.restore(filepath.Join(r.tree, "d2", "sub"))
	if o.Err != nil || !o.Complete(&o.totals) {
		t.Fatalf("%v %v", o.Err, o.events)
	}
	if n := o.totals.Restored.Load(); n != 1 {
		t.Errorf("%d archives were fetched, want its own", n)
	}
	r.diff(filepath.Join(r.tree, "d2", "sub"), filepath.Join(target, r.tree, "d2", "sub"), tree.DiffOptions{})
	if _, err := os.Stat(filepath.Join(target, r.tree, "d2", "noise")); err == nil {
		t.Error("what was not picked is there")
	}
}

func TestRestoreTwice(t *testing.T) {
	r := newRig(t)
	r.plant(7)
	r.run()
	target, _ := r.restore()
	o := r.restoreInto(target, r.keyfile)
	if o.Err != nil || !o.Complete(&o.totals) {
		t.Errorf("over an intact target: %v %v", o.Err, o.events)
	}
	r.diff(r.tree, filepath.Join(target, r.tree), tree.DiffOptions{})
}

// replace stores an object anew with other bytes and the same metadata.
func (r *rig) replace(key string, change func([]byte) []byte, from string) {
	r.t.Helper()
	ctx := context.Background()
	head, err := r.store.Head(ctx, key, "")
	if err != nil {
		r.t.Fatal(err)
	}
	body := change(r.read(from))
	if _, err := r.store.Put(ctx, key, body, store.PutOptions{Meta: head.Meta, CRC32C: store.CRC32C(body)}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(key string) []byte {
	r.t.Helper()
	head, err := r.store.Head(context.Background(), key, "")
	if err != nil {
		r.t.Fatal(err)
	}
	b := make([]byte, head.Size)
	body, err := r.store.Get(context.Background(), key, store.GetOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer body.Close()
	for n := 0; n < len(b); {
		m, err := body.Read(b[n:])
		n += m
		if err != nil && n < len(b) {
			r.t.Fatal(err)
		}
	}
	return b
}

func (r *rig) keyOf(name string) string {
	return strings.TrimPrefix(filepath.Join(r.tree, name), "/") + ".tar.gz"
}

// What is not what was saved is named, nothing of it is laid down, and all
// that is intact comes back.
func TestRestoreRefusesWhatWasTamperedWith(t *testing.T) {
	same := func(b []byte) []byte { return b }
	for name, tamper := range map[string]func(r *rig){
		"flipped bit":      func(r *rig) { r.replace(r.keyOf("d1"), flip(100), r.keyOf("d1")) },
		"flipped last bit": func(r *rig) { r.replace(r.keyOf("d1"), flip(-1), r.keyOf("d1")) },
		"flipped salt":     func(r *rig) { r.replace(r.keyOf("d1"), flip(9), r.keyOf("d1")) },
		"flipped magic":    func(r *rig) { r.replace(r.keyOf("d1"), flip(0), r.keyOf("d1")) },
		"truncated":        func(r *rig) { r.replace(r.keyOf("d1"), func(b []byte) []byte { return b[:len(b)-16] }, r.keyOf("d1")) },
		"empty":            func(r *rig) { r.replace(r.keyOf("d1"), func(b []byte) []byte { return nil }, r.keyOf("d1")) },
		"swapped bytes":    func(r *rig) { r.replace(r.keyOf("d1"), same, r.keyOf("d2")) },
		"swapped with its record": func(r *rig) {
			head, err := r.store.Head(context.Background(), r.keyOf("d2"), "")
			if err != nil {
				r.t.Fatal(err)
			}
			body := r.read(r.keyOf("d2"))
			if _, err := r.store.Put(context.Background(), r.keyOf("d1"), body, store.PutOptions{Meta: head.Meta, CRC32C: store.CRC32C(body)}); err != nil {
				r.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.plant(8)
			r.run()
			tamper(r)
			target, o := r.restore()
			if failed := o.of(report.Failed); o.Err != nil || len(failed) != 1 || "/"+failed[0] != filepath.Join(r.tree, "d1") {
				t.Fatalf("%v %v", o.Err, o.events)
			}
			if _, err := os.Stat(filepath.Join(target, r.tree, "d1")); err == nil {
				t.Error("something of it was laid down")
			}
			r.diff(filepath.Join(r.tree, "d2"), filepath.Join(target, r.tree, "d2"), tree.DiffOptions{})
		})
	}
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 1
		return b
	}
}

func TestRestoreNamesAWrongKey(t *testing.T) {
	r := newRig(t)
	r.plant(9)
	r.run()
	other := filepath.Join(t.TempDir(), "other")
	if err := encryption.CreateKeyfile(other); err != nil {
		t.Fatal(err)
	}
	o := r.restoreInto(t.TempDir(), other)
	if n := len(o.of(report.Failed)); n != 7 || o.Complete(&o.totals) {
		t.Errorf("%d of 7 archives failed: %v", n, o.events)
	}
	for _, e := range o.events {
		if !errors.Is(e.Err, encryption.ErrOtherKey) {
			t.Errorf("%v", e.Err)
		}
	}
	if n := o.Stages[2].BytesIn; n != 0 {
		t.Errorf("%d bytes were fetched", n)
	}
}

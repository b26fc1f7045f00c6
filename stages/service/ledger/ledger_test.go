package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/service/ledger"
	"firn/stages/store"
	"firn/stages/store/dir"
	"firn/stages/store/fault"
)

// open makes a ledger in a directory store.
func open(t *testing.T) (l *ledger.Ledger, root string) {
	t.Helper()
	root = t.TempDir()
	s, err := dir.Open("file://" + root)
	check(t, err)
	return &ledger.Ledger{Store: s, Prefix: "pre", Keys: keys(t, "a passphrase of some length"), Scratch: scratch(t)}, root
}

func pass(text string) *encryption.Passphrase { return encryption.NewPassphrase([]byte(text)) }

func keys(t *testing.T, text string) *encryption.Keys {
	k, err := encryption.NewKeys(pass(text), nil)
	check(t, err)
	return k
}

// scratch makes files whose number left open is checked at the end.
func scratch(t *testing.T) func() (*os.File, error) {
	dir := t.TempDir()
	return func() (*os.File, error) {
		f, err := os.CreateTemp(dir, "")
		if err == nil {
			t.Cleanup(func() {
				if f.Close() == nil {
					t.Error("a scratch file was left open")
				}
			})
		}
		return f, err
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, path string, entries int) *bytes.Reader {
	t.Helper()
	var b bytes.Buffer
	w, err := catalogue.NewList(&b, path, path+".tar.gz")
	check(t, err)
	for i := range entries {
		check(t, w.Add(&catalogue.Entry{Path: fmt.Sprintf("%s/%d", filepath.Base(path), i), Type: catalogue.File, Mode: "0644"}))
	}
	check(t, w.Close("md5 of "+path))
	return bytes.NewReader(b.Bytes())
}

// write writes a run with some subtrees from many goroutines at once.
func write(t *testing.T, l *ledger.Ledger, limit int64, subtrees int) catalogue.Run {
	t.Helper()
	started := time.Date(2026, 11, 23, 20, 30, 0, 0, time.UTC)
	w := l.Begin(ledger.NewID(started), limit)
	var all sync.WaitGroup
	for i := range subtrees {
		all.Go(func() {
			path := fmt.Sprintf("home/%d", i)
			place, err := w.AddList(t.Context(), list(t, path, 3*i))
			if err == nil {
				err = w.Add(t.Context(), catalogue.Subtree{Path: path, Key: path + ".tar.gz", MD5: "md5 of " + path, List: &place})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	check(t, w.Finish(t.Context(), catalogue.Run{Started: started, BackupPath: "/home", Path: "home", Complete: true}))
	runs, faults, err := l.Runs(t.Context())
	check(t, err)
	if len(faults) > 0 || len(runs) == 0 {
		t.Fatalf("%d runs, faults: %v", len(runs), faults)
	}
	return runs[len(runs)-1]
}

// TestRoundTrip writes runs in few and in many volumes, and reads back every subtree and every list
// from its place.
func TestRoundTrip(t *testing.T) {
	for _, limit := range []int64{1, 300, 1 << 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			l, _ := open(t)
			const subtrees = 40
			run := write(t, l, limit, subtrees)
			held, err := l.Volumes(t.Context())
			check(t, err)
			seen := map[string]bool{}
			check(t, l.Subtrees(t.Context(), run, func(s catalogue.Subtree) error {
				seen[s.Path] = true
				if !held[s.List.Pack] {
					t.Errorf("%s: its list's pack %s is not in the store", s.Path, s.List.Pack)
				}
				pack, err := l.Pack(t.Context(), s.List.Pack)
				check(t, err)
				defer pack.Close()
				r, err := pack.List(*s.List, s.Owner())
				check(t, err)
				if n := count(t, r); r.Head.Path != s.Path || fmt.Sprintf("home/%d", n/3) != s.Path || r.MD5() != "md5 of "+s.Path {
					t.Errorf("the list of %s is that of %s with %d entries", s.Path, r.Head.Path, n)
				}
				return nil
			}))
			if len(seen) != subtrees {
				t.Errorf("%d subtrees came back", len(seen))
			}
			lists := 0
			for _, key := range run.Packs {
				pack, err := l.Pack(t.Context(), key)
				check(t, err)
				check(t, pack.Lists(func(r ledger.PackedList) error {
					lists++
					count(t, r.ListReader)
					again, err := pack.List(r.Place(), r.Owner())
					check(t, err)
					count(t, again)
					if again.Head != r.Head {
						t.Errorf("at %v: %v", r.Place(), again.Head)
					}
					return nil
				}))
				pack.Close()
			}
			if lists != subtrees {
				t.Errorf("%d lists in %d packs", lists, len(run.Packs))
			}
		})
	}
}

func count(t *testing.T, r *catalogue.ListReader) (n int) {
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n
		}
		check(t, err)
		n++
	}
}

// TestWithoutFirn opens a run with openssl and gunzip.
func TestWithoutFirn(t *testing.T) {
	l, root := open(t)
	run := write(t, l, 1<<20, 2)
	for _, key := range append([]string{"pre/.firn/runs/" + run.ID + ".json.gz"}, append(run.Manifest, run.Packs...)...) {
		text := unpack(t, filepath.Join(root, key), "a passphrase of some length")
		if !strings.HasPrefix(text, `{"firn_`) {
			t.Errorf("%s holds %.40q", key, text)
		}
	}
}

func unpack(t *testing.T, file, passphrase string) string {
	t.Helper()
	openssl := exec.Command("openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-pass", "pass:"+passphrase, "-in", file)
	zipped, err := openssl.Output()
	check(t, err)
	gunzip := exec.Command("gunzip", "-c")
	gunzip.Stdin = bytes.NewReader(zipped)
	text, err := gunzip.Output()
	check(t, err)
	return string(text)
}

// TestDamage flips bytes of each object in turn, cuts it short, and puts one object in another's
// place: nothing may be read of it, and it must be said to be damaged.
func TestDamage(t *testing.T) {
	l, root := open(t)
	run := write(t, l, 1<<20, 3)
	read := func() error {
		runs, faults, err := l.Runs(t.Context())
		if err != nil || len(faults) > 0 {
			return errors.Join(err, faults[0].Err)
		}
		if err := l.Subtrees(t.Context(), runs[0], func(catalogue.Subtree) error { return nil }); err != nil {
			return err
		}
		pack, err := l.Pack(t.Context(), runs[0].Packs[0])
		if err != nil {
			return err
		}
		defer pack.Close()
		return pack.Lists(func(ledger.PackedList) error { return nil })
	}
	check(t, read())
	keys := []string{"pre/.firn/runs/" + run.ID + ".json.gz", run.Manifest[0], run.Packs[0]}
	for _, key := range keys {
		file := filepath.Join(root, key)
		good, err := os.ReadFile(file)
		check(t, err)
		info, err := os.Stat(file)
		check(t, err)
		spoil := func(what string, bad []byte) {
			t.Helper()
			check(t, os.WriteFile(file, bad, 0o600))
			check(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
			if err := read(); !errors.Is(err, ledger.ErrDamaged) {
				t.Errorf("%s, %s: %v", key, what, err)
			}
		}
		for at := 0; at < len(good); at += 29 {
			bad := bytes.Clone(good)
			bad[at] ^= 0x10
			spoil(fmt.Sprintf("byte %d flipped", at), bad)
		}
		check(t, os.WriteFile(file, good, 0o600))
		check(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
	}
	check(t, read())
	for i, key := range keys {
		body, o := stored(t, l, key)
		other, meta := stored(t, l, keys[(i+1)%len(keys)])
		put(t, l, key, other, meta)
		if err := read(); !errors.Is(err, ledger.ErrDamaged) {
			t.Errorf("%s with another's bytes and record: %v", key, err)
		}
		put(t, l, key, body, o)
	}
	check(t, read())
}

// stored is an object with its metadata.
func stored(t *testing.T, l *ledger.Ledger, key string) ([]byte, map[string]string) {
	t.Helper()
	o, err := l.Store.Head(t.Context(), key, "")
	check(t, err)
	body, err := l.Store.Get(t.Context(), key, store.GetOptions{})
	check(t, err)
	b, err := io.ReadAll(body)
	check(t, errors.Join(err, body.Close()))
	return b, o.Meta
}

func put(t *testing.T, l *ledger.Ledger, key string, body []byte, meta map[string]string) {
	t.Helper()
	_, err := l.Store.Put(t.Context(), key, body, store.PutOptions{Meta: meta, CRC32C: store.CRC32C(body)})
	check(t, err)
}

// TestOtherKey names a wrong key file.
func TestOtherKey(t *testing.T) {
	l, _ := open(t)
	write(t, l, 1<<20, 1)
	l.Keys = keys(t, "some other passphrase")
	_, faults, err := l.Runs(t.Context())
	check(t, err)
	if len(faults) != 1 || !errors.Is(faults[0].Err, encryption.ErrOtherKey) {
		t.Errorf("faults: %v", faults)
	}
}

// TestNotStored lets each operation on the store fail in turn: a run that could not be written
// whole must not be seen.
func TestNotStored(t *testing.T) {
	for n := 0; ; n++ {
		l, _ := open(t)
		good := l.Store
		broken := fault.New(good)
		broken.FailAt(n, nil)
		l.Store = broken
		w := l.Begin(ledger.NewID(time.Now()), 100)
		var errs []error
		for i := range 5 {
			path := fmt.Sprintf("home/%d", i)
			place, err := w.AddList(t.Context(), list(t, path, 9))
			errs = append(errs, err, w.Add(t.Context(), catalogue.Subtree{Path: path, List: &place}))
		}
		errs = append(errs, w.Finish(t.Context(), catalogue.Run{}))
		l.Store = good
		runs, faults, err := l.Runs(t.Context())
		check(t, err)
		if errors.Join(errs...) == nil {
			if len(runs) != 1 || len(faults) > 0 {
				t.Errorf("without a fault: %d runs, %v", len(runs), faults)
			}
			return
		}
		if len(runs) > 0 || errs[len(errs)-1] == nil {
			t.Errorf("operation %d failed, and %d runs are there: %v", n, len(runs), errs)
		}
	}
}

func TestChoose(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC) }
	run := func(hour int, path string, complete bool) catalogue.Run {
		return catalogue.Run{ID: fmt.Sprintf("20261123T%02d0000Z-%x", hour, hour), Started: at(hour), Path: path, Complete: complete}
	}
	all := []catalogue.Run{run(1, "home", true), run(2, "home", true), run(3, "home", false), run(4, "etc", true), run(5, "home/me", true), run(6, ".", true), run(7, "srv", false)}
	for _, test := range []struct {
		m    ledger.Moment
		want string // hours
		err  error
	}{
		{ledger.Moment{}, "6 5 4 2", nil},
		{ledger.Moment{At: at(4)}, "4 2", nil},
		{ledger.Moment{At: at(1)}, "1", nil},
		{ledger.Moment{At: at(0)}, "", ledger.ErrNoRun},
		{ledger.Moment{Run: "20261123T03"}, "3", nil},
		{ledger.Moment{Run: "latest"}, "7", nil},
		{ledger.Moment{Run: "latest~0"}, "7", nil},
		{ledger.Moment{Run: "latest~2"}, "5", nil},
		{ledger.Moment{Run: "latest~7"}, "", ledger.ErrNoRun},
		{ledger.Moment{Run: "latest~-1"}, "", ledger.ErrNoRun},
		{ledger.Moment{Run: "latest~"}, "", ledger.ErrNoRun},
		{ledger.Moment{Run: "2026"}, "", ledger.ErrNoRun},
		{ledger.Moment{Run: "x"}, "", ledger.ErrNoRun},
	} {
		runs, err := ledger.Choose(all, test.m)
		var got []string
		for _, r := range runs {
			got = append(got, fmt.Sprint(r.Started.Hour()))
		}
		if strings.Join(got, " ") != test.want || !errors.Is(err, test.err) {
			t.Errorf("%+v: %v, %v", test.m, got, err)
		}
	}
	runs, err := ledger.Choose(append(all, run(8, "/", true)), ledger.Moment{})
	if err != nil || cmp.Diff(len(runs), 2) != "" { // "." is not below "/"
		t.Errorf("with the whole tree: %v %v", runs, err)
	}
}

// aged is a store some time later.
type aged struct {
	store.Store
	by time.Duration
}

func (a aged) Uploads(ctx context.Context, prefix string, fn func(store.PendingUpload) error) error {
	return a.Store.Uploads(ctx, prefix, func(u store.PendingUpload) error { u.Age += a.by; return fn(u) })
}

// TestClean aborts what dead runs left, and lets alone what a live one may be storing.
func TestClean(t *testing.T) {
	l, _ := open(t)
	real := l.Store
	for _, key := range []string{"pre/.firn/lists/x-001.jsonl.gz", "pre/home.tar.gz"} {
		up, err := l.Store.CreateUpload(t.Context(), key, store.PutOptions{PartSize: 8 << 20})
		check(t, err)
		body := []byte("x")
		_, err = up.Part(t.Context(), 1, body, store.CRC32C(body))
		check(t, err)
	}
	for _, test := range []struct {
		after time.Duration
		want  int
	}{{time.Hour, 0}, {25 * time.Hour, 1}, {26 * time.Hour, 0}} {
		l.Store = aged{real, test.after}
		if n, err := l.Clean(t.Context(), 24*time.Hour); err != nil || n != test.want {
			t.Errorf("after %s: %d aborted, want %d: %v", test.after, n, test.want, err)
		}
	}
}

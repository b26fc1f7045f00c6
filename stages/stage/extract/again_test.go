package extract_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firn/bench/tree"
	"firn/stages/stage/extract"
	"firn/stages/stage/walk"
)

func write(t testing.TB, p, content string, at int64) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(content), 0o600), os.Chtimes(p, time.Time{}, time.Unix(at, 0))); err != nil {
		t.Fatal(err)
	}
}

// TestOverwrite extracts an archive of time 10^9 over what is there.
func TestOverwrite(t *testing.T) {
	const older, newer = 999_999_999, 1_000_000_001
	for _, c := range []struct {
		name   string
		header tar.Header
		before func(t *testing.T, p string)
		// What becomes of it under Never, IfOlder and Always: r replaced, k kept as right, e kept and reported, f a fault.
		want string
	}{
		{"nothing", reg("p"), func(*testing.T, string) {}, "rrr"},
		{"the same", reg("p"), func(t *testing.T, p string) { write(t, p, "ppppp", 1e9) }, "kkk"},
		{"other size", reg("p"), func(t *testing.T, p string) { write(t, p, "x", 1e9) }, "eer"},
		{"older", reg("p"), func(t *testing.T, p string) { write(t, p, "xxxxx", older) }, "err"},
		{"newer", reg("p"), func(t *testing.T, p string) { write(t, p, "xxxxx", newer) }, "eer"},
		{"link where a file was", sym("p", "x"), func(t *testing.T, p string) { write(t, p, "x", older) }, "err"},
		{"the same link", sym("p", "x"), func(t *testing.T, p string) { os.Symlink("x", p) }, "kkk"},
		{"another link", sym("p", "x"), func(t *testing.T, p string) { os.Symlink("xy", p) }, "eer"},
		{"link of the same beginning", sym("p", "xyz"), func(t *testing.T, p string) { os.Symlink("xy", p) }, "eer"},
		{"file where a link was", reg("p"), func(t *testing.T, p string) { os.Symlink("elsewhere", p) }, "eer"},
		{"file where a directory was", reg("p"), func(t *testing.T, p string) { os.Mkdir(p, 0o755) }, "eer"},
		{"file where a full directory was", reg("p"), func(t *testing.T, p string) { write(t, p+"/x", "x", older) }, "eef"},
		{"directory where a file was", folder("p"), func(t *testing.T, p string) { write(t, p, "x", older) }, "err"},
		{"directory where a link was", folder("p"), func(t *testing.T, p string) { os.Symlink(".", p) }, "eer"},
		{"the same FIFO", tar.Header{Name: "p", Typeflag: tar.TypeFifo}, func(t *testing.T, p string) { mkfifo(t, p) }, "kkk"},
		{"FIFO where a file was", tar.Header{Name: "p", Typeflag: tar.TypeFifo}, func(t *testing.T, p string) { write(t, p, "", older) }, "err"},
		{"file where a FIFO was", reg("p"), func(t *testing.T, p string) { mkfifo(t, p) }, "eer"},
	} {
		for rule, want := range c.want {
			t.Run(fmt.Sprintf("%s/%d", c.name, rule), func(t *testing.T) {
				to := t.TempDir()
				p := filepath.Join(to, "p")
				c.before(t, p)
				before, _ := os.Lstat(p)
				r, f, err := lay(t, to, extract.Options{Overwrite: extract.Overwrite(rule)}, made(t, c.header), "", nil)
				if err != nil {
					t.Fatal(err)
				}
				after, err := os.Lstat(p)
				if err != nil {
					t.Fatal(err)
				}
				// A number that is free again may be given to the next file.
				kept := before != nil && os.SameFile(before, after) && before.Mode().Type() == after.Mode().Type()
				got := 'r'
				switch {
				case len(f.all) == 1 && f.all[0].What == extract.Exists && r.Faults == 0 && r.Kept == 1 && r.Entries == 0:
					got = 'e'
				case len(f.all) == 1 && r.Faults == 1 && r.Entries == 0:
					got = 'f'
				case len(f.all) == 0 && r.Kept == 1 && r.Entries == 1:
					got = 'k'
				}
				if got != want || kept != (want != 'r') || len(f.all) > 1 {
					t.Errorf("%c, kept %v, %+v, want %c\n%v", got, kept, r, want, f)
				}
				if want == 'r' || want == 'k' {
					if !after.ModTime().Equal(time.Unix(1e9, 0)) || after.Mode().Type() != c.header.FileInfo().Mode().Type() {
						t.Errorf("it is %v of %v", after.Mode(), after.ModTime())
					}
				}
			})
		}
	}
}

// TestTakenUp: a restore that was stopped anywhere, with what a killed one leaves, goes on where it stopped.
func TestTakenUp(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "tree")
	if _, err := tree.Awkward(src, tree.TooDeep); err != nil {
		t.Fatal(err)
	}
	b := archived(t, src, 0, walk.Subtree{})
	to := filepath.Join(dir, "to")
	kept := int64(0)
	for part := 1; part <= 4; part++ {
		r, f, err := lay(t, to, extract.Options{Owners: true}, b[:len(b)*part/4], "", nil)
		if (err == nil) != (part == 4) || len(f.all) > 0 {
			t.Fatalf("part %d: %+v, %v\n%v", part, r, err, f)
		}
		if part > 1 && r.Kept < kept {
			t.Errorf("part %d kept %d entries, the one before %d", part, r.Kept, kept)
		}
		kept = r.Kept
		if part == 4 {
			break
		}
		for _, d := range []string{"tree", "tree/a"} {
			for _, name := range []string{"999999999-ABC-1", "x", fmt.Sprintf("%d-x-1", os.Getpid())} {
				write(t, filepath.Join(to, d, extract.TempPrefix+name), "half a file", 1)
			}
		}
	}
	same(t, src, to+"/tree", tree.DiffOptions{Holes: true})
}

// TestLeftovers: what killed runs left is removed when an entry is written beside it; what belongs to a live run, or is a directory, stays.
func TestLeftovers(t *testing.T) {
	to := t.TempDir()
	own := fmt.Sprint(os.Getpid())
	for _, name := range []string{"1-ABC-2", "999999999-ABC-1", "x", own + "-ABC-1"} {
		write(t, filepath.Join(to, "d", extract.TempPrefix+name), "half", 1)
		write(t, filepath.Join(to, "e", extract.TempPrefix+name), "half", 1)
	}
	write(t, filepath.Join(to, "d", extract.TempPrefix+"dir", "x"), "not a leftover", 1)
	x := extract.New(extract.Options{Target: target(t, to)})
	if _, err := x.Extract(context.Background(), bytes.NewReader(made(t, folder("d"), reg("d/f"), folder("e"))), "", nil, extract.Limits{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := x.Finish(); err != nil {
		t.Fatal(err)
	}
	for d, want := range map[string][]string{"d": {extract.TempPrefix + "1-ABC-2", extract.TempPrefix + "dir", "f"}, "e": {"1", "2", "3", "4"}} {
		var got []string
		list, err := os.ReadDir(filepath.Join(to, d))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			got = append(got, e.Name())
		}
		if len(got) != len(want) || d == "d" && !slices.Equal(got, want) {
			t.Errorf("in %s is %q, want %q", d, got, want)
		}
	}
}

func TestSelected(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "tree")
	if _, err := tree.Awkward(src, tree.TooDeep); err != nil {
		t.Fatal(err)
	}
	b := archived(t, src, 0, walk.Subtree{})
	wanted := func(name string) bool {
		return name == "tree/a/d/d/file" || strings.HasPrefix(name, "tree/modes/dir 2775/")
	}
	to := filepath.Join(dir, "to")
	var asked []string
	r, f, err := lay(t, to, extract.Options{Owners: true}, b, "home", func(name string) bool {
		asked = append(asked, name)
		return wanted(name)
	})
	if err != nil || len(f.all) > 0 || r.Entries != 2 || r.Files != 2 {
		t.Fatalf("%+v, %v\n%v", r, err, f)
	}
	if !slices.Contains(asked, "tree") || !slices.Contains(asked, "tree/a/empty") {
		t.Errorf("asked for %q", asked)
	}
	got, err := tree.List(to)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "home", "home/tree", "home/tree/a", "home/tree/a/d", "home/tree/a/d/d", "home/tree/a/d/d/file", "home/tree/modes", "home/tree/modes/dir 2775", "home/tree/modes/dir 2775/file"}
	if !slices.Equal(got, want) {
		t.Errorf("there is %q", got)
	}
	// Directories above what was selected are as the archive has them.
	for _, p := range want[2:] {
		p = strings.TrimPrefix(p, "home/")
		a, err1 := os.Lstat(filepath.Join(dir, p))
		b, err2 := os.Lstat(filepath.Join(to, "home", p))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if a.Mode() != b.Mode() || !a.ModTime().Equal(b.ModTime()) {
			t.Errorf("%q: %v %v, want %v %v", p, b.Mode(), b.ModTime(), a.Mode(), a.ModTime())
		}
	}
	// A directory that was there already, and was not selected, stays as it was.
	if err := os.Chmod(to+"/home/tree/a", 0o711); err != nil {
		t.Fatal(err)
	}
	lay(t, to, extract.Options{}, b, "home", func(name string) bool { return name == "tree/a/file" })
	if info, err := os.Stat(to + "/home/tree/a"); err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestLinkWithoutItsFile: the fault names the entry that has the content.
func TestLinkWithoutItsFile(t *testing.T) {
	b := made(t, folder("d"), reg("d/first"), hard("second", "d/first"))
	to := t.TempDir()
	r, f, err := lay(t, to, extract.Options{}, b, "home", func(name string) bool { return name == "second" })
	var missing *extract.LinkError
	if err != nil || r.Faults != 1 || len(f.all) != 1 || !errors.As(f.all[0].Err, &missing) || missing.Target != "d/first" || f.all[0].Path != "home/second" {
		t.Fatalf("%+v, %v\n%v", r, err, f)
	}
	// With a file that is another, though of that name, there is nothing to link to either.
	write(t, to+"/home/d/first", "other", 5)
	if _, f, err := lay(t, to, extract.Options{}, b, "home", nil); err != nil || len(f.all) != 2 || f.all[0].What != extract.Exists || !errors.As(f.all[1].Err, &missing) {
		t.Fatalf("%v\n%v", err, f)
	}
	if r, f, err := lay(t, to, extract.Options{Overwrite: extract.Always}, b, "home", nil); err != nil || len(f.all) > 0 {
		t.Fatalf("%+v, %v\n%v", r, err, f)
	}
	first, err1 := os.Stat(to + "/home/d/first")
	second, err2 := os.Stat(to + "/home/second")
	if err1 != nil || err2 != nil || !os.SameFile(first, second) {
		t.Error("they are two files")
	}
}

// TestConcurrent extracts the subtrees of a tree side by side, shells and all, into directories that they share.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "tree")
	if _, err := tree.Awkward(src, tree.TooDeep); err != nil {
		t.Fatal(err)
	}
	for _, depth := range []int{1, 2, 3} {
		w, err := walk.Open(src, walk.Options{Depth: depth})
		if err != nil {
			t.Fatal(err)
		}
		var cut []walk.Subtree
		if err := w.Cut(context.Background(), func(s walk.Subtree) error { cut = append(cut, s); return nil }, func(p string, err error) { t.Error(p, err) }, func(walk.Left) {}); err != nil {
			t.Fatal(err)
		}
		w.Close()
		to := filepath.Join(dir, fmt.Sprint(depth))
		f := &faults{}
		x := extract.New(extract.Options{Target: target(t, to), Owners: true, Report: f.report})
		var wg sync.WaitGroup
		slots := make(chan struct{}, 8)
		slices.Reverse(cut)
		for _, s := range cut {
			b := archived(t, src, depth, s)
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				place := filepath.Dir(filepath.Join("tree", s.Path))
				if _, err := x.Extract(context.Background(), bytes.NewReader(b), place, nil, extract.Limits{}, nil); err != nil {
					t.Errorf("%q: %v", s.Path, err)
				}
			})
		}
		wg.Wait()
		if err := x.Finish(); err != nil {
			t.Error(err)
		}
		if len(f.all) > 0 {
			t.Error(f)
		}
		same(t, src, to+"/tree", tree.DiffOptions{LinkScope: func(path string) string {
			parts := strings.Split(path, "/")
			return strings.Join(parts[:min(len(parts), depth)], "/")
		}})
	}
}

//go:build linux

package walk

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"firn/bench/tree"
	"firn/stages/format/exclude"
)

func scan(t tb, tr *Tree, s Subtree) Scan {
	t.Helper()
	sc, err := tr.Scan(context.Background(), s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return sc
}

// scanDir scans a whole directory.
func scanDir(t tb, dir string, o Options) Scan {
	t.Helper()
	tr := open(t, dir, o)
	defer closeTree(t, tr)
	return scan(t, tr, cut(t, tr)[0])
}

func TestFingerprintTellsEachChange(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "tree")
	for _, p := range []string{"a/b/c/file", "a/b/other", "a/file", "z/file", "z/y/.hidden"} {
		write(t, filepath.Join(dir, p), "content")
	}
	if err := os.Symlink("file", dir+"/a/link"); err != nil {
		t.Fatal(err)
	}
	file := dir + "/a/b/c/file"
	var before unix.Stat_t
	if err := unix.Stat(file, &before); err != nil {
		t.Fatal(err)
	}
	o := Options{Workers: 3, Now: later}
	last := scanDir(t, dir, o)
	if !last.Sound {
		t.Error("a settled tree is not sound")
	}
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"content, size and mtime as before", func() error {
			if err := os.WriteFile(file, []byte("CONTENT"), 0o644); err != nil {
				return err
			}
			return unix.UtimesNanoAt(unix.AT_FDCWD, file, []unix.Timespec{before.Atim, before.Mtim}, 0)
		}},
		{"size", func() error { return os.Truncate(file, 3) }},
		{"mtime by 1 ns", func() error {
			before.Mtim.Nsec ^= 1
			return unix.UtimesNanoAt(unix.AT_FDCWD, file, []unix.Timespec{before.Atim, before.Mtim}, 0)
		}},
		{"mode", func() error { return os.Chmod(file, 0o600) }},
		{"owner", func() error { return os.Chown(file, os.Getuid(), os.Getgid()) }},
		{"attribute", func() error { return unix.Setxattr(file, "user.x", []byte("y"), 0) }},
		{"new name for a file", func() error { return os.Rename(dir+"/a/b/other", dir+"/a/b/other2") }},
		{"new hard link outside", func() error { return os.Link(file, top+"/outside") }},
		{"new file", func() error { return os.WriteFile(dir+"/z/y/new", nil, 0o644) }},
		{"removed file", func() error { return os.Remove(dir + "/z/y/new") }},
		{"new directory", func() error { return os.Mkdir(dir+"/z/y/new", 0o755) }},
		{"target", func() error { return errors.Join(os.Remove(dir+"/a/link"), os.Symlink("elif", dir+"/a/link")) }},
		{"type", func() error { return errors.Join(os.Remove(dir+"/a/file"), os.Mkdir(dir+"/a/file", 0o755)) }},
		{"mode of a directory", func() error { return os.Chmod(dir+"/z", 0o700) }},
		{"mode of the top", func() error { return os.Chmod(dir, 0o700) }},
		{"directory moved", func() error { return os.Rename(dir+"/a/b", dir+"/z/b") }},
		{"hole", func() error {
			return errors.Join(os.WriteFile(dir+"/h", make([]byte, 1<<16), 0o644), os.Truncate(dir+"/h", 1<<17))
		}},
	} {
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		now := scanDir(t, dir, o)
		if now.Fingerprint == last.Fingerprint {
			t.Errorf("%s: the fingerprint is what it was", c.name)
		}
		last = now
	}
}

func TestFingerprintTellsNothingElse(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "tree")
	for _, p := range []string{"a/file", "a/skip.o", "cache/x", "tags/CACHEDIR.TAG", "tags/x", "left/x"} {
		write(t, filepath.Join(dir, p), "content")
	}
	write(t, dir+"/tags/CACHEDIR.TAG", cacheSignature+"\n")
	x := &exclude.List{}
	if err := errors.Join(x.Add("*.o"), x.Add("cache/x")); err != nil {
		t.Fatal(err)
	}
	o := Options{Workers: 2, Now: later, Exclude: x, ExcludeCaches: true, LeaveOut: []string{dir + "/left"}}
	first := scanDir(t, dir, o)
	if first.Entries != 6 || first.Files != 2 || first.Bytes != int64(len("content")+len(cacheSignature)+1) {
		t.Errorf("scanned %d entries, %d files, %d bytes", first.Entries, first.Files, first.Bytes)
	}
	read := func(p string) error { _, err := os.ReadFile(p); return err }
	for _, c := range []struct {
		name string
		do   func() error
		o    func(*Options)
	}{
		{"nothing", nil, nil},
		{"reading", func() error { return read(dir + "/a/file") }, nil},
		{"new atime", func() error { // atime alone, of a file: this sets ctime too, so it is one that is left out
			return unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/a/skip.o", []unix.Timespec{{Sec: 1}, {Nsec: unix.UTIME_OMIT}}, 0)
		}, nil},
		{"what patterns leave out", func() error { return os.WriteFile(dir+"/cache/x", []byte("other"), 0o600) }, nil},
		{"what a tag leaves out", func() error { return os.WriteFile(dir+"/tags/x", []byte("other"), 0o600) }, nil},
		{"what is left out", func() error { return os.WriteFile(dir+"/left/new", []byte("other"), 0o600) }, nil},
		{"beside the tree", func() error { return os.WriteFile(top+"/new", []byte("other"), 0o600) }, nil},
		{"prefix", nil, func(o *Options) { o.Prefix, o.Ext = "p", "tar.gz" }},
		{"workers", nil, func(o *Options) { o.Workers = 8 }},
		{"clock", nil, func(o *Options) { o.Now = nil }},
	} {
		if c.do != nil {
			if err := c.do(); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		o := o
		if c.o != nil {
			c.o(&o)
		}
		if now := scanDir(t, dir, o); now.Fingerprint != first.Fingerprint || now.Bytes != first.Bytes {
			t.Errorf("%s: the fingerprint is another", c.name)
		}
	}
}

// TestFingerprintHoldsEachField changes one field of lstat's answer at a time, which the kernel would not do.
func TestFingerprintHoldsEachField(t *testing.T) {
	var st unix.Stat_t
	if err := unix.Stat(t.TempDir(), &st); err != nil {
		t.Fatal(err)
	}
	tr := &Tree{o: Options{Now: later}}
	digest := func(name string, st unix.Stat_t, dev uint64) [32]byte {
		r := tr.newRecorder(-1, dev)
		r.add(name, 1, &st)
		return r.result().Fingerprint
	}
	dev := uint64(st.Dev)
	first := digest("a", st, dev)
	for name, change := range map[string]func(*unix.Stat_t){
		"mode": func(s *unix.Stat_t) { s.Mode ^= 1 }, "type": func(s *unix.Stat_t) { s.Mode ^= unix.S_IFREG },
		"uid": func(s *unix.Stat_t) { s.Uid++ }, "gid": func(s *unix.Stat_t) { s.Gid++ }, "size": func(s *unix.Stat_t) { s.Size++ },
		"mtime": func(s *unix.Stat_t) { s.Mtim.Sec++ }, "mtime ns": func(s *unix.Stat_t) { s.Mtim.Nsec ^= 1 },
		"ctime": func(s *unix.Stat_t) { s.Ctim.Sec++ }, "ctime ns": func(s *unix.Stat_t) { s.Ctim.Nsec ^= 1 },
		"ino": func(s *unix.Stat_t) { s.Ino++ }, "nlink": func(s *unix.Stat_t) { s.Nlink++ }, "rdev": func(s *unix.Stat_t) { s.Rdev++ },
		"another device than its directory": func(s *unix.Stat_t) { s.Dev++ },
	} {
		other := st
		change(&other)
		if digest("a", other, dev) == first {
			t.Errorf("%s is not in the fingerprint", name)
		}
	}
	if digest("b", st, dev) == first {
		t.Error("the name is not in the fingerprint")
	}
	st.Dev, st.Atim.Sec, st.Blocks, st.Blksize = st.Dev+7, 1, 99, 1
	if digest("a", st, dev+7) != first {
		t.Error("a device number given anew, atime, blocks or the block size is in the fingerprint")
	}
}

// syncFileSystem writes back what waits in memory for the file system of dir.
func syncFileSystem(t tb, dir string) {
	t.Helper()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		t.Fatalf("%v", err)
	}
}

func TestScanIsTheSameForAnyWorkers(t *testing.T) {
	dir := t.TempDir()
	if _, err := tree.Awkward(dir, tree.Unreadable); err != nil {
		t.Fatal(err)
	}
	// ext4 counts the block of a file's map only when it writes the file back: not in mid-test.
	syncFileSystem(t, dir)
	entries, files, bytes, err := tree.Size(dir)
	if err != nil {
		t.Fatal(err)
	}
	first := scanDir(t, dir, Options{Workers: 1, Now: later})
	if first.Entries != int64(entries) || first.Files != int64(files) || first.Bytes != bytes || !first.Sound {
		t.Errorf("scanned %+v, the tree has %d entries, %d files, %d bytes", first, entries, files, bytes)
	}
	for _, workers := range []int{1, 2, 8, 64} {
		for range 5 {
			if got := scanDir(t, dir, Options{Workers: workers, Now: later}); !reflect.DeepEqual(got, first) {
				t.Fatalf("%d workers: %+v, one: %+v", workers, got, first)
			}
		}
	}
	// Subtrees scanned at the same time share the workers.
	tr := open(t, dir, Options{Depth: 2, Workers: 3, Now: later})
	defer closeTree(t, tr)
	all := cut(t, tr)
	want := make([]Scan, len(all))
	for i, s := range all {
		want[i] = scan(t, tr, s)
	}
	done := make(chan bool)
	for range 3 {
		go func() {
			for i, s := range all {
				if got, err := tr.Scan(context.Background(), s); err != nil || !reflect.DeepEqual(got, want[i]) {
					t.Errorf("%q: %+v, %v; alone %+v", s.Path, got, err, want[i])
				}
			}
			done <- true
		}()
	}
	for range 3 {
		<-done
	}
}

func TestScanOfAnyTreeAgreesWithEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "scan")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		drawTree(t, dir)
		o := Options{Depth: rapid.IntRange(0, 3).Draw(t, "depth"), Workers: rapid.IntRange(1, 4).Draw(t, "workers")}
		tr := open(t, dir, o)
		defer closeTree(t, tr)
		seen := map[[32]byte]Subtree{}
		for _, s := range cut(t, tr) {
			sc := scan(t, tr, s)
			if n := len(entries(t, tr, s)); int64(n) != sc.Entries {
				t.Errorf("%q: Entries gives %d entries, Scan counts %d", s.Path, n, sc.Entries)
			}
			if other, ok := seen[sc.Fingerprint]; ok {
				t.Errorf("%q and %q have the same fingerprint", s.Path, other.Path)
			}
			seen[sc.Fingerprint] = s
		}
	})
}

func TestSound(t *testing.T) {
	dir := t.TempDir()
	p := dir + "/d/file"
	write(t, p, "x")
	var st unix.Stat_t
	if err := unix.Stat(p, &st); err != nil {
		t.Fatal(err)
	}
	changed := time.Unix(st.Ctim.Unix())
	set := func(mtime time.Time) {
		if err := os.Chtimes(p, time.Time{}, mtime); err != nil {
			t.Fatal(err)
		}
		if err := unix.Stat(p, &st); err != nil {
			t.Fatal(err)
		}
		changed = time.Unix(st.Ctim.Unix())
	}
	check := func(what string, now time.Time, want bool) {
		t.Helper()
		if got := scanDir(t, dir, Options{Now: func() time.Time { return now }}).Sound; got != want {
			t.Errorf("%s: Sound is %v", what, got)
		}
	}
	old := time.Unix(1_000_000_000, 5)
	set(old)
	check("at the time of change", changed, false)
	check("within a tick", changed.Add(margin-1), false)
	check("after a tick", changed.Add(margin), true)
	check("changed in the future", changed.Add(-time.Hour), false)
	modified := changed.Add(24 * time.Hour)
	set(modified)
	check("modified in the future, by hand", changed.Add(margin), true)
	check("modified just then, changed long ago", modified, false)

	// What a file system without fractions of a second would say.
	st.Ctim.Nsec, st.Mtim = 0, unix.Timespec{}
	for after, want := range map[time.Duration]bool{0: false, margin: false, coarseMargin - 1: false, coarseMargin: true} {
		if got := settled(time.Unix(st.Ctim.Unix()).Add(after), &st); got != want {
			t.Errorf("%v after a change in a whole second: settled is %v", after, got)
		}
	}
}

func TestScanFails(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a/b/c", "x")
	tr := open(t, dir, Options{Depth: 2})
	defer closeTree(t, tr)
	s := tr.subtree("a/b", false)
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := tr.Scan(ctx, s); err != stop {
		t.Errorf("cancelled: %v", err)
	}
	if err := tr.Entries(ctx, s, func(*Entry) error { return nil }, noFault(t)); err != stop {
		t.Errorf("cancelled: %v", err)
	}
	if err := os.RemoveAll(dir + "/a"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := tr.Scan(context.Background(), s); !errors.Is(err, ErrVanished) {
			t.Errorf("scanning what is gone: %v", err)
		}
		if err := tr.Entries(context.Background(), s, func(*Entry) error { return nil }, noFault(t)); !errors.Is(err, ErrVanished) {
			t.Errorf("streaming what is gone: %v", err)
		}
		if err := os.MkdirAll(dir+"/a", 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestScanKeepsFewFilesOpen(t *testing.T) {
	dir := t.TempDir()
	if err := tree.Deep(dir+"/1", 2500, 3); err != nil {
		t.Fatal(err)
	}
	if err := tree.Deep(dir+"/2", 100, 250); err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	var most atomic.Int64
	now := func() time.Time {
		n := int64(openFiles(t))
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return later()
	}
	got := scanDir(t, dir, Options{Workers: 2, Now: now})
	if !got.Sound || got.Files != 2 || got.Entries != 2605 {
		t.Errorf("scanned %+v", got)
	}
	// Counting takes a descriptor itself; three walks may be under way.
	if n := int(most.Load()) - before; n > 3*(maxOpen+4) {
		t.Errorf("%d files were open at a time", n)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

// TestTarBound compares the bound with what GNU tar makes of the tree.
func TestTarBound(t *testing.T) {
	dir := t.TempDir()
	awkward, sparse := filepath.Join(dir, "awkward"), filepath.Join(dir, "sparse")
	if _, err := tree.Awkward(awkward, tree.Unreadable, tree.Sockets); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"sparse": 1 << 30, "odd": 1<<30 + 1} {
		write(t, sparse+"/small", "x")
		if err := tree.Sparse(filepath.Join(sparse, name), size); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{awkward, sparse} {
		cmd := exec.Command("tar", "-C", dir, "--format=posix", "--sparse", "--xattrs", "--xattrs-include=*", "--acls", "-cf", "-", filepath.Base(d))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("tar: %v", err)
		}
		bound := scanDir(t, d, Options{}).TarBound
		t.Logf("%s: %d bytes, bound %d", filepath.Base(d), len(out), bound)
		if bound < int64(len(out)) || bound > 2*int64(len(out)) && blocksTellHolesIn(t, d) {
			t.Errorf("%s: the tar has %d bytes, the bound is %d", filepath.Base(d), len(out), bound)
		}
	}
}

func blocksTellHolesIn(t *testing.T, dir string) bool {
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	return blocksShowHoles(int(d.Fd()))
}

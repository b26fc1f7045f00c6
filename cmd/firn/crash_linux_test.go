package main_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"firn/bench/tree"
)

// TestPowerCut restores to an ext4 on a loop device and takes copies of its image, as a power cut at
// that moment would leave it: at random moments of the restore, and after its success. In each, every
// file of its own name, size and time has its content, and the same command completes the tree. After
// success, everything is there.
func TestPowerCut(t *testing.T) {
	switch _, err := os.Stat("/dev/loop-control"); {
	case os.Getenv("FIRN_LONG") == "":
		t.Skip("a long test: FIRN_LONG=1 runs it")
	case os.Geteuid() != 0 || err != nil:
		t.Skip("it needs root and loop devices")
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	firn := in("firn")
	command(t, "go", "build", "-o", firn, ".")
	src := in("src")
	crashTree(t, src)
	store, key := "file://"+in("store"), in("key")
	if err := os.WriteFile(key, []byte("a passphrase that is long enough\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, firn, "backup", "--backup-path", src, "--cache-path", in("cache"), "--bucket-name", store, "--depth", "1", "--keyfile", key)
	restore := func(to string) *exec.Cmd {
		return exec.Command(firn, "restore", "--target", filepath.Join(to, "to"), "--cache-path", in("cache of "+filepath.Base(to)), "--bucket-name", store, "--keyfile", key)
	}

	image, disk := in("image"), in("disk")
	command(t, "truncate", "-s", "400M", image)
	command(t, "mkfs.ext4", "-q", image)
	mount(t, image, disk)
	begun := time.Now()
	run(t, restore(disk))
	whole := time.Since(begun)
	clear := func() {
		t.Helper()
		if err := os.RemoveAll(disk + "/to"); err != nil {
			t.Fatal(err)
		}
	}

	cut := func(when string, complete bool, end func()) {
		t.Helper()
		copied, there := in("copied"), in("there")
		copyOfDisk(t, image, copied)
		end()
		umount := mount(t, copied, there)
		defer umount()
		to := filepath.Join(there, "to")
		var wrong []string
		files := 0
		err := filepath.WalkDir(src, func(p string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			want, _ := e.Info()
			got, err := os.Lstat(to + p)
			if err != nil || got.Size() != want.Size() || !got.ModTime().Equal(want.ModTime()) {
				return nil
			}
			files++
			a, _ := os.ReadFile(p)
			if b, err := os.ReadFile(to + p); err != nil || !bytes.Equal(a, b) {
				wrong = append(wrong, p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(wrong) > 0 {
			t.Errorf("%s: of %d files in place, %d have not their content, such as %s", when, files, len(wrong), wrong[0])
		}
		t.Logf("%s: %d files in place", when, files)
		compare := func(why string) {
			t.Helper()
			diff, err := tree.Diff(src, to+src, tree.DiffOptions{})
			if err != nil || len(diff) > 0 {
				t.Errorf("%s: %s: %v, %d differences, such as %q", when, why, err, len(diff), append(diff, "")[0])
			}
		}
		if complete {
			compare("after success")
		}
		run(t, restore(there))
		compare("after the same command")
	}
	for i := range 6 {
		clear()
		c := restore(disk)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		end := sync.OnceFunc(func() { _, _ = c.Process.Kill(), c.Wait() })
		t.Cleanup(end)
		time.Sleep(whole/10 + rand.N(whole*8/10))
		_ = c.Process.Signal(syscall.SIGSTOP)
		cut(fmt.Sprint("during restore ", i), false, end)
	}
	clear()
	run(t, restore(disk))
	cut("after the restore", true, func() {})
}

// crashTree makes small files, some with holes, links, and large files.
func crashTree(t *testing.T, dir string) {
	t.Helper()
	rng := rand.NewChaCha8([32]byte{1})
	small := func(most uint64) []byte {
		b := make([]byte, rng.Uint64()%most)
		_, _ = rng.Read(b)
		return b
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for d := range 40 {
		at := filepath.Join(dir, fmt.Sprint("dir", d))
		check(os.MkdirAll(at, 0o755))
		for f := range 50 {
			check(os.WriteFile(filepath.Join(at, fmt.Sprint("file", f)), small(30<<10), 0o644))
		}
		check(os.Link(filepath.Join(at, "file7"), filepath.Join(at, "link")))
		check(os.Symlink("file7", filepath.Join(at, "symlink")))
		holes, err := os.Create(filepath.Join(at, "holes"))
		check(err)
		for i := range 3 {
			_, err = holes.WriteAt(small(20<<10), int64(i)<<20)
			check(err)
		}
		check(holes.Truncate(4 << 20))
		check(holes.Close())
	}
	for i := range 3 {
		check(os.WriteFile(filepath.Join(dir, fmt.Sprint("dir", i), "large"), bytes.Repeat(small(1<<10), 30<<10), 0o600))
	}
}

// copyOfDisk copies a file that a loop device shows, as it is at one moment after the file system
// has written its journal: nothing is written to the device meanwhile. What the file system has not
// written yet is not in it.
func copyOfDisk(t *testing.T, image, to string) {
	t.Helper()
	device := strings.TrimSpace(command(t, "losetup", "-n", "-O", "NAME", "-j", image))
	counters := func() string {
		b, err := os.ReadFile("/sys/block/" + filepath.Base(device) + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		f := strings.Fields(string(b)) // Documentation/block/stat.rst
		return fmt.Sprint("written ", f[4:8], " in flight ", f[8])
	}
	for range 100 {
		time.Sleep(2 * time.Second) // commits are a second apart
		before := counters()
		command(t, "cp", "--sparse=always", image, to)
		if counters() == before && strings.HasSuffix(before, " 0") {
			return
		}
	}
	t.Fatal("the file system writes all the time")
}

func mount(t *testing.T, image, at string) (umount func()) {
	t.Helper()
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, "mount", "-o", "loop,commit=1", image, at)
	mounted := true
	umount = func() {
		if mounted {
			mounted = false
			command(t, "umount", at)
		}
	}
	t.Cleanup(umount)
	return umount
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	return run(t, exec.Command(name, args...))
}

func run(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		said := stderr.Bytes()
		t.Fatalf("%q: %v\n%s", c.Args, err, said[max(len(said)-1000, 0):])
	}
	return stdout.String()
}

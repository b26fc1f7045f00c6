package dir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firn/pipeline"
	"firn/stages/store"
	"firn/stages/store/dir"
	"firn/stages/store/storetest"
)

func contextOfWriter() context.Context { return context.Background() }

func open(t testing.TB) store.Store {
	t.Helper()
	s, _ := openRoot(t)
	return s
}

func openRoot(t testing.TB) (*dir.Store, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "store")
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return s, root
}

// files are the plain files below a folder, by their paths from it.
func files(t testing.TB, root string) []string {
	t.Helper()
	found := []string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			rel, _ := filepath.Rel(root, path)
			found = append(found, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestStore(t *testing.T) { storetest.Run(t, open) }

func TestResume(t *testing.T) {
	storetest.RunResume(t, func(t testing.TB) (first, next store.Store) {
		opened, root := openRoot(t)
		again, err := dir.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		return opened, again
	})
}

func TestOddKeys(t *testing.T) { storetest.RunKeys(t, open(t), storetest.OddKeys()) }

// TestPlain: a human finds the object where its key says, readable by this user alone.
func TestPlain(t *testing.T) {
	s, root := openRoot(t)
	body := storetest.Bytes("plain", 1000)
	storetest.Put(t, s, "home/me/dir/x.tar.gz", body, store.PutOptions{Meta: map[string]string{"md5": "m"}})
	got, err := os.ReadFile(filepath.Join(root, "home/me/dir/x.tar.gz"))
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if want := fs.FileMode(0o600); err == nil && e.Type().IsRegular() && info.Mode() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if want := fs.ModeDir | 0o700; err == nil && e.IsDir() && info.Mode() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestStays: an object at an odd place stays there when its plain place becomes free, and is not
// there twice.
func TestStays(t *testing.T) {
	s, root := openRoot(t)
	storetest.Put(t, s, "a/b", []byte("b"), store.PutOptions{})
	storetest.Put(t, s, "a", []byte("first"), store.PutOptions{}) // the plain place is a folder
	if err := os.RemoveAll(filepath.Join(root, "a")); err != nil {
		t.Fatal(err)
	}
	storetest.MustHold(t, s, "a", []byte("first"), store.PutOptions{})
	storetest.Put(t, s, "a", []byte("second"), store.PutOptions{})
	storetest.MustHold(t, s, "a", []byte("second"), store.PutOptions{})
	if keys := storetest.Keys(t, s, ""); !slices.Equal(keys, []string{"a"}) {
		t.Errorf("listed: %q", keys)
	}
}

// TestFoldedNames: on a file system that takes Key and key for one name, neither object takes the
// other's place.
func TestFoldedNames(t *testing.T) {
	s, root := openRoot(t)
	storetest.Put(t, s, "Key", []byte("upper"), store.PutOptions{})
	for _, name := range []string{"Key", ".Key.firn-meta"} { // as such a file system would show them for key
		if err := os.Rename(filepath.Join(root, name), filepath.Join(root, strings.ToLower(name))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Head(t.Context(), "key", ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the object of another key is found: %v", err)
	}
	storetest.Put(t, s, "key", []byte("lower"), store.PutOptions{})
	storetest.MustHold(t, s, "key", []byte("lower"), store.PutOptions{})
	if got, _ := os.ReadFile(filepath.Join(root, "key")); string(got) != "upper" {
		t.Errorf("the object of another key has become %q", got)
	}
	if keys := storetest.Keys(t, s, ""); !slices.Equal(keys, []string{"Key", "key"}) {
		t.Errorf("listed: %q", keys)
	}
}

// TestDamaged: what a crash, a copying tool or a human can do to the files.
func TestDamaged(t *testing.T) {
	old, new := storetest.Bytes("old", 5000), storetest.Bytes("new", 5000)
	oldOptions := store.PutOptions{Meta: map[string]string{"md5": "old"}}
	newOptions := store.PutOptions{Meta: map[string]string{"md5": "new"}, Class: "GLACIER"}
	for name, tt := range map[string]struct {
		damage func(t *testing.T, data, meta string)
		body   []byte
		o      store.PutOptions
		bare   bool // the bytes are there, but nothing is known of them
	}{
		"nothing": {func(*testing.T, string, string) {}, new, newOptions, false},
		"crash before the new file was in place": {func(t *testing.T, data, _ string) {
			info, err := os.Stat(data + ".old")
			must(t, errors.Join(err, os.WriteFile(data, old, 0o600), os.Chtimes(data, time.Time{}, info.ModTime())))
		}, old, oldOptions, false},
		"copied without times": {func(t *testing.T, data, _ string) {
			must(t, os.Chtimes(data, time.Time{}, time.Unix(1e9, 5)))
		}, new, newOptions, false},
		"old file, copied without times": {func(t *testing.T, data, _ string) {
			must(t, os.WriteFile(data, old, 0o600))
		}, old, oldOptions, false},
		"description lost":      {func(t *testing.T, _, meta string) { must(t, os.Remove(meta)) }, new, store.PutOptions{}, true},
		"description cut off":   {func(t *testing.T, _, meta string) { must(t, os.Truncate(meta, 40)) }, new, store.PutOptions{}, true},
		"description empty":     {func(t *testing.T, _, meta string) { must(t, os.Truncate(meta, 0)) }, new, store.PutOptions{}, true},
		"description of later":  {func(t *testing.T, _, meta string) { must(t, os.WriteFile(meta, []byte(`{"version":2}`), 0o600)) }, new, store.PutOptions{}, true},
		"bytes changed":         {func(t *testing.T, data, _ string) { must(t, os.WriteFile(data, new[1:], 0o600)) }, new[1:], store.PutOptions{}, true},
		"bytes of another size": {func(t *testing.T, data, _ string) { must(t, os.Truncate(data, 100)) }, new[:100], store.PutOptions{}, true},
		"one bit flipped": {func(t *testing.T, data, _ string) {
			flipped := slices.Clone(new)
			flipped[77] ^= 1
			must(t, os.WriteFile(data, flipped, 0o600))
		}, nil, store.PutOptions{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, root := openRoot(t)
			data := filepath.Join(root, "home/x")
			storetest.Put(t, s, "home/x", old, oldOptions)
			must(t, os.Link(data, data+".old")) // keeps the old file's time
			storetest.Put(t, s, "home/x", new, newOptions)
			tt.damage(t, data, filepath.Join(root, "home/.x.firn-meta"))
			must(t, os.Remove(data+".old"))
			if !tt.bare {
				storetest.MustHold(t, s, "home/x", tt.body, tt.o)
				storetest.MustHold(t, s, "home/x", tt.body, tt.o) // and again, by the mended time
			} else {
				head, err := s.Head(t.Context(), "home/x", "")
				if err != nil || len(head.Meta) != 0 || head.HasCRC32C || head.ETag != "" {
					t.Errorf("%+v, %v", head, err)
				}
				if got := storetest.Read(t, s, "home/x", store.GetOptions{}); tt.body != nil && !bytes.Equal(got, tt.body) {
					t.Error("other bytes are read")
				}
			}
			storetest.Put(t, s, "home/x", []byte("next"), oldOptions)
			storetest.MustHold(t, s, "home/x", []byte("next"), oldOptions)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestForeign: files that firn did not write are objects without metadata; what is no plain file is
// none.
func TestForeign(t *testing.T) {
	s, root := openRoot(t)
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	must(t, os.MkdirAll(filepath.Join(root, "home"), 0o700))
	must(t, os.WriteFile(filepath.Join(root, "home/x.tar"), []byte("by hand"), 0o600))
	must(t, os.WriteFile(filepath.Join(root, "home/not UTF-8 \xff"), nil, 0o600))
	must(t, os.Symlink(outside, filepath.Join(root, "link")))
	must(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(root, "home/link")))
	if keys := storetest.Keys(t, s, ""); !slices.Equal(keys, []string{"home/x.tar"}) {
		t.Errorf("listed: %q", keys)
	}
	if got := storetest.Read(t, s, "home/x.tar", store.GetOptions{}); string(got) != "by hand" {
		t.Errorf("%q", got)
	}
	for _, key := range []string{"link/secret", "home/link", "home"} {
		if _, err := s.Head(t.Context(), key, ""); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", key, err)
		}
		storetest.Put(t, s, key, []byte(key), store.PutOptions{})
		storetest.MustHold(t, s, key, []byte(key), store.PutOptions{})
	}
	if got, err := os.ReadFile(filepath.Join(outside, "secret")); string(got) != "secret" {
		t.Errorf("a file outside has become %q, %v", got, err)
	}
	if left := files(t, outside); len(left) != 1 {
		t.Errorf("outside there are %q", left)
	}
}

// TestDescriptionFirst: where the description can't be put in place, the file isn't either.
func TestDescriptionFirst(t *testing.T) {
	s, root := openRoot(t)
	must(t, os.MkdirAll(filepath.Join(root, "home/.x.firn-meta/full"), 0o700))
	storetest.Put(t, s, "home/x", []byte("new"), store.PutOptions{})
	storetest.MustHold(t, s, "home/x", []byte("new"), store.PutOptions{})
	if _, err := os.Lstat(filepath.Join(root, "home/x")); err == nil {
		t.Error("the file came before its description")
	}
}

// TestTwoProcesses: two stores over one directory, which share nothing but the disk.
func TestTwoProcesses(t *testing.T) {
	a, root := openRoot(t)
	b, err := dir.Open("file://" + root)
	must(t, err)
	var wg sync.WaitGroup
	for i, s := range []store.Store{a, b, a, b} {
		wg.Go(func() {
			for n := range 40 {
				body := storetest.Bytes(fmt.Sprint(i, n), 1000) // of one size, within one second
				o := store.PutOptions{CRC32C: store.CRC32C(body), Meta: map[string]string{"md5": fmt.Sprintf("%d-%d", i, n)}}
				if _, err := s.Put(t.Context(), "k", body, o); err != nil {
					t.Error(err)
				}
				head, err := s.Head(t.Context(), "k", "")
				if err != nil || head.Meta["md5"] == "" {
					t.Errorf("while others write: %+v, %v", head, err)
				}
			}
		})
	}
	wg.Wait()
	head, err := a.Head(t.Context(), "k", "")
	must(t, err)
	var i, n int
	_, err = fmt.Sscanf(head.Meta["md5"], "%d-%d", &i, &n)
	must(t, err)
	storetest.MustHold(t, b, "k", storetest.Bytes(fmt.Sprint(i, n), 1000), store.PutOptions{Meta: head.Meta})
}

func TestOpen(t *testing.T) {
	for location, want := range map[string]string{
		"/x/y": "file:///x/y", "/x//y/../z/": "file:///x/z", "file:///x/y": "file:///x/y", "file:/x": "file:///x", "file://localhost/x": "file:///x",
		"file:///a%20b%25": "file:///a%20b%25", "/a b": "file:///a%20b", "file:///x/%3Fy": "file:///x/%3Fy",
	} {
		if s, err := dir.Open(location); err != nil || s.URL() != want {
			t.Errorf("%q: %v, %v", location, s, err)
		}
	}
	for _, location := range []string{"", "file:", "file://", "file://host/x", "file:x/y", "file:///x%zz", "file:///x?y", "file:///x#y", "file:///x?", "a\x00b", "file:///", "/x/.."} {
		if s, err := dir.Open(location); err == nil {
			t.Errorf("%q is %s", location, s.URL())
		}
	}
}

func TestCheck(t *testing.T) {
	tmp := t.TempDir()
	must(t, os.WriteFile(filepath.Join(tmp, "file"), nil, 0o600))
	must(t, os.Mkdir(filepath.Join(tmp, "there"), 0o700))
	for path, want := range map[string]string{
		"there": "", "new": "", "file": "is a file", "file/below": "there is no directory", "missing/parent": "there is no directory",
	} {
		s, err := dir.Open(filepath.Join(tmp, path))
		must(t, err)
		err = s.Check(t.Context(), store.ToWrite)
		if (err == nil) != (want == "") || err != nil && (!pipeline.IsFatal(err) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", path, err)
		}
		if want == "" {
			continue
		}
		if _, err := s.Put(t.Context(), "k", nil, store.PutOptions{}); !pipeline.IsFatal(err) {
			t.Errorf("%s: put: %v", path, err)
		}
	}
	if _, err := os.Stat(filepath.Join(tmp, "new")); err == nil {
		t.Error("Check has made the store")
	}
	for path, want := range map[string]string{"there": "", "new": "there is no store", "file": "is a file"} {
		s, err := dir.Open(filepath.Join(tmp, path))
		must(t, err)
		err = s.Check(t.Context(), store.ToRead)
		if (err == nil) != (want == "") || err != nil && (!pipeline.IsFatal(err) || !strings.Contains(err.Error(), want)) {
			t.Errorf("to read %s: %v", path, err)
		}
	}
}

// TestGone: a store whose disk is unmounted in mid-run stops the run, and is not made anew below
// the mount point.
func TestGone(t *testing.T) {
	s, root := openRoot(t)
	storetest.Put(t, s, "k", nil, store.PutOptions{})
	must(t, os.RemoveAll(root))
	if _, err := s.Put(t.Context(), "k", nil, store.PutOptions{}); !pipeline.IsFatal(err) || !strings.Contains(err.Error(), "mount") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(root); err == nil {
		t.Error("it was made anew")
	}
}

// TestReadCut: a file that loses its end while it is read is not taken for whole.
func TestReadCut(t *testing.T) {
	s, root := openRoot(t)
	storetest.Put(t, s, "k", make([]byte, 10_000), store.PutOptions{})
	r, err := s.Get(t.Context(), "k", store.GetOptions{})
	must(t, err)
	defer r.Close()
	must(t, os.Truncate(filepath.Join(root, "k"), 5000))
	if n, err := io.Copy(io.Discard, r); err != io.ErrUnexpectedEOF || n != 5000 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20, 32 << 20} {
		b.Run(fmt.Sprintf("size=%dKiB", size>>10), func(b *testing.B) {
			s := open(b)
			body := storetest.Bytes("bench", size)
			o := store.PutOptions{CRC32C: store.CRC32C(body), Meta: map[string]string{"md5": "x"}}
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				if _, err := s.Put(b.Context(), fmt.Sprint("home/", i%20), body, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPart(b *testing.B) {
	const size = 16 << 20
	s := open(b)
	body := storetest.Bytes("bench", size)
	crc := store.CRC32C(body)
	u, err := s.CreateUpload(b.Context(), "home/big", store.PutOptions{PartSize: size})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for i := 0; b.Loop(); i++ {
		if _, err := u.Part(b.Context(), 1+i%16, body, crc); err != nil {
			b.Fatal(err)
		}
	}
	if err := u.Abort(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// TestMoved: a file that was moved or copied with its description is not the object that the
// description names, and no other: Head and List agree.
func TestMoved(t *testing.T) {
	s, root := openRoot(t)
	for _, key := range []string{"a/moved", "a/copied", "a/renamed"} {
		storetest.Put(t, s, key, []byte(key), store.PutOptions{})
	}
	if err := os.Mkdir(filepath.Join(root, "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, names := range [][2]string{{"a/moved", "b/moved"}, {"a/.moved.firn-meta", "b/.moved.firn-meta"}, {"a/renamed", "a/other"}, {"a/.renamed.firn-meta", "a/.other.firn-meta"}} {
		if err := os.Rename(filepath.Join(root, names[0]), filepath.Join(root, names[1])); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"copied", ".copied.firn-meta"} {
		if out, err := exec.Command("cp", "-p", filepath.Join(root, "a", name), filepath.Join(root, "b")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	var listed []string
	err := s.List(t.Context(), "", func(o store.Object) error {
		listed = append(listed, o.Key)
		return nil
	})
	if err != nil || !slices.Equal(listed, []string{"a/copied"}) {
		t.Errorf("listed: %q, %v", listed, err)
	}
	for _, key := range []string{"a/moved", "b/moved", "a/renamed", "a/other", "b/copied"} {
		if _, err := s.Head(t.Context(), key, ""); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

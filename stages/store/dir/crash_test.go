package dir_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firn/stages/store"
	"firn/stages/store/dir"
	"firn/stages/store/storetest"
)

const writerEnv = "FIRN_TEST_DIR_WRITER"

func TestMain(m *testing.M) {
	if root := os.Getenv(writerEnv); root != "" {
		writeForEver(root)
	}
	if root := os.Getenv(uploaderEnv); root != "" {
		uploadForEver(root)
	}
	os.Exit(m.Run())
}

var crashKeys = []string{"home/a.tar.gz", "home/a.tar.gz/b.tar.gz", "new/" + strings.Repeat("long", 70)}

func version(key string, n int) []byte { return storetest.Bytes(fmt.Sprint(key, n), 40_000) }

// writeForEver replaces the keys by ever newer versions, by Put and by uploads in turn, and tells
// of each that is saved.
func writeForEver(root string) {
	s, err := dir.Open(root)
	for n := 1; err == nil; n++ {
		for _, key := range crashKeys {
			if err = writeVersion(s, key, n); err != nil {
				break
			}
			fmt.Println(n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func writeVersion(s store.Store, key string, n int) error {
	ctx, body := contextOfWriter(), version(key, n)
	o := store.PutOptions{Meta: map[string]string{"md5": fmt.Sprint(n)}, CRC32C: store.CRC32C(body), PartSize: 25_000}
	if n%2 == 0 {
		_, err := s.Put(ctx, key, body, o)
		return err
	}
	u, err := s.CreateUpload(ctx, key, o)
	if err != nil {
		return err
	}
	var parts []store.Part
	for i, b := range [][]byte{body[:25_000], body[25_000:]} {
		p, err := u.Part(ctx, i+1, b, store.CRC32C(b))
		if err != nil {
			return err
		}
		parts = append(parts, p)
	}
	_, err = u.Complete(ctx, parts, o.CRC32C)
	return err
}

// TestKilled kills a writer at many moments: what is there is whole, described rightly, and not
// older than what was said to be saved; the next writer is not hindered, and the leftovers are
// found and dropped.
func TestKilled(t *testing.T) {
	root := t.TempDir() + "/store"
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 25 {
		saved := runWriter(t, root, 1+round)
		objects := 0
		err := s.List(t.Context(), "", func(o store.Object) error {
			objects++
			head, err := s.Head(t.Context(), o.Key, "")
			if err != nil {
				return err
			}
			var n int
			if _, err := fmt.Sscan(head.Meta["md5"], &n); err != nil {
				return fmt.Errorf("round %d: %s has metadata %v: %w", round, o.Key, head.Meta, err)
			}
			if got := storetest.Read(t, s, o.Key, store.GetOptions{}); !bytes.Equal(got, version(o.Key, n)) {
				t.Errorf("round %d: %s is not version %d", round, o.Key, n)
			}
			if o.Key == crashKeys[0] && n < saved {
				t.Errorf("round %d: %s is version %d, %d was saved", round, o.Key, n, saved)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if saved > 0 && objects == 0 {
			t.Errorf("round %d: nothing is there", round)
		}
		dropUploads(t, s)
	}
	// A kill in the moment before a file says what it is to become leaves one that is found when it
	// is old enough.
	uploads := filepath.Join(root, ".firn-store/uploads")
	long := time.Now().Add(-24 * time.Hour)
	for _, name := range files(t, uploads) {
		info, err := os.Stat(filepath.Join(uploads, name))
		if err != nil || info.Size() != 0 {
			t.Errorf("left behind: %s, %v", name, err)
		}
		must(t, os.Chtimes(filepath.Join(uploads, name), long, long))
	}
	dropUploads(t, s)
	if left := files(t, uploads); len(left) != 0 {
		t.Errorf("left behind for ever: %q", left)
	}
}

// runWriter lets a writer save so many objects, kills it, and returns the last version of the first
// key it has saved.
func runWriter(t *testing.T, root string, objects int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerEnv+"="+root)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	saved := 0
	for i := 0; i < objects && lines.Scan(); i++ {
		if i%len(crashKeys) == 0 {
			if _, err := fmt.Sscan(lines.Text(), &saved); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	return saved
}

func dropUploads(t *testing.T, s store.Store) {
	t.Helper()
	err := s.Uploads(t.Context(), "", func(p store.PendingUpload) error { return s.AbortUpload(t.Context(), p.Key, p.ID) })
	if err != nil {
		t.Error(err)
	}
}

package stagestest

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
	"testing"

	"golang.org/x/sync/errgroup"

	"firn/bench/tree"
	"firn/stages/format/key"
	"firn/stages/store"
	"firn/stages/store/dir"
)

// Root is the directory of the store.
func (r *Rig) Root() string { return strings.TrimPrefix(r.Store.URL(), "file://") }

// KeyOf is the key of a subtree that was saved as tar.gz. It holds for names that a key need not
// escape.
func (r *Rig) KeyOf(name string) string {
	return strings.TrimPrefix(filepath.Join(r.Tree, name), "/") + ".tar.gz"
}

// Keys are the keys in the store, each with its ETag, as "key etag".
func (r *Rig) Keys() (keys []string) {
	r.T.Helper()
	r.Must(r.Store.List(context.Background(), "", func(o store.Object) error {
		keys = append(keys, o.Key+" "+o.ETag)
		return nil
	}))
	return keys
}

// Objects are the archives in the store, by key.
func (r *Rig) Objects() map[string]store.Object {
	r.T.Helper()
	found := map[string]store.Object{}
	r.Must(r.Store.List(context.Background(), "", func(o store.Object) error {
		if !strings.Contains(path.Base(o.Key), ".tar.") {
			return nil // the catalogue, and what explains the bucket
		}
		head, err := r.Store.Head(context.Background(), o.Key, "")
		found[o.Key] = head
		return err
	}))
	return found
}

// UnfinishedUploads counts the unfinished uploads in the store.
func (r *Rig) UnfinishedUploads() (n int) {
	r.T.Helper()
	r.Must(r.Store.Uploads(context.Background(), "", func(store.PendingUpload) error { n++; return nil }))
	return n
}

// ReadObject returns the bytes of an object.
func (r *Rig) ReadObject(key string) []byte {
	r.T.Helper()
	body, err := r.Store.Get(context.Background(), key, store.GetOptions{})
	r.Must(err)
	b, err := io.ReadAll(body)
	r.Must(errors.Join(err, body.Close()))
	return b
}

// PutObject stores an object.
func (r *Rig) PutObject(key string, body []byte, meta map[string]string) {
	r.T.Helper()
	_, err := r.Store.Put(context.Background(), key, body, store.PutOptions{Meta: meta, CRC32C: store.CRC32C(body)})
	r.Must(err)
}

// Replace stores an object again with its own metadata and the changed bytes of the object from.
func (r *Rig) Replace(key string, change func([]byte) []byte, from string) {
	r.T.Helper()
	head, err := r.Store.Head(context.Background(), key, "")
	r.Must(err)
	r.PutObject(key, change(r.ReadObject(from)), head.Meta)
}

// Swap stores the bytes and the metadata of one subtree's archive under the key of another.
func (r *Rig) Swap(to, from string) {
	r.T.Helper()
	head, err := r.Store.Head(context.Background(), r.KeyOf(from), "")
	r.Must(err)
	r.PutObject(r.KeyOf(to), r.ReadObject(r.KeyOf(from)), head.Meta)
}

// Copy is a rig over a copy of the directory store, which can be spoiled. The tree, the key file
// and the cache path are the same.
func (r *Rig) Copy(t testing.TB) *Rig {
	t.Helper()
	again := *r
	again.T = t
	to := filepath.Join(t.TempDir(), "store")
	again.Command(exec.Command("cp", "-a", r.Root(), to))
	s, err := dir.Open(to)
	again.Must(err)
	again.Store = s
	return &again
}

// ForgetCatalogue deletes the catalogue from a directory store.
func (r *Rig) ForgetCatalogue() {
	r.T.Helper()
	r.Must(os.RemoveAll(filepath.Join(r.Root(), ".firn")))
}

// ForgetState deletes the state file.
func (r *Rig) ForgetState() {
	r.T.Helper()
	r.Must(os.Remove(filepath.Join(r.Cache, "firn-state.db")))
}

// ForgetAll deletes what says which objects were stored, so that the next backup asks a directory
// store for each.
func (r *Rig) ForgetAll() {
	r.T.Helper()
	r.ForgetState()
	r.ForgetCatalogue()
}

// CheckArchives compares the tree with the union of all archives, as Extract unpacks them.
func (r *Rig) CheckArchives() {
	r.T.Helper()
	r.Diff(r.Tree, filepath.Join(r.Extract(), r.Tree), tree.DiffOptions{})
}

// Extract opens every archive with openssl and tar alone, checks its MD5, and unpacks them all
// below a new directory, each at its own path.
func (r *Rig) Extract() string {
	r.T.Helper()
	into, scratch := r.T.TempDir(), r.T.TempDir()
	levels := map[int][]store.Object{}
	for _, o := range r.Objects() {
		n := strings.Count(o.Key, "/")
		levels[n] = append(levels[n], o)
	}
	// A directory's own archive comes last: what is unpacked below the directory changes its time.
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(levels))) {
		var g errgroup.Group
		g.SetLimit(4)
		for i, o := range levels[n] {
			g.Go(func() error { return r.extractOne(o, into, filepath.Join(scratch, fmt.Sprint(n, "-", i))) })
		}
		r.Must(g.Wait())
	}
	return into
}

func (r *Rig) extractOne(o store.Object, into, archive string) (err error) {
	path, _, ok := key.Path("", o.Key)
	if !ok {
		return fmt.Errorf("no path can be read from the key %s", o.Key)
	}
	at := filepath.Join(into, filepath.Dir(path))
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	body, err := r.Store.Get(context.Background(), o.Key, store.GetOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	sum := md5.New()
	var stderr bytes.Buffer
	openssl := exec.Command("openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-pass", "file:"+r.Keyfile)
	openssl.Stdin, openssl.Stdout, openssl.Stderr = body, io.MultiWriter(f, sum), &stderr
	if err := errors.Join(openssl.Run(), f.Close()); err != nil {
		return fmt.Errorf("%s: openssl: %w: %s", o.Key, err, stderr.String())
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != o.Meta["md5"] {
		return fmt.Errorf("%s: MD5 is %s, its record says %s", o.Key, got, o.Meta["md5"])
	}
	out, err := exec.Command("tar", "--xattrs", "--xattrs-include=*", "--acls", "--same-owner", "-C", at, "-xpf", archive).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: tar: %w: %s", o.Key, err, out)
	}
	return os.Remove(archive)
}

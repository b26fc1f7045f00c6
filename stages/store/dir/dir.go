// Package dir keeps objects in a directory: a store for a disk, a mounted share, or a test.
//
// An object with the key home/me/x.tar.gz is the plain file home/me/x.tar.gz below the root, so
// that openssl and tar can open it in place. What the object is beside its bytes (metadata, class,
// CRC) is in a small JSON file next to it, .x.tar.gz.firn-meta. Keys that a file system can't hold
// as a path (a segment of more than 244 bytes, "a" together with "a/b", "..", a trailing "/", names
// it would fold together) are under .firn-store/odd by the SHA-256 of the key, which their JSON
// file names.
//
// An object's file is written under .firn-store/uploads and renamed to its place when it is whole
// and on the disk. Its JSON file is renamed first, and describes the object that is there now as
// well as the one to come; each description is bound to its file by size and modification time
// (whole even seconds, which every file system and every copying tool keeps), or by CRC-32C if a
// copy has lost the time. So whenever a crash comes, the old object or the new one is seen, whole
// and rightly described. A file without a fitting description is an object without metadata.
//
// It knows nothing of what the objects mean, and deletes nothing but its own unfinished uploads.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"firn/pipeline"
	"firn/stages/store"
)

// Store is a directory of objects. It implements store.Store.
type Store struct {
	root    string // absolute, clean
	traffic *store.Traffic

	mu    sync.Mutex
	ready bool // root and the folders for the store's own use are there

	folders sync.RWMutex            // held for writing while folders are made and not yet on the disk
	locks   [lockStripes]sync.Mutex // of keys, see lock
}

var _ store.Store = (*Store)(nil)

// Open names a directory store: "file:///path" or an absolute or relative path. It asks the disk
// nothing; Check does, and the directory itself is made by the first write.
func Open(location string) (*Store, error) {
	path := location
	if strings.HasPrefix(location, "file:") {
		var err error
		if path, err = pathOf(location); err != nil {
			return nil, err
		}
	}
	if path == "" || strings.Contains(path, "\x00") {
		return nil, fmt.Errorf("directory store %q: not a path", location)
	}
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("directory store %q: %w", location, err)
	}
	if root == string(filepath.Separator) {
		return nil, fmt.Errorf("directory store %q is the root directory: name a directory of its own", location)
	}
	return &Store{root: root}, nil
}

// pathOf reads a file URL (RFC 8089).
func pathOf(location string) (string, error) {
	u, err := url.Parse(location)
	if err != nil {
		return "", fmt.Errorf("store URL %q can't be read (write %% as %%25): %w", location, errors.Unwrap(err))
	}
	switch {
	case u.Host != "" && u.Host != "localhost":
		return "", fmt.Errorf("store URL %q names a host, %q: a directory on this machine is written file:///path, with three slashes", location, u.Host)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(location, "#"):
		return "", fmt.Errorf("store URL %q: write ? as %%3F and # as %%23", location)
	case u.Opaque != "" || !strings.HasPrefix(u.Path, "/"):
		return "", fmt.Errorf("store URL %q needs an absolute path: file:///path", location)
	}
	return u.Path, nil
}

// CountIn has the bytes of objects counted that are written and read. It is called before anything else.
func (s *Store) CountIn(t *store.Traffic) { s.traffic = t }

// URL is "file://" and the absolute path.
func (s *Store) URL() string { return (&url.URL{Scheme: "file", Path: s.root}).String() }

// Limits of a directory: parts have no least size, and a Put is bounded only by what S3 takes.
func (s *Store) Limits() store.Limits {
	return store.Limits{MinPart: 1, MaxPart: 5 << 30, MaxParts: 1 << 20, MaxPut: 5 << 30, MaxObject: 1 << 60}
}

// Check reports whether the directory can be read, or can be written or made.
func (s *Store) Check(ctx context.Context, use store.Use) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	info, err := os.Stat(s.root)
	switch {
	case absent(err) && use == store.ToRead:
		return pipeline.Fatal(fmt.Errorf("there is no store %s: check the path, and whether its disk is mounted", s.URL()))
	case absent(err):
		return s.checkParent()
	case err != nil:
		return pipeline.Fatal(fmt.Errorf("looking at the store %s: %w", s.URL(), err))
	case !info.IsDir():
		return pipeline.Fatal(fmt.Errorf("the store %s is a file: name a directory", s.URL()))
	}
	if err := access(s.root, mayRead); err != nil && use == store.ToRead {
		return pipeline.Fatal(fmt.Errorf("the store %s can't be read: %w; let this user read and enter it", s.URL(), err))
	}
	if err := access(s.root, mayWrite); err != nil && use == store.ToWrite {
		return pipeline.Fatal(fmt.Errorf("the store %s can't be written: %w; let this user read, write and enter it", s.URL(), err))
	}
	return nil
}

func (s *Store) checkParent() error {
	parent := filepath.Dir(s.root)
	info, err := os.Stat(parent)
	if err != nil || !info.IsDir() {
		return pipeline.Fatal(fmt.Errorf("the store %s can't be made: there is no directory %s; make it, or mount the disk it is on", s.URL(), parent))
	}
	if err := access(parent, mayWrite); err != nil {
		return pipeline.Fatal(fmt.Errorf("the store %s can't be made in %s: %w", s.URL(), parent, err))
	}
	return nil
}

// prepare makes the store's folders, once: a root that is gone later has been unmounted.
func (s *Store) prepare() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready {
		return nil
	}
	made := false
	for _, folder := range []string{"", privateDir, uploadsDir, locksDir, oddDir} {
		err := os.Mkdir(filepath.Join(s.root, folder), 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return s.unmade(err)
		}
		made = made || err == nil
	}
	if made {
		for _, folder := range []string{"..", "", privateDir} {
			if err := syncDir(filepath.Join(s.root, folder)); err != nil {
				return s.unmade(err)
			}
		}
	}
	s.ready = true
	return nil
}

// unmade is the fault of a store that can't be set up, which no object gets past.
func (s *Store) unmade(err error) error {
	return pipeline.Fatal(fmt.Errorf("setting up the store %s: %w; check the path and that this user may write there", s.URL(), err))
}

// fault adds what was being done, and marks what would meet every other object as fatal.
func (s *Store) fault(doing string, err error) error {
	full := fmt.Errorf("%s in %s: %w", doing, s.URL(), err)
	if advice := fatalAdvice(err); advice != "" {
		return pipeline.Fatal(fmt.Errorf("%w; %s", full, advice))
	}
	return full
}

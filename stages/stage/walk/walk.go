// Package walk reads the tree that is to be saved: it cuts it into subtrees, takes fingerprints of
// them from lstat data alone, and streams a subtree's entries to who archives them.
//
// It knows nothing of archives, codecs or stores, and opens no file but CACHEDIR.TAG, on request.
// It promises:
//
//   - Each entry of the tree that is not excluded is in exactly one subtree.
//   - Everything is opened relative to a directory that is already open, without following links,
//     so that paths may have any length. Only the backup path itself may be a link.
//   - Memory holds the names in the directories on the way down. Each walk keeps at most maxOpen
//     directories open.
//   - Order and results depend on the tree alone, not on scheduling or the number of workers.
//   - What can't be read is reported with its path, and the walk goes on.
//
// Paths are bytes, separated by '/'.
package walk

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"firn/stages/format/exclude"
	"firn/stages/format/key"
	"firn/stages/service/fsys"
)

// Options says what of a tree is taken, and how.
type Options struct {
	// Depth is how many levels down the tree is cut; 0 makes the whole tree one subtree.
	Depth int
	// Prefix and Ext ("tar.bz2") go into the subtrees' keys (package key).
	Prefix, Ext string
	// Exclude leaves out what its patterns match; nil leaves out nothing.
	Exclude *exclude.List
	// Excluded, unless it is nil, is told of each entry that a pattern leaves out, from any goroutine:
	// the pattern's place among Exclude's lines and, of a regular file, its size. What is in a directory
	// that is left out is not told. A tree that is read (Entries) after a scan is told of twice.
	Excluded func(pattern int, dir bool, size int64)
	// ExcludeCaches leaves out what is in a directory with a CACHEDIR.TAG, but for the tag.
	ExcludeCaches bool
	// OneFileSystem leaves out what is in a directory on another file system than the backup path.
	// The directory's own entry, the mount point, is kept.
	OneFileSystem bool
	// LeaveOut are paths that are never taken, such as the cache path. A directory is recognized by
	// its device and inode; anything else, and what does not exist yet, by its path.
	LeaveOut []string
	// Workers bounds the goroutines of all scans together, beside those that call Scan; 0 means
	// twice GOMAXPROCS, as they mostly wait for the disk.
	Workers int
	// Estimate has Scan set what only a plan needs: Sum.Tar, Newest and Days. Survey always does.
	Estimate bool
	// Now is the clock for Scan.Sound; nil means time.Now.
	Now func() time.Time
}

// ErrVanished is why an entry could not be read that was gone, or another one, when its turn came.
var ErrVanished = errors.New("vanished or was replaced while it was being read")

// Tree is an open backup path. Its methods may be called at the same time.
type Tree struct {
	o       Options
	path    string // as given, cleaned
	within  string // what the paths of the entries below it begin with: it and a slash, "" for "."
	root    int    // the backup path's directory; when it is a plain file, the directory that holds it
	file    string // the plain file's name in root; "" for a directory
	id      inode  // of the backup path itself
	leave   map[inode]bool
	leaveAt map[string]bool // paths below the backup path
	share   errgroup.Group  // its limit is the number of workers
	lists   sync.Pool       // *names
	buffers sync.Pool       // *[64 << 10]byte for getdents
	holes   sync.Map        // device → bool: its st_blocks shows holes
}

// inode identifies an entry while the tree is open.
type inode struct{ dev, ino uint64 }

// Open opens a backup path: a directory, a plain file, or a link to one. Keys and names in archives
// are made from the cleaned path, which must not lead elsewhere by a ".." after a link.
func Open(name string, o Options) (*Tree, error) {
	if name == "" {
		return nil, errors.New("opening the backup path: it is empty; name a directory or a file")
	}
	if o.Depth < 0 {
		return nil, fmt.Errorf("cutting %s: depth %d is negative; 0 makes one archive of the whole tree", name, o.Depth)
	}
	if n := len(key.Prefix(o.Prefix)); n > key.MaxPrefix {
		return nil, fmt.Errorf("cutting %s: the prefix is %d bytes long in keys, more than %d; choose a shorter one", name, n, key.MaxPrefix)
	}
	if o.Workers <= 0 {
		o.Workers = 2 * runtime.GOMAXPROCS(0)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	t := &Tree{o: o, path: path.Clean(filepath.ToSlash(name))}
	t.share.SetLimit(o.Workers)
	t.lists.New = func() any { return new(names) }
	t.buffers.New = func() any { return new([64 << 10]byte) }
	switch t.path {
	case ".":
	case "/":
		t.within = "/"
	default:
		t.within = t.path + "/"
	}
	if err := t.openRoot(name); err != nil {
		if target, linkErr := os.Readlink(name); linkErr == nil && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("it is a link to %q, which is not there: %w", target, err)
		}
		return nil, fmt.Errorf("opening the backup path %s: %w", name, err)
	}
	if err := t.resolveLeaveOut(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// openRoot opens the backup path, and makes sure that the cleaned path, which the keys are made of,
// leads to it as well.
func (t *Tree) openRoot(name string) (err error) {
	if t.root, t.file, t.id, err = locate(name); err != nil {
		return err
	}
	if t.path == strings.TrimSuffix(name, "/") || t.path == name {
		return nil
	}
	fd, _, id, err := locate(t.path)
	if err == nil {
		fsys.CloseRead(fd)
	}
	if err != nil || id != t.id {
		return errors.Join(fmt.Errorf("it leads elsewhere than %s, because of a \"..\" after a symbolic link; give it without \"..\"", t.path), t.Close())
	}
	return nil
}

// locate opens the directory that name leads to; of a file, the directory that holds it.
func locate(name string) (fd int, file string, id inode, err error) {
	var st unix.Stat_t
	fd, err = openLong(name)
	switch err {
	case nil:
		err = fsys.Fstat(fd, &st)
	case unix.ENOTDIR:
		// No slash can follow a file's name: "file/" fails here as it does everywhere.
		var dir string
		if dir, file = path.Split(filepath.ToSlash(name)); file == "" {
			return -1, "", id, err
		}
		if fd, err = openLong(cmp.Or(dir, ".")); err == nil {
			err = fsys.Stat(fd, file, &st)
		}
	}
	if err != nil && fd >= 0 {
		fsys.CloseRead(fd)
	}
	return fd, file, idOf(&st), err
}

// resolveLeaveOut looks up what is to be left out.
func (t *Tree) resolveLeaveOut() error {
	t.leave, t.leaveAt = map[inode]bool{}, map[string]bool{}
	for _, p := range t.o.LeaveOut {
		var st unix.Stat_t
		err := unix.Stat(p, &st)
		switch {
		case err == nil && idOf(&st) == t.id:
			return fmt.Errorf("leaving %s out of the backup: it is the backup path %s itself; choose another directory", p, t.path)
		case err == nil && isDir(&st):
			t.leave[idOf(&st)] = true
		case err == nil || errors.Is(err, fs.ErrNotExist):
			if rel, ok := below(t.path, p); ok {
				t.leaveAt[rel] = true
			}
		default:
			return fmt.Errorf("looking at %s, which is to be left out of the backup: %w", p, err)
		}
	}
	return nil
}

// below returns p relative to root when it is below it, links in the part of either that exists
// resolved.
func below(root, p string) (string, bool) {
	rel, err := filepath.Rel(resolve(root), resolve(p))
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", false
	}
	return rel, true
}

func resolve(p string) string {
	abs, err := filepath.Abs(p)
	if err != nil {
		abs = p
	}
	for head, tail := abs, ""; ; head, tail = filepath.Dir(head), filepath.Join(filepath.Base(head), tail) {
		if real, err := filepath.EvalSymlinks(head); err == nil {
			return filepath.Join(real, tail)
		}
		if head == filepath.Dir(head) {
			return abs
		}
	}
}

// Close closes the backup path. No walk may be under way.
func (t *Tree) Close() error {
	return os.NewSyscallError("close", unix.Close(t.root))
}

// Path returns the backup path as given, cleaned.
func (t *Tree) Path() string { return t.path }

// Package walk reads the tree that is to be saved: it cuts it into subtrees, tells from lstat data alone whether a subtree is
// what it was, and streams a subtree's entries to whoever archives them.
//
// It knows nothing of archives, codecs or stores, and opens no file (but CACHEDIR.TAG, to see whether it is one, when that was
// asked for). It promises:
//
//   - Each entry of the tree that is not excluded is in exactly one subtree.
//   - Everything is opened relative to a directory that is already open, without following links: neither the length of a
//     path nor a link put in the place of a directory changes what is read. Only the backup path itself may be a link.
//   - Memory holds the names of the directories on the way down, and nothing that grows with the tree; at most maxOpen
//     directories are open for each walk under way.
//   - Order and results depend on the tree alone, never on scheduling or on the number of workers.
//   - What can't be read is reported, with its path, and the walk goes on.
//
// Paths are bytes, separated by '/'.
package walk

import (
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

	"golang.org/x/sys/unix"

	"firn/stages/format/key"
)

// Options says what of a tree is taken, and how.
type Options struct {
	// Depth is how many levels down the tree is cut; 0 makes the whole tree one subtree.
	Depth int
	// Prefix and Ext ("tar.bz2") go into the subtrees' keys (package key).
	Prefix, Ext string
	// Exclude leaves out what its patterns match; nil leaves out nothing.
	Exclude *Exclude
	// ExcludeCaches leaves out what is in a directory with a CACHEDIR.TAG, except the directory's own entry and the tag.
	ExcludeCaches bool
	// OneFileSystem leaves out what is in a directory on another file system than the backup path; the directory's own
	// entry, the mount point, is kept.
	OneFileSystem bool
	// LeaveOut are paths that are never taken: the cache path, a directory store inside the backup path. A directory is known
	// by its device and inode, whatever path leads to it; anything else, and what does not exist yet, by its path.
	LeaveOut []string
	// Workers bounds how many goroutines look at entries for all scans together, beside those that call Scan; 0 means
	// twice GOMAXPROCS: they wait for the disk more than they compute.
	Workers int
	// Now is the clock that Scan.Sound is told by; nil means time.Now.
	Now func() time.Time
}

// ErrVanished is the cause of the fault of an entry that was gone, or was another one, when it was to be read.
var ErrVanished = errors.New("vanished or was replaced while it was being read")

// Tree is an open backup path. Its methods may be called at the same time.
type Tree struct {
	o       Options
	path    string // as given, cleaned
	root    int    // the backup path's directory; when it is a plain file, the directory that holds it
	file    string // the plain file's name in root; "" for a directory
	id      inode  // of the backup path itself
	leave   map[inode]bool
	leaveAt map[string]bool // paths below the backup path
	share   share
	lists   sync.Pool // *names
	buffers sync.Pool // *[]byte for getdents
	holes   sync.Map  // device → bool: its st_blocks tell holes
}

// inode identifies an entry while the tree is open.
type inode struct{ dev, ino uint64 }

// Open opens a backup path: a directory or a plain file, or a link to one of them. Keys and names in archives are made from the
// path as given, cleaned; it is an error when that leads elsewhere, by a ".." after a link. The Tree must be closed.
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
	t := &Tree{o: o, path: path.Clean(filepath.ToSlash(name)), share: newShare(o.Workers)}
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

// openRoot opens the directory that name leads to, or the one that holds the file it leads to.
func (t *Tree) openRoot(name string) error {
	fd, err := openLong(name, unix.O_DIRECTORY)
	if err == unix.ENOTDIR {
		return t.openRootFile(name)
	}
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	t.root, t.id = fd, idOf(&st)
	return t.checkCleaned(name)
}

func (t *Tree) openRootFile(name string) error {
	// A file's name can be followed by no slash: "file/" fails here as it does everywhere.
	dir, file := path.Split(filepath.ToSlash(name))
	if file == "" {
		return unix.ENOTDIR
	}
	if dir == "" {
		dir = "."
	}
	fd, err := openLong(dir, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := fstatat(fd, file, &st, 0); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	t.root, t.file, t.id = fd, file, idOf(&st)
	return t.checkCleaned(name)
}

// checkCleaned makes sure that the cleaned path, which the keys are made of, names what was opened.
func (t *Tree) checkCleaned(name string) error {
	if t.path == strings.TrimSuffix(name, "/") || t.path == name {
		return nil
	}
	dir, file := t.path, "."
	if t.file != "" {
		dir, file = path.Split(t.path)
	}
	if dir == "" {
		dir = "."
	}
	var st unix.Stat_t
	fd, err := openLong(dir, unix.O_DIRECTORY)
	if err == nil {
		err = errors.Join(fstatat(fd, file, &st, 0), unix.Close(fd))
	}
	if err != nil || idOf(&st) != t.id {
		return errors.Join(fmt.Errorf("it leads elsewhere than %s, because of a \"..\" after a symbolic link; give it without \"..\"", t.path), t.Close())
	}
	return nil
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

// below returns p relative to root when it lies below it, links in the part of either that exists resolved.
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

// Close lets go of the backup path. No walk may be under way.
func (t *Tree) Close() error {
	return os.NewSyscallError("close", unix.Close(t.root))
}

// Path returns the backup path as given, cleaned.
func (t *Tree) Path() string { return t.path }

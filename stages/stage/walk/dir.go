package walk

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// maxOpen is how many levels of directories one walk keeps open. Below that, a directory is closed
// while one in it is walked, and opened again through its child's "..".
const maxOpen = 32

// dir is an open directory.
type dir struct {
	fd    int // -1 while it is closed
	id    inode
	level int
}

// openDir opens the directory name in d, which lstat showed as id.
func (d *dir) openDir(name string, id inode) (*dir, error) {
	child, err := openDirAt(d.fd, name)
	if err == nil && child.id != id {
		child.close()
		err = ErrVanished
	}
	if err != nil {
		return nil, fmt.Errorf("opening the directory: %w", vanished(err))
	}
	child.level = d.level + 1
	return child, nil
}

// openDirAt opens a directory, following no link, and identifies it.
func openDirAt(dirfd int, name string) (*dir, error) {
	fd, err := openQuietly(dirfd, name, unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := fsys.Fstat(fd, &st); err != nil {
		fsys.CloseRead(fd)
		return nil, err
	}
	return &dir{fd: fd, id: idOf(&st)}, nil
}

// enter must be called before a child's own entries are walked, and back after that, while the
// child is still open.
func (d *dir) enter() {
	if d.level >= maxOpen {
		d.close()
	}
}

// errMoved is the fault of a directory that back could not open again.
var errMoved = fmt.Errorf("opening the directory again after a directory in it: %w", ErrVanished)

// back opens d again, if enter closed it. When it can't, because the child has been moved to
// another directory meanwhile, d stays closed, and so does every directory above it up to maxOpen.
func (d *dir) back(child *dir) {
	if d.fd >= 0 || child.fd < 0 {
		return
	}
	again, err := openDirAt(child.fd, "..")
	switch {
	case err != nil:
	case again.id != d.id:
		again.close()
	default:
		d.fd = again.fd
	}
}

func (d *dir) close() {
	if d.fd >= 0 {
		fsys.CloseRead(d.fd)
		d.fd = -1
	}
}

// vanished adds ErrVanished as a cause to the answers of openat and lstat that say that a name is
// gone or is no longer what it was.
func vanished(err error) error {
	switch err {
	case unix.ENOENT, unix.ENOTDIR, unix.ELOOP:
		return fmt.Errorf("%w (%w)", ErrVanished, err)
	}
	return err
}

// place is where an entry is: its name in an open directory.
type place struct {
	dir    *dir
	name   string
	follow bool // the backup path itself, when it is a file: it may be a link
}

func (p place) lstat(st *unix.Stat_t) error {
	if p.follow {
		return fsys.Stat(p.dir.fd, p.name, st)
	}
	return fsys.Lstat(p.dir.fd, p.name, st)
}

// find opens the directory that holds a path below the backup path. The backup path's own directory
// is found as "." in itself. The caller closes the directory.
func (t *Tree) find(rel string) (place, error) {
	d, err := openDirAt(t.root, ".")
	switch {
	case err != nil:
		return place{}, err
	case rel == "" && t.file != "":
		return place{dir: d, name: t.file, follow: true}, nil
	case rel == "":
		return place{dir: d, name: "."}, nil
	}
	for err == nil {
		name, rest, more := strings.Cut(rel, "/")
		if !more {
			return place{dir: d, name: name}, nil
		}
		var next *dir
		next, err = openDirAt(d.fd, name)
		d.close()
		d, rel = next, rest
	}
	return place{}, err
}

package extract

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// dirs is the tree of the directories that a run has entered, and what is still to be done to them. A child is found through one map, as
// a map for each directory would take several times the memory.
type dirs struct {
	mu    sync.Mutex
	root  node
	index map[child]*node
}

type child struct {
	parent *node
	name   string
}

// node is one directory. What is not atomic is guarded by dirs.mu.
type node struct {
	name        string
	parent      *node
	first, next *node // child, sibling
	final       final
	acl         *acls
	flags       atomic.Uint32
}

// final is what Finish gives a directory.
type final struct {
	sec      int64
	nsec     int32
	mode     uint32
	uid, gid uint32
}

// acls are a directory's ACLs as Linux keeps them in attributes, "" for none.
type acls struct{ access, def string }

// The flags of a node.
const (
	fresh    uint32 = 1 << iota // made by this run: what is in it came from this run
	swept                       // leftovers of other runs are gone
	looked                      // whether it has a default ACL is known
	inherits                    // it has one, which new entries inherit
	setMode                     // final.mode is to be set
	setAll                      // all of final is to be set, as an archive has it
	gone                        // it is no longer there
	asked                       // whom new files in it belong to is known
	ownsNew                     // they belong to who makes them
)

func (n *node) is(flag uint32) bool { return n.flags.Load()&flag != 0 }
func (n *node) mark(flag uint32)    { n.flags.Or(flag) }

// get returns the node of a directory, a new one if it has none.
func (d *dirs) get(parent *node, name string) *node {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.index[child{parent, name}]; n != nil {
		return n
	}
	name = strings.Clone(name)
	n := &node{name: name, parent: parent, next: parent.first}
	parent.first = n
	if d.index == nil {
		d.index = make(map[child]*node)
	}
	d.index[child{parent, name}] = n
	return n
}

// forget is told that a directory was removed.
func (d *dirs) forget(parent *node, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.index[child{parent, name}]; n != nil {
		n.mark(gone)
		delete(d.index, child{parent, name})
	}
}

// keep records what a directory is to get in the end: all that an archive says, or its mode alone, unless more is known already.
func (d *dirs) keep(n *node, f final, a *acls, flag uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if flag == setMode && n.is(setMode|setAll) {
		return
	}
	n.final, n.acl = f, a
	n.mark(flag)
}

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// openDir opens a directory in another one, for entries to be made in.
func (x *Extractor) openDir(parent *level, name string, n *node) (int, error) {
	fd, err := fsys.Open(parent.fd, name, dirFlags, 0)
	switch {
	case err == nil:
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		var st unix.Stat_t
		if fsys.Lstat(parent.fd, name, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			return -1, refusal{ErrThrough}
		}
		return -1, err
	case errors.Is(err, unix.EACCES) && !x.root:
		if fd, err = x.unlock(parent.fd, name, n); err != nil {
			return -1, err
		}
	default:
		return -1, err
	}
	if err := x.learn(fd, n, parent.node.is(inherits)); err != nil {
		fsys.CloseRead(fd)
		return -1, err
	}
	return fd, nil
}

// learn finds out, once a run, what is to be known of a directory before entries are made in it.
func (x *Extractor) learn(fd int, n *node, inherited bool) error {
	if n.is(looked) {
		return nil
	}
	if !x.root && !n.is(fresh) {
		if err := x.writable(fd, n); err != nil {
			return err
		}
	}
	if (!n.is(fresh) || inherited) && hasDefaultACL(fd) {
		n.mark(inherits)
	}
	n.mark(looked)
	return nil
}

// unlock opens a directory that its owner, who runs this, may not read. Finish gives it its mode again.
func (x *Extractor) unlock(parent int, name string, n *node) (int, error) {
	var st unix.Stat_t
	if err := fsys.Lstat(parent, name, &st); err != nil {
		return -1, err
	}
	if st.Uid != x.euid {
		return -1, unix.EACCES
	}
	// It is recorded first: whoever finds the directory open must find its true mode recorded.
	x.dirs.keep(n, final{mode: uint32(st.Mode) & 0o7777}, nil, setMode)
	if err := chmodat(parent, name, uint32(st.Mode)&0o7777|0o700); err != nil {
		return -1, err
	}
	return fsys.Open(parent, name, dirFlags, 0)
}

// writable sees to it that the owner of a directory may write to it.
func (x *Extractor) writable(fd int, n *node) error {
	var st unix.Stat_t
	if err := fsys.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Uid != x.euid || st.Mode&0o700 == 0o700 {
		return nil
	}
	x.dirs.keep(n, final{mode: uint32(st.Mode) & 0o7777}, nil, setMode)
	return fsys.Retry(func() error { return unix.Fchmod(fd, uint32(st.Mode)&0o7777|0o700) })
}

// mkdir makes a directory that nobody else may enter until Finish.
func (x *Extractor) mkdir(parent *level, name string) error {
	if err := fsys.Retry(func() error { return unix.Mkdirat(parent.fd, name, 0o700) }); err != nil {
		return err
	}
	x.dirs.get(parent.node, name).mark(fresh)
	return nil
}

// implied makes a directory that an entry lies in. It gets what the archive said of it, if it did, though it was not selected; else
// the mode that any new directory gets.
func (l *layer) implied(parent *level, path, name string) error {
	if err := l.countEntry(); err != nil {
		return stop{err}
	}
	mode, known := uint32(0o777), l.passed.find(path)
	if known != nil {
		mode = 0o700
	}
	switch err := fsys.Retry(func() error { return unix.Mkdirat(parent.fd, name, mode) }); {
	case errors.Is(err, unix.EEXIST):
		return nil // another archive's entry was faster
	case err != nil:
		return fmt.Errorf("making the directory %q: %w", path, err)
	}
	n := l.x.dirs.get(parent.node, name)
	n.mark(fresh)
	if known != nil {
		fd, err := l.x.openDir(parent, name, n)
		if err != nil {
			return err
		}
		defer fsys.CloseRead(fd)
		l.describe(parent, &level{fd: fd, node: n}, known)
		return nil
	}
	// The process's umask, and a default ACL, are learnt from what the system made of the mode.
	var st unix.Stat_t
	if err := fsys.Lstat(parent.fd, name, &st); err != nil {
		return err
	}
	if err := chmodat(parent.fd, name, 0o700); err != nil {
		return fmt.Errorf("closing the new directory %q to others: %w", path, err)
	}
	l.x.dirs.keep(n, final{mode: uint32(st.Mode) & 0o7777}, nil, setMode)
	return nil
}

// directory lays a directory down.
func (l *layer) directory(e *entry) error {
	if e.path == "" {
		top, err := l.here.enter("", nil)
		if err == nil {
			l.describe(nil, top, e)
			l.result.Entries++
		}
		return err
	}
	dirPath, name := split(e.path)
	parent, err := l.here.enter(dirPath, l.implied)
	if err != nil {
		return err
	}
	err = l.x.mkdir(parent, name)
	if errors.Is(err, unix.EEXIST) {
		err = l.merge(parent, name, e)
	}
	if err != nil {
		return err
	}
	if err := l.here.push(e.path, name, nil); err != nil {
		return err
	}
	l.describe(&l.here.levels[len(l.here.levels)-2], l.here.last(), e)
	l.result.Entries++
	return nil
}

// merge makes a directory where something is already; a directory is fine.
func (l *layer) merge(parent *level, name string, e *entry) error {
	var st unix.Stat_t
	if err := fsys.Lstat(parent.fd, name, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return nil
	}
	if !l.mayReplace(&st, e) {
		l.result.Kept++
		return ErrExists
	}
	if err := unlinkat(parent.fd, name, 0); err != nil {
		return fmt.Errorf("removing what stands in its place: %w", err)
	}
	return l.x.mkdir(parent, name)
}

// describe sets what can be set of a directory at once, and records the rest for Finish. parent is nil for the target itself.
func (l *layer) describe(parent, d *level, e *entry) {
	a, err := attributes(e.header)
	errs := []error{err}
	f := final{sec: e.header.ModTime.Unix(), nsec: int32(e.header.ModTime.Nanosecond()), mode: mode(e.header), uid: keepID, gid: keepID}
	if l.x.owners() {
		if f.uid, f.gid, err = ids(e.header); err != nil {
			errs = append(errs, err)
		}
	}
	if parent != nil && d.node.is(fresh) && parent.node.is(inherits) {
		// What it inherited is not what the archive has; nor is what would be made in it.
		errs = append(errs, dropACLs(d.fd))
		d.node.flags.And(^inherits)
	}
	errs = append(errs, setXattrs(d.fd, a.list))
	if err := errors.Join(errs...); err != nil {
		l.partial(e.name, err)
	}
	var kept *acls
	if a.acls != (acls{}) {
		kept = &acls{strings.Clone(a.access), strings.Clone(a.def)}
	}
	l.x.dirs.keep(d.node, f, kept, setAll)
}

// passed is the directories above the entry at hand that the archive described but that were not selected.
type passed []*entry

// maxPassed bounds them, and so the memory that an archive of deep names can claim.
const maxPassed = 1024

func (p *passed) add(e *entry) {
	for len(*p) > 0 && !strings.HasPrefix(e.path, (*p)[len(*p)-1].path+"/") {
		*p = (*p)[:len(*p)-1]
	}
	if len(*p) < maxPassed {
		*p = append(*p, e)
	}
}

func (p passed) find(path string) *entry {
	for _, e := range p {
		if e.path == path {
			return e
		}
	}
	return nil
}

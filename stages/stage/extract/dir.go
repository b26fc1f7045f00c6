package extract

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// dirs is the tree of the directories that a run has entered, and what is still to be done to them.
// One map finds a child: a map for each directory would take several times the memory.
type dirs struct {
	mu    sync.Mutex
	root  node
	index map[child]*node

	hands bool  // another Extractor finishes them
	news  []Dir // what it is not told yet
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
	system      atomic.Pointer[system]
}

// final is what Finish gives a directory.
type final struct {
	sec      int64
	nsec     int32
	mode     uint32
	uid, gid uint32
}

// The flags of a node.
const (
	fresh    uint32 = 1 << iota // made by this run: what is in it came from this run
	swept                       // leftovers of other runs are removed
	looked                      // inherits is known
	inherits                    // it has a default ACL, which new entries inherit
	setMode                     // final.mode is to be set
	setAll                      // all of final is to be set, as an archive has it
	gone                        // it was removed
	asked                       // ownsNew is known
	ownsNew                     // new files in it belong to who makes them
	left                        // a killed run made it, and did not get to its Finish
	filled                      // a file got its name in it
)

// unfinished is the mode of directories that this package made, until Finish. Nobody but their owner
// may enter them. The sticky bit, which means nothing there, tells them from those of others when a
// later run finds them.
const unfinished = 0o1700

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

// forget records that a directory was removed.
func (d *dirs) forget(parent *node, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.index[child{parent, name}]; n != nil {
		n.mark(gone)
		delete(d.index, child{parent, name})
	}
}

// keep records what Finish sets of a directory: all (setAll), or the mode if nothing is recorded yet.
func (d *dirs) keep(n *node, f final, a *acls, flag uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if flag == setMode && n.is(setMode|setAll) {
		return
	}
	n.final, n.acl = f, a
	n.mark(flag)
	if d.hands {
		d.news = append(d.news, n.told(flag))
	}
}

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW

// openDir opens a directory in another one, for entries to be made in.
func (x *Extractor) openDir(parent *level, name string, n *node) (int, error) {
	fd, err := fsys.Open(parent.fd, name, dirFlags, 0)
	var st unix.Stat_t
	switch {
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		if fsys.Lstat(parent.fd, name, &st) == nil && fsys.Type(&st) == unix.S_IFLNK {
			err = refusal{ErrThrough}
		}
	case errors.Is(err, unix.EACCES) && !x.root:
		// Its owner, who runs this, may not read it.
		if statErr := fsys.Lstat(parent.fd, name, &st); statErr != nil || st.Uid != x.euid {
			return -1, cmp.Or(statErr, err)
		}
		if err = x.unlock(handle{parent.fd, name}, &st, n); err == nil {
			fd, err = fsys.Open(parent.fd, name, dirFlags, 0)
		}
	}
	if err != nil {
		return -1, err
	}
	if err := x.learn(fd, n, parent.node.is(inherits)); err != nil {
		fsys.CloseRead(fd)
		return -1, err
	}
	return fd, nil
}

// learn finds out, once a run, what is to be known of a directory before entries are made in it,
// and lets its owner, who runs this, write to it.
func (x *Extractor) learn(fd int, n *node, inherited bool) error {
	if n.is(looked) {
		return nil
	}
	if n.is(fresh) {
		n.system.Store(n.parent.system.Load())
	} else {
		var st unix.Stat_t
		if err := fsys.Fstat(fd, &st); err != nil {
			return err
		}
		s, err := x.systemOf(fd, &st)
		if err != nil {
			return err
		}
		n.system.Store(s)
		switch mine := st.Uid == x.euid; {
		case mine && perm(&st) == unfinished:
			n.mark(left)
		case mine && !x.root && st.Mode&0o700 != 0o700:
			if err := x.unlock(handle{fd: fd}, &st, n); err != nil {
				return err
			}
		}
	}
	if (!n.is(fresh) || inherited) && hasDefaultACL(fd) {
		n.mark(inherits)
	}
	n.mark(looked)
	return nil
}

// unlock gives the owner of a directory all rights to it. Finish gives it its mode again. That is
// recorded first: who finds the directory open must find its true mode recorded.
func (x *Extractor) unlock(at handle, st *unix.Stat_t, n *node) error {
	x.dirs.keep(n, final{mode: perm(st)}, nil, setMode)
	return at.chmod(perm(st) | 0o700)
}

// mkdir makes a directory of this run.
func (x *Extractor) mkdir(parent *level, name string, mode uint32) error {
	if err := mkdirat(parent.fd, name, mode); err != nil {
		return err
	}
	x.dirs.get(parent.node, name).mark(fresh)
	return nil
}

// implied makes a directory above a selected entry. It gets the attributes that the archive has for
// it, or else the mode of any new directory.
func (w *writer) implied(parent *level, path, name string) error {
	if err := w.countEntry(); err != nil {
		return stop{err}
	}
	if err := w.turn(path); err != nil {
		return err
	}
	mode, known := uint32(0o777), w.passed.find(path)
	if known != nil {
		mode = unfinished
	}
	switch err := w.x.mkdir(parent, name, mode); {
	case errors.Is(err, unix.EEXIST):
		return nil // another archive's entry was faster
	case err != nil:
		return fmt.Errorf("making the directory %q: %w", path, err)
	}
	n := w.x.dirs.get(parent.node, name)
	if known != nil {
		fd, err := w.x.openDir(parent, name, n)
		if err != nil {
			return err
		}
		defer fsys.CloseRead(fd)
		w.describeDir(parent, &level{fd: fd, node: n}, known)
		return nil
	}
	// What the system made of the mode shows the process's umask, and a default ACL.
	var st unix.Stat_t
	if err := fsys.Lstat(parent.fd, name, &st); err != nil {
		return err
	}
	if err := chmodat(parent.fd, name, unfinished); err != nil {
		return fmt.Errorf("closing the new directory %q to others: %w", path, err)
	}
	w.x.dirs.keep(n, final{mode: perm(&st)}, nil, setMode)
	return nil
}

// adopt does for a directory that a killed run left on the way to path what implied does for one
// that it makes.
func (w *writer) adopt(parent, d *level, path string) error {
	if d.node.is(setAll) {
		return nil
	}
	if known := w.passed.find(path); known != nil {
		if known.listed && known.attrs {
			return errNotListed
		}
		w.describeDir(parent, d, known)
		return nil
	}
	if d.node.is(setMode) {
		return nil
	}
	mode, err := w.x.newDirMode(parent)
	if err != nil {
		return fmt.Errorf("finding the mode of the directory %q: %w", path, err)
	}
	w.x.dirs.keep(d.node, final{mode: mode}, nil, setMode)
	return nil
}

// newDirMode returns the mode that the system gives a new directory in parent.
func (x *Extractor) newDirMode(parent *level) (uint32, error) {
	if err := x.sweep(parent); err != nil {
		return 0, err
	}
	name := x.tempName()
	if err := mkdirat(parent.fd, name, 0o777); err != nil {
		return 0, err
	}
	var st unix.Stat_t
	err := fsys.Lstat(parent.fd, name, &st)
	return perm(&st), errors.Join(err, unlinkat(parent.fd, name, unix.AT_REMOVEDIR))
}

// directory writes a directory.
func (w *writer) directory(e *entry) error {
	if e.path == "" {
		top, err := w.here.enter("", nil)
		if err == nil {
			w.describeDir(nil, top, e)
		}
		return err
	}
	if err := w.turn(e.path); err != nil {
		return err
	}
	dir, name := split(e.path)
	parent, err := w.here.enter(dir, w.implied)
	if err != nil {
		return err
	}
	err = w.x.mkdir(parent, name, unfinished)
	if errors.Is(err, unix.EEXIST) {
		err = w.merge(parent, name, e)
	}
	if err != nil {
		return err
	}
	if err := w.here.push(e.path, name, nil); err != nil {
		return err
	}
	w.describeDir(&w.here.levels[len(w.here.levels)-2], w.here.last(), e)
	return nil
}

// merge makes a directory where something is already; a directory is fine.
func (w *writer) merge(parent *level, name string, e *entry) error {
	was, err := w.look(parent, name, e, func(_ handle, st *unix.Stat_t) bool { return fsys.Type(st) == unix.S_IFDIR })
	if err != nil || was == right {
		return err
	}
	if was == replace {
		if err := unlinkat(parent.fd, name, 0); err != nil {
			return fmt.Errorf("removing what is in its place: %w", err)
		}
	}
	return w.x.mkdir(parent, name, unfinished)
}

// describeDir sets what can be set of a directory at once, and records the rest for Finish. parent
// is nil for the target itself.
func (w *writer) describeDir(parent, d *level, e *entry) {
	h, at := e.header, handle{fd: d.fd}
	a, attrErr := attributes(h)
	uid, gid, idErr := ids(h)
	if !w.x.owners() {
		idErr = nil
	}
	var dropErr error
	if parent != nil && d.node.is(fresh) && parent.node.is(inherits) {
		// What it inherited is not what the archive has; nor is what would be made in it.
		dropErr = at.dropACLs()
		d.node.flags.And(^inherits)
	}
	w.partial(e, attrErr, idErr, dropErr, at.setXattrs(a.list))
	var kept *acls
	if a.acls != (acls{}) {
		kept = &acls{strings.Clone(a.access), strings.Clone(a.def)}
	}
	w.x.dirs.keep(d.node, w.x.final(h.ModTime, mode(h), uid, gid), kept, setAll)
}

func (x *Extractor) final(t time.Time, mode, uid, gid uint32) final {
	if !x.owners() {
		uid, gid = keepID, keepID
	}
	return final{sec: t.Unix(), nsec: int32(t.Nanosecond()), mode: mode, uid: uid, gid: gid}
}

// passed are the directories above the current entry that the archive has but nobody selected.
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

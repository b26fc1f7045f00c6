package extract

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// A Dir is what is still to be done to a directory of a target that several hosts extract to. A host
// that made it, or wrote in it, does not know what others write there later. So each hands over what it
// knows, and one of them, which is told of all, finishes them after the last archive: a directory is
// open to its owner alone until then, on whatever host it was made.
//
// What is told twice, or by a host that repeats the work of another one, is told once. What an archive
// has for a directory counts more than what a host found for want of that.
type Dir struct {
	Path     string // relative to the target; "" is the target
	Set      Set
	Mode     uint32
	Sec      int64 // time of modification
	Nsec     int32
	UID, GID uint32 // all bits set: they stay
	// ACLs, as Linux keeps them in attributes; "": none.
	Access, Default string
}

// A Set says what of a directory is set in the end.
type Set uint8

// What is set.
const (
	SetNothing Set = iota // something was written in it
	SetMode               // the mode
	SetAll                // all, as an archive has it
)

// path is relative to the target.
func (n *node) path() string {
	if n.parent == nil {
		return ""
	}
	return below(n.parent.path(), n.name)
}

// told is what another Extractor is told of a directory after keep.
func (n *node) told(flag uint32) Dir {
	d := Dir{Path: n.path(), Set: SetMode, Mode: n.final.mode}
	if flag == setMode {
		return d
	}
	d.Set, d.Sec, d.Nsec, d.UID, d.GID = SetAll, n.final.sec, n.final.nsec, n.final.uid, n.final.gid
	if n.acl != nil {
		d.Access, d.Default = n.acl.access, n.acl.def
	}
	return d
}

// wrote notes that a file got its name in a directory.
func (d *dirs) wrote(n *node) {
	if n.is(filled) {
		return
	}
	n.mark(filled)
	if d.hands {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.news = append(d.news, Dir{Path: n.path()})
	}
}

// HandOver does what Settle does, has the names on the disk too, and returns what is to be done to
// directories and was not handed over yet: that of all archives whose Extract has returned, and some of
// others. What it returns is to be kept before an archive counts as extracted. It is for an Extractor
// with Hands, and one call at a time.
func (x *Extractor) HandOver() ([]Dir, error) {
	if err := x.Settle(); err != nil {
		return nil, err
	}
	x.dirs.mu.Lock()
	news := x.dirs.news
	x.dirs.news = nil
	x.dirs.mu.Unlock()
	if err := x.syncNames(news); err != nil {
		return nil, err
	}
	return news, nil
}

// syncNames has what is in directories on the disk.
func (x *Extractor) syncNames(in []Dir) error {
	if err := x.sync(); err != nil {
		return err
	}
	x.settling.mu.Lock()
	each := false
	for _, s := range x.settling.systems {
		each = each || s.each
	}
	x.settling.mu.Unlock()
	if !each {
		return nil
	}
	c := &chain{x: x}
	defer c.close()
	for _, d := range in {
		at, err := c.enter(d.Path, nil)
		if err != nil {
			continue // it was removed, or is closed to others already
		}
		if err := x.syncEach(at.fd, at.node); err != nil {
			return err
		}
	}
	return nil
}

// Keep notes what another Extractor handed over, for Finish.
func (x *Extractor) Keep(d Dir) error {
	if err := x.openTarget(); err != nil {
		return err
	}
	path, err := clean(d.Path)
	if err != nil {
		return fmt.Errorf("a directory %q: %w", d.Path, err)
	}
	n := &x.dirs.root
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, "/")
		n = x.dirs.get(n, name)
	}
	n.mark(filled)
	switch d.Set {
	case SetMode:
		x.dirs.keep(n, final{mode: d.Mode}, nil, setMode)
	case SetAll:
		var a *acls
		if d.Access+d.Default != "" {
			a = &acls{d.Access, d.Default}
		}
		x.dirs.keep(n, final{sec: d.Sec, nsec: d.Nsec, mode: d.Mode, uid: d.UID, gid: d.GID}, a, setAll)
	}
	return nil
}

// Over has Finish of an Extractor with Hands set what archives have for directories: those are finished
// by now, and what this host wrote since then has changed their times.
func (x *Extractor) Over() { x.over = true }

// SweepRun has Finish remove what hosts of the run left unfinished: those that were killed, and others
// that did not get to the end. It is called before Finish, once nobody writes any more.
func (x *Extractor) SweepRun() { x.sweeps = x.o.Run != "" }

// sweepRun removes from a directory what hosts of the run left.
func (x *Extractor) sweepRun(fd int) {
	if x.sweeps {
		_ = x.remove(fd, func(name string) bool { return strings.HasPrefix(name, ofRun(x.o.Run)) })
	}
}

// ofRun begins the names of unfinished files of all hosts of a run. It is not that of a process.
func ofRun(run string) string { return TempPrefix + "@" + run + "-" }

// markName is the name of a file by which the hosts of a run know that they have one target.
func markName(run string) string { return ofRun(run) + "target" }

// Mark makes a file in the target by which other hosts know it. unmark removes it.
func Mark(target *os.Root, run string) (unmark func() error, err error) {
	f, err := target.OpenFile(markName(run), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("marking the target %s for other hosts: %w", target.Name(), err)
	}
	return func() error {
		err := target.Remove(markName(run))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}, nil
}

// An OtherTargetError says that a directory is not the target of other hosts, or that these do not
// write as the same user.
type OtherTargetError struct{ Target, Why string }

func (e *OtherTargetError) Error() string {
	return fmt.Sprintf("the target %s is not that of the other hosts: %s", e.Target, e.Why)
}

// markWait is how long a network file system may not show what another host made.
const markWait = time.Minute

// Marked waits until the target shows the file that Mark made on another host. The error is an
// *OtherTargetError, ctx's cause, or one of the target.
func Marked(ctx context.Context, target *os.Root, run string) error {
	top, err := target.Open(".")
	if err != nil {
		return fmt.Errorf("opening the target %s: %w", target.Name(), err)
	}
	defer top.Close()
	dir, began := int(top.Fd()), time.Now()
	for {
		var st unix.Stat_t
		err := fsys.Lstat(dir, markName(run), &st)
		switch {
		case err == nil:
			return sameUser(target, dir, run, st.Uid)
		case !errors.Is(err, unix.ENOENT):
			return fmt.Errorf("looking at the target %s: %w", target.Name(), err)
		case time.Since(began) >= markWait:
			return &OtherTargetError{target.Name(), "what the coordinator made in it is not there; all hosts must see one directory, of a file system that they share"}
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sameUser returns an error unless what this process makes in the target belongs to a user.
func sameUser(target *os.Root, dir int, run string, user uint32) error {
	name := New(Options{Run: run}).tempName()
	fd, err := fsys.Open(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("writing to the target %s: %w", target.Name(), err)
	}
	var st unix.Stat_t
	if err = errors.Join(fsys.Fstat(fd, &st), unix.Close(fd), unlinkat(dir, name, 0)); err != nil {
		return fmt.Errorf("writing to the target %s: %w", target.Name(), err)
	}
	if st.Uid != user {
		return &OtherTargetError{target.Name(), fmt.Sprintf("what this host makes in it belongs to user %d, and what the coordinator makes to user %d", st.Uid, user)}
	}
	return nil
}

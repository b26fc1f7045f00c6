package extract

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"firn/pipeline"
	"firn/stages/service/fsys"
)

// Finish gives directories their owners, ACLs, times and modes, and ends the Extractor. It is called once, after the last Extract has returned, also
// when one failed or the run was cancelled: directories are closed to others until then. What can't be set of
// a directory is reported as Partial, and in no Result; the error is that of the target as a whole, marked pipeline.Fatal.
func (x *Extractor) Finish() error {
	if x.top == nil {
		return nil
	}
	c := &chain{x: x}
	_, err := c.enter("", nil)
	if err == nil {
		err = x.finish(c)
	}
	c.close()
	top := x.top
	x.top, x.openErr = nil, errors.New("the restore has been finished already")
	x.dirs.index, x.dirs.root.first = nil, nil
	return errors.Join(err, top.Close())
}

// finish goes through all directories, what is in each before the directory itself: a parent's mode may bar the way.
func (x *Extractor) finish(c *chain) error {
	n := &x.dirs.root
	for {
		for n.first != nil {
			child := n.first
			n.first = child.next // and so done with
			if x.down(c, child) {
				n = child
			}
		}
		if n.is(setMode | setAll) {
			if err := x.complete(c, n); err != nil {
				return err
			}
		}
		if n.parent == nil {
			return nil
		}
		n = n.parent
		c.cut(len(c.levels) - 1)
	}
}

// down goes into a directory. If that can't be done, it is left as it is, with all in it.
func (x *Extractor) down(c *chain, n *node) bool {
	if n.is(gone) {
		return false
	}
	if n.first == nil && !n.is(setMode|setAll) {
		return false
	}
	path := below(c.path, n.name)
	err := c.reopen()
	if err == nil {
		err = c.push(path, n.name, nil)
	}
	if err != nil {
		x.report(Fault{Path: path, What: Partial, Err: fmt.Errorf("setting mode and time of the directory %q: %w", path, err)})
		return false
	}
	return true
}

// complete gives the chain's last directory what is to be set in the end.
func (x *Extractor) complete(c *chain, n *node) error {
	path := strings.Clone(c.path)
	if err := c.reopen(); err != nil {
		x.report(Fault{Path: path, What: Partial, Err: fmt.Errorf("setting mode and time of the directory %q: %w", path, err)})
		return nil
	}
	fd, f := c.last().fd, n.final
	var errs []error
	if n.is(setAll) {
		// The time comes before the mode, which may bar the way to ".".
		errs = append(errs, setTime(fd, ".", time.Unix(f.sec, int64(f.nsec))))
		if f.uid != keepID {
			errs = append(errs, doing("setting its owner", fsys.Retry(func() error { return unix.Fchown(fd, int(f.uid), int(f.gid)) })))
		}
	}
	errs = append(errs, doing("setting its mode", fsys.Retry(func() error { return unix.Fchmod(fd, f.mode) })))
	if n.is(setAll) && n.acl != nil {
		errs = append(errs, setACLs(fd, *n.acl)) // after the mode, as with files: see dress
	}
	err := errors.Join(errs...)
	if err == nil {
		return nil
	}
	err = x.explain(fmt.Errorf("restoring the directory %q: %w", path, err))
	if pipeline.IsFatal(err) {
		return err
	}
	x.report(Fault{Path: path, What: Partial, Err: err})
	return nil
}

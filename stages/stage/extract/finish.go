package extract

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"firn/pipeline"
)

// Finish does what Settle does, gives directories their owners, ACLs, times and modes, unless another
// Extractor does (see Options.Hands), and ends the Extractor. Without an error, everything is on the disk, so that a power cut takes nothing away. It
// must be called once, after the last Extract has returned, also after errors. What can't be set is reported
// as Partial, and in no Result; the error is that of the whole target, marked pipeline.Fatal.
func (x *Extractor) Finish() error {
	if x.top == nil {
		return nil
	}
	settled := x.Settle()
	c := &chain{x: x}
	var err error
	if !x.o.Hands || x.over {
		if _, err = c.enter("", nil); err == nil {
			err = x.finish(c)
		}
	}
	c.close()
	err = errors.Join(settled, err, x.sync())
	x.closeSystems()
	top := x.top
	x.top, x.openErr = nil, errors.New("the restore is finished already")
	x.dirs.index, x.dirs.root.first = nil, nil
	return errors.Join(err, top.Close())
}

// finish goes through all directories, what is in each before the directory itself: a parent's mode
// may bar the way. A directory that can't be entered is left as it is, with all in it.
func (x *Extractor) finish(c *chain) error {
	n := &x.dirs.root
	for {
		for n.first != nil {
			child := n.first
			n.first = child.next // and so done with
			if child.is(gone) || child.first == nil && !child.is(setMode|setAll|filled) {
				continue
			}
			err := c.reopen()
			path := below(c.path, child.name)
			if err == nil {
				err = c.push(path, child.name, nil)
			}
			if err == nil {
				n = child
			} else {
				x.unset(path, err)
			}
		}
		if x.sweeps && c.reopen() == nil {
			x.sweepRun(c.last().fd)
		}
		if n.is(setAll) || n.is(setMode) && !x.o.Hands {
			if err := x.complete(c, n); err != nil {
				return err
			}
		}
		if err := c.reopen(); err == nil {
			if err := x.syncEach(c.last().fd, n); err != nil {
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

func (x *Extractor) unset(path string, err error) {
	x.report(Fault{Path: path, What: Partial, Err: fmt.Errorf("setting mode and time of the directory %q: %w", path, err)})
}

// complete gives the chain's last directory what is to be set in the end.
func (x *Extractor) complete(c *chain, n *node) error {
	path := strings.Clone(c.path)
	if err := c.reopen(); err != nil {
		x.unset(path, err)
		return nil
	}
	at, f := handle{fd: c.last().fd}, n.final
	var errs []error
	if n.is(setAll) {
		// The time comes before the mode, which may bar the way to ".".
		errs = append(errs, setTime(at.fd, ".", time.Unix(f.sec, int64(f.nsec))))
		if f.uid != keepID {
			errs = append(errs, at.chown(f.uid, f.gid))
		}
	}
	errs = append(errs, at.chmod(f.mode))
	if n.is(setAll) && n.acl != nil {
		errs = append(errs, at.setXattrs(n.acl.list())) // after the mode: see setAttributes
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

package walk

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Cut emits every subtree, a directory's shell before what lies beneath it, and what lies in one directory in byte order of
// the names. fault is told of each directory above the depth that can't be listed whole, and of each entry that vanished.
//
// It ends with an error when the backup path can't be read, when emit returns one, and when ctx ends.
func (t *Tree) Cut(ctx context.Context, emit func(Subtree) error, fault func(path string, err error)) error {
	if t.o.Depth == 0 || t.file != "" {
		return emit(t.subtree("", false))
	}
	if err := emit(t.subtree("", true)); err != nil {
		return err
	}
	top, err := t.openTop()
	if err != nil {
		return fmt.Errorf("opening the backup path %s: %w", t.path, err)
	}
	c := &cutter{t: t, ctx: ctx, emit: emit, fault: fault}
	defer top.close()
	return c.list(top, 1)
}

// cutter is one call of Cut.
type cutter struct {
	t     *Tree
	ctx   context.Context
	emit  func(Subtree) error
	fault func(string, error)
	rel   []byte // path below the backup path of the entry or, with a slash at its end, of the directory at hand
}

func (c *cutter) here() string {
	return c.t.full(strings.TrimSuffix(string(c.rel), "/"))
}

// list cuts what is in d, whose entries are level levels below the backup path.
func (c *cutter) list(d *dir, level int) error {
	n, err := c.t.read(d, c.rel, takeAll)
	defer c.t.done(n)
	if err != nil {
		c.fault(c.here(), fmt.Errorf("listing the directory: %w", err))
	}
	end := len(c.rel)
	for i := range n.at {
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		if d.fd < 0 {
			c.fault(c.here(), errMoved)
			return nil
		}
		err := c.child(d, n, i, level)
		c.rel = c.rel[:end]
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cutter) child(d *dir, n *names, i, level int) error {
	// What the directory's listing tells is enough for most entries.
	atDepth, end := level == c.t.o.Depth, len(c.rel)
	if n.at[i].kind == kindOther && !atDepth {
		return nil
	}
	var st unix.Stat_t
	name := n.name(i)
	c.rel = append(c.rel, name...)
	if !atDepth || n.at[i].kind == kindUnknown || c.t.leavesOut() {
		taken, err := c.t.look(d, n, i, c.rel[:end:end], takeAll, &st)
		if err != nil {
			c.fault(c.here(), err)
			return nil
		}
		if !taken {
			return nil
		}
	}
	if atDepth {
		return c.emit(c.t.subtree(string(c.rel), false))
	}
	if !isDir(&st) {
		return nil
	}
	if err := c.emit(c.t.subtree(string(c.rel), true)); err != nil {
		return err
	}
	if !c.t.enters(&st, takeAll) {
		return nil
	}
	child, err := d.openDir(name, idOf(&st))
	if err != nil {
		c.fault(c.here(), err)
		return nil
	}
	defer child.close()
	d.enter()
	c.rel = append(c.rel, '/')
	err = c.list(child, level+1)
	d.back(child)
	return err
}

package walk

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// Cut emits every subtree: a directory's shell before what is in it, and the entries of one
// directory in byte order of their names. fault is called for each directory above the depth that
// can't be listed whole, and for each entry that vanished; left for each directory above the depth
// whose content is left out. Any other error, one of emit, and ctx's cause end it.
func (t *Tree) Cut(ctx context.Context, emit func(Subtree) error, fault func(path string, err error), left func(Left)) error {
	if t.o.Depth == 0 || t.file != "" {
		return emit(t.subtree("", false))
	}
	if err := emit(t.subtree("", true)); err != nil {
		return err
	}
	top, err := openDirAt(t.root, ".")
	if err != nil {
		return fmt.Errorf("opening the backup path %s: %w", t.path, err)
	}
	defer top.close()
	c := &cutter{descent: descent{t: t, ctx: ctx, fault: fault, left: left, path: []byte(t.within)}, emit: emit}
	c.child = c.cut
	return c.list(top, takeAll)
}

// cutter is one call of Cut.
type cutter struct {
	descent
	emit func(Subtree) error
}

func (c *cutter) cut(d *dir, n *names, i int, _ take) error {
	t, atDepth, rel := c.t, d.level+1 == c.t.o.Depth, c.rel()
	if n.at[i].kind == kindOther && !atDepth {
		return nil
	}
	var st unix.Stat_t
	name := n.name(i)
	c.path = append(c.path, name...)
	// At the depth, what the directory's listing says is enough for most entries.
	if !atDepth || n.at[i].kind == kindUnknown || len(t.leave)+len(t.leaveAt) > 0 {
		taken, err := t.look(d, n, i, rel, takeAll, &st)
		if err != nil {
			c.fault(c.here(), err)
			return nil
		}
		if !taken {
			return nil
		}
	}
	if atDepth {
		return c.emit(t.subtree(string(c.rel()), false))
	}
	if !isDir(&st) {
		return nil
	}
	if err := c.emit(t.subtree(string(c.rel()), true)); err != nil {
		return err
	}
	if t.otherFileSystem(&st) {
		c.left(Left{c.here(), false})
		return nil
	}
	c.path = append(c.path, '/')
	return c.into(place{dir: d, name: name}, &st, takeAll)
}

package walk

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// descent is what Cut and Entries share: one walk on its way down, in one goroutine.
type descent struct {
	t     *Tree
	ctx   context.Context
	fault func(path string, err error)
	left  func(Left) // may be nil
	path  []byte     // of the current entry or, with a slash at its end, of the current directory
	// child takes the entry i of n, the names in d. It appends to path, which is cut back after it.
	child func(d *dir, n *names, i int, tk take) error
}

// rel returns the current path below the backup path.
func (w *descent) rel() []byte { return w.path[len(w.t.within):] }

// here returns the current path for messages, without a slash at its end.
func (w *descent) here() string {
	return w.t.full(strings.TrimSuffix(string(w.rel()), "/"))
}

// list calls child for each entry of d that tk takes, as far as the listing alone decides that.
func (w *descent) list(d *dir, tk take) error {
	n, err := w.t.read(d, w.rel(), tk)
	defer w.t.done(n)
	if err != nil {
		w.fault(w.here(), fmt.Errorf("listing the directory: %w", err))
	}
	if n.tagged && w.left != nil {
		w.left(Left{w.here(), true})
	}
	end := len(w.path)
	for i := range n.at {
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		if d.fd < 0 {
			w.fault(w.here(), errMoved)
			return nil
		}
		err := w.child(d, n, i, tk)
		w.path = w.path[:end]
		if err != nil {
			return err
		}
	}
	return nil
}

// into lists the directory at p, which lstat showed as st. The current path is that directory's.
func (w *descent) into(p place, st *unix.Stat_t, tk take) error {
	d, err := p.dir.openDir(p.name, idOf(st))
	if err != nil {
		w.fault(w.here(), err)
		return nil
	}
	defer d.close()
	p.dir.enter()
	err = w.list(d, tk)
	p.dir.back(d)
	return err
}

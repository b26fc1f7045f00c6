package walk

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Entries streams the entries of a subtree: a directory before what is in it, and the entries of
// one directory in byte order of their names. fault is called for each entry that could not be read
// whole; a directory that can't be listed has been given to fn before. An error of the subtree's own
// entry, to which the caller adds the path, one of fn, and ctx's cause end it.
func (t *Tree) Entries(ctx context.Context, s Subtree, fn func(*Entry) error, fault func(path string, err error)) error {
	p, err := t.find(s.Path)
	if err != nil {
		return vanished(err)
	}
	defer p.dir.close()
	full := t.full(s.Path)
	w := &entryWalk{descent: descent{t: t, ctx: ctx, fault: fault, path: []byte(full)}, fn: fn, top: s.Base, base: -1}
	w.child = w.visit
	if strings.HasSuffix(full, s.Base) && s.Base != "." {
		w.base = len(full) - len(s.Base)
	}
	var st unix.Stat_t
	if err := p.lstat(&st); err != nil {
		return vanished(err)
	}
	tk := t.takes(s)
	if err := w.emit(p, &st); err != nil || !t.enters(&st, tk) {
		return err
	}
	w.path = append(w.path[:0], t.within+s.Path...)
	if s.Path != "" {
		w.path = append(w.path, '/')
	}
	return w.into(p, &st, tk)
}

// entryWalk is one call of Entries.
type entryWalk struct {
	descent
	fn    func(*Entry) error
	entry Entry
	top   string // the subtree's Base
	base  int    // where in path the name in the archive begins; -1: path does not hold it
}

// emit gives one entry to fn. An error of fn is returned, any other error is a fault.
func (w *entryWalk) emit(p place, st *unix.Stat_t) error {
	e := &w.entry
	e.Path = string(w.path)
	switch {
	case w.base >= 0:
		e.Name = e.Path[w.base:]
	case p.name == ".":
		e.Name = w.top
	default:
		e.Name = w.top + "/" + e.Path[len(w.t.within):]
	}
	if err := e.set(p, st); err != nil {
		w.fault(e.Path, fmt.Errorf("reading the link: %w", vanished(err)))
		return nil
	}
	return w.fn(e)
}

func (w *entryWalk) visit(d *dir, n *names, i int, tk take) error {
	var st unix.Stat_t
	taken, err := w.t.look(d, n, i, w.rel(), tk, &st)
	name := n.name(i)
	w.path = append(w.path, name...)
	if err != nil {
		w.fault(string(w.path), err)
		return nil
	}
	if !taken {
		return nil
	}
	p := place{dir: d, name: name}
	if err := w.emit(p, &st); err != nil || !w.t.enters(&st, takeAll) {
		return err
	}
	w.path = append(w.path, '/')
	return w.into(p, &st, takeAll)
}

package walk

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Entries streams the entries of a subtree: a directory before what is in it, the entries of a directory in byte order of
// their names. fault is told of each entry that could not be read whole, with its path for messages: of a directory that can't
// be listed, the directory's own entry has been given to fn before that.
//
// It ends with an error when the subtree's own entry can't be read, when fn returns one, and when ctx ends.
func (t *Tree) Entries(ctx context.Context, s Subtree, fn func(*Entry) error, fault func(path string, err error)) error {
	p, err := t.find(s.Path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", t.full(s.Path), vanished(err))
	}
	w := &entryWalk{t: t, ctx: ctx, fn: fn, fault: fault, path: []byte(t.full(s.Path)), below: len(t.children(""))}
	if strings.HasSuffix(string(w.path), s.Base) && s.Base != "." {
		w.base = len(w.path) - len(s.Base)
	} else {
		w.base, w.name = -1, []byte(s.Base)
	}
	defer p.dir.close()
	return w.top(p, t.takes(s))
}

// children returns what the paths of the entries in the directory rel begin with.
func (t *Tree) children(rel string) string {
	switch full := t.full(rel); full {
	case "/":
		return "/"
	case ".":
		return ""
	default:
		return full + "/"
	}
}

// entryWalk is one call of Entries.
type entryWalk struct {
	t     *Tree
	ctx   context.Context
	fn    func(*Entry) error
	fault func(string, error)
	entry Entry
	path  []byte // of the entry or, with a slash at its end, of the directory at hand
	below int    // where in path the path below the backup path begins
	base  int    // where in path the name in the archive begins; -1: it is built in name
	name  []byte
}

// top gives the subtree's own entry, and what is in it.
func (w *entryWalk) top(p place, tk take) error {
	var st unix.Stat_t
	if err := p.lstat(&st); err != nil {
		return fmt.Errorf("reading %s: %w", w.path, vanished(err))
	}
	if err := w.emit(p, &st); err != nil || !w.t.enters(&st, tk) {
		return err
	}
	if w.base < 0 {
		w.path = append(w.path[:0], w.t.children("")...)
		w.name = append(w.name, '/')
	} else {
		w.path = append(w.path, '/')
	}
	return w.open(p, &st, tk)
}

// emit gives one entry to fn. An error of fn is returned, anything else is a fault.
func (w *entryWalk) emit(p place, st *unix.Stat_t) error {
	e := &w.entry
	e.Path = string(w.path)
	if w.base >= 0 {
		e.Name = e.Path[w.base:]
	} else {
		e.Name = string(w.name)
	}
	if err := e.set(p, st); err != nil {
		w.fault(e.Path, fmt.Errorf("reading the link: %w", vanished(err)))
		return nil
	}
	return w.fn(e)
}

// open walks a directory whose own entry has been given to fn.
func (w *entryWalk) open(p place, st *unix.Stat_t, tk take) error {
	child, err := p.dir.openDir(p.name, idOf(st))
	if err != nil {
		w.fault(w.here(), err)
		return nil
	}
	defer child.close()
	p.dir.enter()
	err = w.list(child, tk)
	p.dir.back(child)
	return err
}

// here is the path of the directory at hand.
func (w *entryWalk) here() string {
	return strings.TrimSuffix(string(w.path), "/")
}

// list walks what is in d.
func (w *entryWalk) list(d *dir, tk take) error {
	n, err := w.t.read(d, w.path[w.below:], tk)
	defer w.t.done(n)
	if err != nil {
		w.fault(w.here(), fmt.Errorf("listing the directory: %w", err))
	}
	end, nameEnd := len(w.path), len(w.name)
	for i := range n.at {
		if err := w.ctx.Err(); err != nil {
			return context.Cause(w.ctx)
		}
		if d.fd < 0 {
			w.fault(w.here(), errMoved)
			return nil
		}
		err := w.child(d, n, i, tk)
		w.path = w.path[:end]
		w.name = w.name[:nameEnd]
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *entryWalk) child(d *dir, n *names, i int, tk take) error {
	var st unix.Stat_t
	end := len(w.path)
	taken, err := w.t.look(d, n, i, w.path[w.below:end:end], tk, &st)
	name := n.name(i)
	w.path = append(w.path, name...)
	if err != nil {
		w.fault(string(w.path), err)
		return nil
	}
	if !taken {
		return nil
	}
	if w.base < 0 {
		w.name = append(w.name, name...)
	}
	p := place{dir: d, name: name}
	if err := w.emit(p, &st); err != nil || !w.t.enters(&st, takeAll) {
		return err
	}
	w.path = append(w.path, '/')
	if w.base < 0 {
		w.name = append(w.name, '/')
	}
	return w.open(p, &st, takeAll)
}

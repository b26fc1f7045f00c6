package walk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// A Piece is a subtree that Cut would emit at some depth, and what Scan would say of it. It is valid
// inside the callback that it is given to.
type Piece struct {
	Sum
	Depth  int
	Path   []byte // below the backup path, "" for itself
	Shell  bool
	Socket bool // no archive holds it
}

// Full returns the path of a piece as a user would write it.
func (t *Tree) Full(p Piece) string { return t.full(string(p.Path)) }

// KeyOf returns the key of the object of a piece.
func (t *Tree) KeyOf(p Piece) string { return t.subtree(string(p.Path), p.Shell).Key }

// Survey walks the tree once and emits, in no order, the subtrees of every depth from 0 to deepest,
// whatever Options.Depth says. emit, fault and left are called one at a time: fault for what could
// not be read, left for each directory whose content is left out. Only what keeps the backup path
// itself from being read, and ctx's cause, end it with an error.
func (t *Tree) Survey(ctx context.Context, deepest int, emit func(Piece), fault func(path string, err error), left func(Left)) error {
	p, err := t.find("")
	if err != nil {
		return fmt.Errorf("opening the backup path %s: %w", t.path, vanished(err))
	}
	defer p.dir.close()
	var st unix.Stat_t
	if err := p.lstat(&st); err != nil {
		return fmt.Errorf("scanning %s: %w", t.path, vanished(err))
	}
	name := base(t.path)
	r := t.newRecorder(p.dir.fd, t.id.dev)
	r.estimates = true
	r.count(len(name), &st)
	w := &survey{t: t, ctx: ctx, deepest: deepest, emit: emit, fault: fault, left: left}
	if t.file != "" {
		for depth := range deepest + 1 {
			w.piece(Piece{Sum: r.sum.Sum, Depth: depth, Socket: fsys.Type(&st) == unix.S_IFSOCK})
		}
		return nil
	}
	all, plain, err := w.dir(p, idOf(&st), nil, len(name)+1, 0)
	if err != nil {
		return fmt.Errorf("opening the backup path %s: %w", t.path, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.directory(nil, 0, &r.sum.Sum, &all, &plain)
	return nil
}

// survey is one call of Survey.
type survey struct {
	t       *Tree
	ctx     context.Context
	deepest int

	mu    sync.Mutex // guards the calls
	emit  func(Piece)
	fault func(path string, err error)
	left  func(Left)
}

// directory emits a directory at a level: as a subtree of the depth of that level, and as a shell of
// every larger one. own is its entry, plain its children that are no directories, all its content.
func (w *survey) directory(rel []byte, level int, own, all, plain *Sum) {
	for depth := level; depth <= w.deepest; depth++ {
		sum := *own
		switch {
		case depth == level:
			sum.add(all)
		case depth > level+1:
			sum.add(plain)
		}
		w.piece(Piece{Sum: sum, Depth: depth, Path: rel, Shell: depth > level})
	}
}

// piece emits a subtree, whose sums are those of its entries.
func (w *survey) piece(p Piece) {
	p.TarBound += tarEnd
	p.Tar = tarSize(p.Tar)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.emit(p)
}

func (w *survey) failed(rel []byte, err error) {
	path := w.t.full(strings.TrimSuffix(string(rel), "/"))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault(path, err)
}

func (w *survey) leave(rel []byte, cache bool) {
	l := Left{w.t.full(strings.TrimSuffix(string(rel), "/")), cache}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left(l)
}

// dir surveys what is in the directory at p, whose children are at level+1. It returns the sums of all
// of it, and of the children that are no directories. rel and nameLen are as in scanWalk.dir. The error
// is that of opening it.
func (w *survey) dir(p place, id inode, rel []byte, nameLen, level int) (all, plain Sum, err error) {
	d, err := p.dir.openDir(p.name, id)
	if err != nil {
		return all, plain, err
	}
	p.dir.enter()
	defer func() {
		p.dir.back(d)
		d.close()
	}()
	n, err := w.t.read(d, rel, takeAll)
	defer w.t.done(n)
	if err != nil {
		w.failed(rel, fmt.Errorf("listing the directory: %w", err))
	}
	if n.tagged {
		w.leave(rel, true)
	}
	plain, below := w.entries(d, n, rel, nameLen, level+1)
	all = w.descend(d, n, below, rel, nameLen, level+1)
	all.add(&plain)
	return all, plain, nil
}

// surveyed is a directory in a directory: its place among the names, and what its own entry comes to.
type surveyed struct {
	at    int
	id    inode
	other bool // it is on another file system, and not entered
	own   Sum
}

// entries emits the entries in d that are no directories, and returns their sum, and the directories
// among them.
func (w *survey) entries(d *dir, n *names, rel []byte, nameLen, level int) (plain Sum, below []surveyed) {
	r := w.t.newRecorder(d.fd, d.id.dev)
	r.estimates = true
	var st unix.Stat_t
	for i := range n.at {
		if i%1024 == 0 && w.ctx.Err() != nil {
			return plain, nil
		}
		name := n.name(i)
		taken, err := w.t.look(d, n, i, rel, takeAll, &st)
		if err != nil {
			w.failed(append(slices.Clip(rel), name...), err)
			continue
		}
		if !taken {
			continue
		}
		r.sum.Sum = Sum{}
		r.count(nameLen+len(name), &st)
		if isDir(&st) {
			below = append(below, surveyed{i, idOf(&st), w.t.otherFileSystem(&st), r.sum.Sum})
			continue
		}
		plain.add(&r.sum.Sum)
		if level <= w.deepest {
			w.piece(Piece{Sum: r.sum.Sum, Depth: level, Path: append(slices.Clip(rel), name...), Socket: fsys.Type(&st) == unix.S_IFSOCK})
		}
	}
	return plain, below
}

// descend surveys the directories found in d, as scanWalk.descend does, and emits them. It returns what
// they come to.
func (w *survey) descend(d *dir, n *names, below []surveyed, rel []byte, nameLen, level int) (sum Sum) {
	var mu sync.Mutex // guards sum
	var others sync.WaitGroup
	for i := range below {
		s := &below[i]
		p := place{dir: d, name: n.name(s.at)}
		look := func(rel []byte) {
			rel = append(append(rel, p.name...), '/')
			all, plain := w.enter(p, s, rel, nameLen+len(p.name)+1, level)
			if level <= w.deepest {
				w.directory(rel[:len(rel)-1], level, &s.own, &all, &plain)
			}
			mu.Lock()
			defer mu.Unlock()
			sum.add(&s.own)
			sum.add(&all)
		}
		if i < len(below)-1 && d.level < maxOpen {
			own := slices.Clip(rel)
			others.Add(1)
			if w.t.share.TryGo(func() error { defer others.Done(); look(own); return nil }) {
				continue
			}
			others.Done()
		}
		look(rel)
	}
	others.Wait()
	return sum
}

// enter is dir for a directory that may not be entered.
func (w *survey) enter(p place, s *surveyed, rel []byte, nameLen, level int) (all, plain Sum) {
	switch {
	case w.ctx.Err() != nil:
	case s.other:
		w.leave(rel, false)
	case p.dir.fd < 0:
		w.failed(rel, errMoved)
	default:
		var err error
		if all, plain, err = w.dir(p, s.id, rel, nameLen, level); err != nil {
			w.failed(rel, err)
		}
	}
	return all, plain
}

package extract

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"firn/pipeline"
	"firn/stages/service/fsys"
)

// settling are the entries that wait for their names, in the order of their archives: files whose
// content may not be on the disk yet, and further names of files, which may be of these.
type settling struct {
	mu      sync.Mutex
	queue   []waiting
	bytes   int64           // in the files of the queue
	asked   bool            // for a Settle of the queue
	names   map[string]bool // paths of the queue, and of what is being named
	systems []*system

	one sync.Mutex // held by Settle
}

// The queue is long enough for one sync to serve many files, and short enough for a killed run to
// lose little of its work. At twice these numbers nothing is written until it is settled.
const (
	queueEntries = 2048
	queueBytes   = 64 << 20
)

// waiting is an entry that waits for its name.
type waiting struct {
	e      *entry
	base   string // of its archive
	result *Result
	temp   string  // name of the file in its directory; "" for a further name
	was    verdict // of the place
}

// wait adds an entry to the queue, and has Settle called when it is time to. The error is a stop.
func (w *writer) wait(e *entry, temp string, was verdict) error {
	ask, settle := w.queue(e, temp, was)
	var err error
	switch {
	case settle:
		err = w.x.Settle()
	case ask:
		err = w.full()
	}
	if err != nil {
		return stop{err}
	}
	return nil
}

func (w *writer) queue(e *entry, temp string, was verdict) (ask, settle bool) {
	s := &w.x.settling
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, waiting{e, w.base, w.result, temp, was})
	if s.names == nil {
		s.names = make(map[string]bool)
	}
	s.names[e.path] = true
	if temp != "" {
		s.bytes += e.header.Size
	}
	ask = !s.asked && (len(s.queue) >= queueEntries || s.bytes >= queueBytes)
	s.asked = s.asked || ask
	return ask, len(s.queue) >= 2*queueEntries || s.bytes >= 2*queueBytes
}

// waits reports whether an entry of a path waits for its name.
func (s *settling) waits(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[path]
}

// turn lets an earlier entry of the same path get its name first.
func (w *writer) turn(path string) error {
	if w.naming || !w.x.settling.waits(path) {
		return nil
	}
	if err := w.x.Settle(); err != nil {
		return stop{err}
	}
	return nil
}

// Settle gives the files that were written before the call their names, after their content is on
// the disk. It may be called at any time, also while Extract runs; a call waits for the one before.
// The error is that of the whole target, marked pipeline.Fatal: what waited for its name is removed.
func (x *Extractor) Settle() error {
	s := &x.settling
	s.one.Lock()
	defer s.one.Unlock()
	s.mu.Lock()
	queue := s.queue
	s.queue, s.bytes, s.asked = nil, 0, false
	s.mu.Unlock()
	if len(queue) == 0 {
		return nil
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		clear(s.names)
		for _, later := range s.queue {
			s.names[later.e.path] = true
		}
	}()
	var err error
	if slices.ContainsFunc(queue, func(q waiting) bool { return q.temp != "" }) {
		err = x.sync()
	}
	w := x.writers.Get().(*writer)
	w.here.x, w.there.x, w.naming = x, x, true
	defer w.end()
	for i := range queue {
		q := &queue[i]
		w.base, w.result = q.base, q.result
		if err == nil {
			err = w.settle(q.e.header.Name, w.name(q))
		} else if q.temp != "" {
			dir, _ := split(q.e.path)
			if d, entered := w.here.enter(dir, nil); entered == nil {
				_ = unlinkat(d.fd, q.temp, 0)
			}
		}
	}
	return err
}

// name gives an entry its name.
func (w *writer) name(q *waiting) error {
	if q.temp == "" {
		was, err := w.link(q.e)
		if err == nil {
			w.done(was, 0, 0)
		}
		return err
	}
	h := q.e.header
	dir, name := split(q.e.path)
	d, err := w.here.enter(dir, nil)
	if err != nil {
		return err
	}
	was, err := w.place(d, name, q.e, q.was, isThisFile(h), func(over bool) error {
		rename := renameNew
		if over {
			rename = renameat
		}
		return doing("renaming", rename(d.fd, q.temp, name))
	})
	if err != nil || was == right {
		err = errors.Join(err, unlinkat(d.fd, q.temp, 0))
	} else {
		w.x.dirs.wrote(d.node)
	}
	switch {
	case err != nil:
	case was == right:
		w.done(was, 0, 0)
	default:
		w.done(was, 1, h.Size)
	}
	return err
}

// system is a file system below the target. The directory is open until Finish: the system reports
// a fault of writing to each that was open when it happened.
type system struct {
	dev  uint64
	fd   int
	each bool // each file is synced by itself: one call for all does not promise enough
}

// systemOf returns the file system of an open directory.
func (x *Extractor) systemOf(fd int, st *unix.Stat_t) (*system, error) {
	x.settling.mu.Lock()
	defer x.settling.mu.Unlock()
	for _, s := range x.settling.systems {
		if s.dev == uint64(st.Dev) {
			return s, nil
		}
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening it a second time: %w", err)
	}
	s := &system{dev: uint64(st.Dev), fd: own, each: syncsEach(fd)}
	x.settling.systems = append(x.settling.systems, s)
	return s, nil
}

// sync has everything that was written to the target before on the disk. It is a fault of the whole
// target if it fails: which files are lost, the system does not say.
func (x *Extractor) sync() error {
	x.settling.mu.Lock()
	systems := slices.Clone(x.settling.systems)
	x.settling.mu.Unlock()
	for _, s := range systems {
		if s.each {
			continue
		}
		if err := fsys.Retry(func() error { return syncfs(s.fd) }); err != nil {
			return x.unsynced(err)
		}
	}
	return nil
}

func (x *Extractor) unsynced(err error) error {
	return pipeline.Fatal(&TargetError{x.o.Target.Name(), doing("writing files to the disk (syncfs, fsync)", err)})
}

// syncEach has a file or directory on the disk that no call for all of them takes care of.
func (x *Extractor) syncEach(fd int, n *node) error {
	if s := n.system.Load(); s == nil || !s.each {
		return nil
	}
	if err := fsys.Retry(func() error { return unix.Fsync(fd) }); err != nil {
		return x.unsynced(err)
	}
	return nil
}

func (x *Extractor) closeSystems() {
	for _, s := range x.settling.systems {
		fsys.CloseRead(s.fd)
	}
	x.settling.systems = nil
}

package extract

import (
	"archive/tar"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// writer writes the entries of one archive; its buffers serve many archives, one after the other.
type writer struct {
	x        *Extractor
	in       tap
	tar      *tar.Reader
	base     string // clean; where the archive's top is, relative to the target
	selected func(name string, dir bool) bool
	limits   Limits
	full     func() error // called when Settle is to be called
	naming   bool         // it is Settle's
	result   *Result
	entries  int64
	bytes    int64

	here   chain // where entries are written
	there  chain // where the first names of hard links are
	passed passed
	buf    []byte
}

// entry is one entry of the archive.
type entry struct {
	header *tar.Header
	name   string // clean, in the archive; "." for its top
	path   string // clean, relative to the target
	// What a list says, which has no attributes, and that there are some.
	listed, attrs bool
}

// end closes what is open, and gives the writer back for the next archive.
func (w *writer) end() {
	w.here.close()
	w.there.close()
	w.in.r.Reset(nil)
	x := w.x
	*w = writer{x: x, in: tap{r: w.in.r}, here: w.here, there: w.there, buf: w.buf}
	x.writers.Put(w)
}

// entry writes one entry. The error is that of the entry, unless it is a stop.
func (w *writer) entry(h *tar.Header) error {
	if isComment(h) {
		return nil
	}
	name, err := memberName(h)
	if err != nil {
		return err
	}
	e := &entry{header: h, name: name, path: w.base}
	if name != "." {
		e.path = below(w.base, name)
	}
	isDir := isDirectory(h)
	if w.selected != nil && !w.selected(name, isDir) {
		if isDir {
			w.passed.add(e)
		}
		return nil
	}
	was := absent
	switch h.Typeflag {
	case tar.TypeLink:
		dir, _ := split(e.path)
		if _, err := w.here.enter(dir, w.implied); err != nil {
			return err
		}
		return w.wait(e, "", absent)
	case tar.TypeSymlink:
		was, err = w.symlink(e)
	case tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
		was, err = w.special(e)
	default:
		if !isDir {
			if err := typeError(h); err != nil {
				return err
			}
			return w.file(e)
		}
		err = w.directory(e)
	}
	if err == nil {
		w.done(was, 0, 0)
	}
	return err
}

// done counts an entry that is in place, with the file that was written for it.
func (w *writer) done(was verdict, files, bytes int64) {
	w.x.counting.Lock()
	defer w.x.counting.Unlock()
	w.result.Entries++
	w.result.Files += files
	w.result.Bytes += bytes
	if was == right {
		w.result.Kept++
	}
}

// count compares the archive with its limits.
func (w *writer) count(h *tar.Header) error {
	if err := w.countEntry(); err != nil {
		return err
	}
	most := w.limits.MaxBytes
	if most == 0 {
		return nil
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		if h.Size > most-w.bytes {
			return &LimitError{"bytes", most}
		}
		w.bytes += h.Size
	}
	return nil
}

func (w *writer) countEntry() error {
	w.entries++
	if most := w.limits.MaxEntries; most > 0 && w.entries > most {
		return &LimitError{"entries", most}
	}
	return nil
}

// verdict says what is where an entry should be.
type verdict int

const (
	absent  verdict = iota // nothing
	right                  // the entry, as the archive has it
	replace                // something that may be overwritten
)

// isRight reports whether what is at a place, which lstat shows as st, is what the archive has.
type isRight func(at handle, st *unix.Stat_t) bool

// first is look in a directory just entered. In one that this run made, there is nothing older than
// the run, so the system is not asked: making the entry will show.
func (w *writer) first(d *level, name string, e *entry, ok isRight) (verdict, error) {
	if d.node.is(fresh) {
		return absent, nil
	}
	if err := w.x.sweep(d); err != nil {
		return absent, err
	}
	return w.look(d, name, e, ok)
}

// look finds what is where e should be. An empty directory is removed if it may be replaced. The
// error is ErrExists if what is there stays.
func (w *writer) look(d *level, name string, e *entry, ok isRight) (verdict, error) {
	var st unix.Stat_t
	err := fsys.Lstat(d.fd, name, &st)
	switch {
	case errors.Is(err, unix.ENOENT):
		return absent, nil
	case err != nil:
		return absent, err
	case ok(handle{d.fd, name}, &st):
		return right, nil
	case !w.mayReplace(&st, e):
		return absent, ErrExists
	case fsys.Type(&st) != unix.S_IFDIR:
		return replace, nil
	}
	err = unlinkat(d.fd, name, unix.AT_REMOVEDIR)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return absent, ErrNotEmpty
	}
	if err == nil {
		w.x.dirs.forget(d.node, name)
	}
	return absent, err
}

func (w *writer) mayReplace(st *unix.Stat_t, e *entry) bool {
	switch w.x.o.Overwrite {
	case Always:
		return true
	case IfOlder:
		return time.Unix(st.Mtim.Unix()).Before(e.header.ModTime) && !sameTime(st, e.header.ModTime)
	}
	return false
}

// maxTries is how often an entry is tried to be put in its place while others make and remove
// entries of its name.
const maxTries = 4

var errUnsteady = errors.New("others make and remove entries of that name all the time")

// place calls put until nothing that others make comes in between. over says that put is to
// replace what is there; without it, put fails with EEXIST.
func (w *writer) place(d *level, name string, e *entry, was verdict, ok isRight, put func(over bool) error) (verdict, error) {
	for range maxTries {
		err := put(was == replace)
		if !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EISDIR) {
			return was, err
		}
		if was, err = w.look(d, name, e, ok); err != nil || was == right {
			return was, err
		}
	}
	return was, errUnsteady
}

// create makes an entry with one system call, mk: under its name if nothing is there, else under
// another name that then replaces what is there. It returns the directory and what was there.
func (w *writer) create(e *entry, ok isRight, mk func(at handle) error) (d *level, was verdict, err error) {
	dir, name := split(e.path)
	if err := w.turn(e.path); err != nil {
		return nil, absent, err
	}
	if d, err = w.here.enter(dir, w.implied); err != nil {
		return nil, absent, err
	}
	if was, err = w.first(d, name, e, ok); err != nil || was == right {
		return d, was, err
	}
	was, err = w.place(d, name, e, was, ok, func(over bool) error {
		if !over {
			return mk(handle{d.fd, name})
		}
		temp := w.x.tempName()
		if err := mk(handle{d.fd, temp}); err != nil {
			return err
		}
		if err := renameat(d.fd, temp, name); err != nil {
			return errors.Join(doing("renaming", err), unlinkat(d.fd, temp, 0))
		}
		return nil
	})
	return d, was, err
}

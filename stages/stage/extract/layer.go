package extract

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// layer is one archive being laid down; its buffers serve many, one after the other.
type layer struct {
	x        *Extractor
	in       tap
	tar      *tar.Reader
	base     string // clean; where the archive's top is, relative to the target
	selected func(string) bool
	limits   Limits
	result   Result
	entries  int64
	bytes    int64

	here   chain  // where entries are laid down
	there  chain  // where those are that hard links repeat
	passed passed // see there
	buf    []byte
}

// entry is one entry of the archive.
type entry struct {
	header *tar.Header
	name   string // clean, in the archive; "." for its top
	path   string // clean, relative to the target
}

func (l *layer) begin(ctx context.Context, r io.Reader, selected func(string) bool, limits Limits) {
	l.in.r.Reset(r)
	l.in.ctx, l.in.n, l.in.zeros = ctx, 0, 0
	l.tar = tar.NewReader(&l.in)
	l.selected, l.limits = selected, limits
	l.result, l.entries, l.bytes = Result{}, 0, 0
	l.here.x, l.there.x = l.x, l.x
}

// end closes what is open, and lets go of all that belongs to one archive.
func (l *layer) end() {
	l.here.close()
	l.there.close()
	l.in.r.Reset(nil)
	l.in.ctx, l.tar, l.selected, l.passed = nil, nil, nil, nil
}

// all lays down the whole archive.
func (l *layer) all() error {
	last := ""
	for {
		h, err := l.tar.Next()
		switch {
		case errors.Is(err, io.EOF):
			if err := l.in.rest(); err != nil {
				return fmt.Errorf("reading the end of the archive: %w", err)
			}
			return nil
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return l.unreadable(last, err)
		}
		last = h.Name
		if err := l.count(h); err != nil {
			return err
		}
		if err := l.settle(h.Name, l.entry(h)); err != nil {
			return err
		}
	}
}

func (l *layer) unreadable(after string, err error) error {
	if after == "" {
		return fmt.Errorf("reading the first entry of the archive: %w", err)
	}
	return fmt.Errorf("reading the archive from its entry %q on: %w", after, err)
}

// entry lays down one entry. The error is that of the entry, unless it is a stop.
func (l *layer) entry(h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == 'V' { // a comment; GNU tar's name of the whole archive
		return nil
	}
	name, err := clean(h.Name)
	if err == nil && h.Name == "" {
		err = refusal{ErrNoName}
	}
	if err != nil {
		return err
	}
	e := &entry{header: h, name: name, path: below(l.base, name)}
	if name == "" {
		e.name = "."
	}
	isDir := isDirectory(h)
	if l.selected != nil && !l.selected(e.name) {
		if isDir {
			l.passed.add(e)
		}
		return nil
	}
	if isDir {
		return l.directory(e)
	}
	if name == "" {
		return refusal{ErrNoName}
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return l.file(e)
	case tar.TypeLink:
		return l.link(e)
	case tar.TypeSymlink:
		return l.symlink(e)
	case tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
		return l.special(e)
	}
	return fmt.Errorf("%w (type %q)", ErrType, h.Typeflag)
}

// count holds the archive against its limits.
func (l *layer) count(h *tar.Header) error {
	if err := l.countEntry(); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		if most := l.limits.MaxBytes; most > 0 && h.Size > most-l.bytes {
			return &LimitError{"bytes", most}
		}
		if l.limits.MaxBytes > 0 {
			l.bytes += h.Size
		}
	}
	return nil
}

func (l *layer) countEntry() error {
	l.entries++
	if most := l.limits.MaxEntries; most > 0 && l.entries > most {
		return &LimitError{"entries", most}
	}
	return nil
}

// verdict says what stands where an entry should be.
type verdict int

const (
	absent  verdict = iota // nothing
	right                  // the entry, as the archive has it
	replace                // something that may be overwritten
)

// first is look for a directory just entered. In one that this run made, there is nothing that is not of this run, so
// that nothing is asked of the system: making the entry will tell.
func (l *layer) first(d *level, name string, e *entry, isRight func(*unix.Stat_t) bool) (verdict, error) {
	if d.node.is(fresh) {
		return absent, nil
	}
	if err := l.x.sweep(d); err != nil {
		return absent, err
	}
	return l.look(d, name, e, isRight)
}

// look tells what stands where e should be. An empty directory is removed if it may be replaced. The error is ErrExists if what is
// there stays.
func (l *layer) look(d *level, name string, e *entry, isRight func(*unix.Stat_t) bool) (verdict, error) {
	var st unix.Stat_t
	err := fsys.Lstat(d.fd, name, &st)
	switch {
	case errors.Is(err, unix.ENOENT):
		return absent, nil
	case err != nil:
		return absent, err
	case isRight(&st):
		l.result.Kept++
		l.result.Entries++
		return right, nil
	case !l.mayReplace(&st, e):
		l.result.Kept++
		return absent, ErrExists
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return replace, nil
	}
	err = unlinkat(d.fd, name, unix.AT_REMOVEDIR)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return absent, ErrNotEmpty
	}
	if err == nil {
		l.x.dirs.forget(d.node, name)
	}
	return absent, err
}

func (l *layer) mayReplace(st *unix.Stat_t, e *entry) bool {
	switch l.x.o.Overwrite {
	case Always:
		return true
	case IfOlder:
		return modTime(st).Before(e.header.ModTime) && !sameTime(st, e.header.ModTime)
	}
	return false
}

// create makes an entry that one call of the system makes whole but for its attributes: under its name if nothing is there, else under another one
// that then takes the place of what is there. It returns the name that the entry has now, and whether it was right already.
func (l *layer) create(d *level, name string, e *entry, isRight func(*unix.Stat_t) bool, mk func(name string) error) (was verdict, err error) {
	if was, err = l.first(d, name, e, isRight); err != nil || was == right {
		return was, err
	}
	for range maxTries {
		if was == absent {
			if err = mk(name); !errors.Is(err, unix.EEXIST) {
				return was, err
			}
		} else {
			return was, l.swap(d, name, mk)
		}
		if was, err = l.look(d, name, e, isRight); err != nil || was == right {
			return was, err
		}
	}
	return was, errUnsteady
}

// maxTries is how often an entry is tried to be put in its place while others make and remove entries of its name.
const maxTries = 4

var errUnsteady = errors.New("others make and remove entries of that name all the time")

func (l *layer) swap(d *level, name string, mk func(name string) error) error {
	temp := l.x.tempName()
	if err := mk(temp); err != nil {
		return err
	}
	if err := renameat(d.fd, temp, name); err != nil {
		return errors.Join(fmt.Errorf("renaming: %w", err), unlinkat(d.fd, temp, 0))
	}
	return nil
}

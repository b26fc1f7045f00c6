package extract

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"firn/pipeline"
)

// Kind says what became of an entry that was not restored whole.
type Kind string

// The kinds of fault.
const (
	// Failed: the entry is not there.
	Failed Kind = "not restored"
	// Refused: the entry is not there, because it would have been written outside the target or
	// through a link, which no tar of a tree has, or because of Limits.Harmless.
	Refused Kind = "refused"
	// Partial: the entry is there, but not with the owner, attributes, mode or time of the archive.
	Partial Kind = "restored in part"
	// Exists: something else was there, and stays because of Overwrite.
	Exists Kind = "kept what is there"
)

// Fault is the report of one entry.
type Fault struct {
	Path string // relative to the target; of a refused entry, its name as it is in the archive, raw
	What Kind
	Err  error // never nil; says what was being done to Path, and why it failed
	// In is the result that counts it, of an archive; nil for one of Finish.
	In *Result
}

// The reasons for Refused.
var (
	ErrAbsolute = errors.New("the name begins with a slash, which would lead out of the target")
	ErrDotDot   = errors.New("the name holds \"..\", which would lead out of its place")
	ErrNUL      = errors.New("the name holds a NUL byte")
	ErrNoName   = errors.New("there is no name")
	ErrThrough  = errors.New("the name leads through a symbolic link")
	ErrDevice   = errors.New("it is a device, in an archive that nothing proves")
)

// Other reasons.
var (
	// ErrExists is the reason for Exists. Another Overwrite replaces what is there.
	ErrExists = errors.New("something else is there already, and stays")
	// ErrNotEmpty: a directory is where something else should be. Only its owner can decide about it.
	ErrNotEmpty = errors.New("a directory that is not empty is in its place")
	// ErrType: firn does not know such entries.
	ErrType = errors.New("it is of a type that can't be restored")
)

// LinkError is why a hard link could not be made: Target, which alone has the content, was not
// selected or not restored. To select Target too, in another run, is the remedy.
type LinkError struct {
	Target string // name in the archive of the entry that has the content
	Err    error
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("it is a further name of %q, which is not there as the archive has it: %v", e.Target, e.Err)
}

// Unwrap returns the cause.
func (e *LinkError) Unwrap() error { return e.Err }

// LimitError ends an archive that holds more than Limits allows.
type LimitError struct {
	What  string // "entries" or "bytes"
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the archive holds more than %d %s, which is the limit", e.Limit, e.What)
}

// TargetError is a fault of the whole target, which ends the run: ENOSPC, EDQUOT or EROFS, or what
// was written did not reach the disk.
type TargetError struct {
	Target string
	Err    error
}

func (e *TargetError) Error() string {
	return fmt.Sprintf("nothing more can be written to the target %s: %v", e.Target, e.Err)
}

// Unwrap returns the cause.
func (e *TargetError) Unwrap() error { return e.Err }

// ErrOutside ends an archive with an entry that does not belong to the path that was saved.
var ErrOutside = errors.New("its entries are not those of the path that its key says")

// refusal marks an error of an entry as Refused.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// stop marks an error that ends the archive.
type stop struct{ error }

func (s stop) Unwrap() error { return s.error }

// explain marks an error that any other entry would meet as well as fatal.
func (x *Extractor) explain(err error) error {
	switch {
	case err == nil || pipeline.IsFatal(err):
		return err
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS):
		return pipeline.Fatal(&TargetError{x.o.Target.Name(), err})
	case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE):
		return pipeline.Fatal(err)
	}
	return err
}

// settle turns the error of one entry into a report; what it returns ends the archive.
func (w *writer) settle(name string, err error) error {
	if err == nil {
		return nil
	}
	var end stop
	if errors.As(err, &end) {
		return end.error
	}
	what, at := Failed, path.Join(w.base, name)
	var refused refusal
	switch {
	case errors.As(err, &refused):
		what, at = Refused, name
	case errors.Is(err, ErrExists):
		what = Exists
	}
	err = w.x.explain(fmt.Errorf("restoring %q: %w", at, err))
	if pipeline.IsFatal(err) {
		return err
	}
	w.x.counting.Lock()
	if what == Exists {
		w.result.Kept++
	} else {
		w.result.Faults++
	}
	w.x.counting.Unlock()
	w.x.report(Fault{Path: at, What: what, Err: err, In: w.result})
	return nil
}

// partial reports what could not be done to an entry that is there, if anything.
func (w *writer) partial(e *entry, errs ...error) {
	if err := errors.Join(errs...); err != nil {
		at := path.Join(w.base, e.name)
		w.x.counting.Lock()
		w.result.Faults++
		w.x.counting.Unlock()
		w.x.report(Fault{Path: at, What: Partial, Err: fmt.Errorf("restoring %q: %w", at, err), In: w.result})
	}
}

func (x *Extractor) report(f Fault) {
	if x.o.Report == nil {
		return
	}
	x.reporting.Lock()
	defer x.reporting.Unlock()
	x.o.Report(f)
}

package extract

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"firn/pipeline"
)

// Kind says what became of an entry that was not restored whole.
type Kind int

// The kinds of fault.
const (
	// Failed: the entry is not there.
	Failed Kind = iota + 1
	// Refused: the entry is not there, because it would have been laid down outside the target, or through a link. Nobody's
	// tar writes such entries of a tree: the archive was made to do harm.
	Refused
	// Partial: the entry is there, but something about it is not as the archive has it: owner, attributes, mode or time.
	Partial
	// Exists: something else was there, and Overwrite let it stay.
	Exists
)

func (k Kind) String() string {
	switch k {
	case Failed:
		return "not restored"
	case Refused:
		return "refused"
	case Partial:
		return "restored in part"
	case Exists:
		return "kept what is there"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Fault is the report of one entry.
type Fault struct {
	Path string // relative to the target; of a refused entry, its name as it is in the archive, raw
	What Kind
	Err  error // never nil; says what was being done to Path, and why it failed
}

// Error gives the whole message; Path is in it.
func (f Fault) Error() string { return f.Err.Error() }

// Unwrap gives the cause.
func (f Fault) Unwrap() error { return f.Err }

// The reasons for Refused.
var (
	ErrAbsolute = errors.New("the name begins with a slash, which would lead out of the target")
	ErrDotDot   = errors.New("the name holds \"..\", which would lead out of its place")
	ErrNUL      = errors.New("the name holds a NUL byte")
	ErrNoName   = errors.New("there is no name")
	ErrThrough  = errors.New("the name leads through a symbolic link")
)

// Other reasons.
var (
	// ErrExists is the reason for Exists. Another Overwrite replaces what is there.
	ErrExists = errors.New("something else is there already, and stays")
	// ErrNotEmpty: a directory stands where something else should be.
	ErrNotEmpty = errors.New("a directory that is not empty stands in its place; remove it by hand if it is not needed")
	// ErrType: firn knows nothing of such entries.
	ErrType = errors.New("it is of a type that can't be restored")
)

// LinkError is why a further name of a file (a hard link) could not be made: its first name, which alone has the content, is not there as
// the archive has it, because it was not selected or not restored. Selecting Target too, in another pass, is the remedy.
type LinkError struct {
	Target string // name in the archive of the entry that has the content
	Err    error
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("it is a further name of %q, which is not there as the archive has it: %v; restore that one too", e.Target, e.Err)
}

func (e *LinkError) Unwrap() error { return e.Err }

// LimitError ends an archive that asks for more than Limits allows.
type LimitError struct {
	What  string // "entries" or "bytes"
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the archive holds more than %d %s, which is the limit; if it is to be trusted, set a larger one and restore again", e.Limit, e.What)
}

// refusal marks an error of an entry as Refused.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// stop marks an error that ends the archive.
type stop struct{ error }

func (s stop) Unwrap() error { return s.error }

// explain marks faults of the target as a whole as fatal, and says what to do.
func (x *Extractor) explain(err error) error {
	switch {
	case err == nil || pipeline.IsFatal(err):
		return err
	case errors.Is(err, unix.ENOSPC):
		return pipeline.Fatal(fmt.Errorf("%w: the target %s is full (of bytes or of files); make room and run the same command again, it goes on where it stopped", err, x.o.Target.Name()))
	case errors.Is(err, unix.EDQUOT):
		return pipeline.Fatal(fmt.Errorf("%w: the quota on the target %s is used up; make room and run the same command again, it goes on where it stopped", err, x.o.Target.Name()))
	case errors.Is(err, unix.EROFS):
		return pipeline.Fatal(fmt.Errorf("%w: the target %s can't be written to; mount it for writing or name another target", err, x.o.Target.Name()))
	case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE):
		return pipeline.Fatal(fmt.Errorf("%w: raise the limit on open files (ulimit -n), or let fewer archives be restored at once", err))
	}
	return err
}

// settle turns the error of one entry into a report; what it returns ends the archive.
func (l *layer) settle(name string, err error) error {
	if err == nil {
		return nil
	}
	var end stop
	if errors.As(err, &end) {
		return end.error
	}
	what, at := Failed, path.Join(l.base, name)
	var refused refusal
	switch {
	case errors.As(err, &refused):
		what, at = Refused, name
	case errors.Is(err, ErrExists):
		what = Exists
	}
	err = l.x.explain(fmt.Errorf("restoring %q: %w", at, err))
	if pipeline.IsFatal(err) {
		return err
	}
	l.fault(at, what, err)
	return nil
}

// partial reports what could not be done to an entry that is there.
func (l *layer) partial(name string, err error) {
	at := path.Join(l.base, name)
	l.fault(at, Partial, fmt.Errorf("restoring %q: %w", at, err))
}

func (l *layer) fault(at string, what Kind, err error) {
	if what != Exists {
		l.result.Faults++
	}
	l.x.report(Fault{Path: at, What: what, Err: err})
}

func (x *Extractor) report(f Fault) {
	if x.o.Report == nil {
		return
	}
	x.reporting.Lock()
	defer x.reporting.Unlock()
	x.o.Report(f)
}

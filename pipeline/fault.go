package pipeline

import (
	"errors"
	"fmt"
)

// ErrStopped is returned by Run.Wait after a soft stop that left something untaken.
var ErrStopped = errors.New("stopped before everything was taken")

// A Fault is the failure of one item. It does not stop the run.
type Fault struct {
	Stage string // name of the stage in which it happened
	Item  any    // as the stage got it; it may be dropped already; its String method still works
	Err   error
}

// Error names the stage, the item (its String method, else its %v form) and the cause.
func (f Fault) Error() string { return fmt.Sprintf("%s: %v: %v", f.Stage, f.Item, f.Err) }

// Unwrap gives the cause.
func (f Fault) Unwrap() error { return f.Err }

type fatalError struct{ err error }

func (e fatalError) Error() string { return e.err.Error() }
func (e fatalError) Unwrap() error { return e.err }

// Fatal marks err as a fault of the run, which it cancels. Fatal(nil) is nil.
func Fatal(err error) error {
	if err == nil || IsFatal(err) {
		return err
	}
	return fatalError{err}
}

// IsFatal reports whether err was marked by Fatal.
func IsFatal(err error) bool {
	_, ok := errors.AsType[fatalError](err)
	return ok
}

// A Dropper is an item that owns something (a file, a share of a budget). Drop is called once, with
// the reason, when the engine discards the item: in a cancelled run, or after a soft stop.
type Dropper interface{ Drop(reason error) }

func drop(item any, reason error) {
	if d, ok := item.(Dropper); ok {
		d.Drop(reason)
	}
}

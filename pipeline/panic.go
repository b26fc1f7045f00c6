package pipeline

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// A PanicError is a panic in a function that the engine called. It is a fault of the run: see
// Fatal.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that panicked, as runtime/debug.Stack writes it
}

func (p *PanicError) Error() string {
	return fmt.Sprintf("a defect of this program: panic: %v", p.Value)
}

// errPanicked is why an item is dropped whose function panicked.
var errPanicked = errors.New("a panic")

// guard runs fn and returns its panic as an error.
func guard(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = Fatal(&PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	return fn()
}

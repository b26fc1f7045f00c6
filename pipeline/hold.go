package pipeline

import "context"

// Hold passes items on, but keeps those for which waits is true. Once in is closed, ready is called
// with them, and those that it returns are passed on. waits owns no item; ready owns those that it
// does not return, and all with an error, which is a fault of the run unless it is ErrStopped. A soft
// stop drops what is not passed on yet. Beside the items that wait, ahead items at most are kept that
// nobody takes yet, so that what comes before runs ahead of what comes after.
func Hold[T any](r *Run, in <-chan T, ahead int, waits func(context.Context, T) bool, ready func(context.Context, []T) ([]T, error)) <-chan T {
	out := make(chan T, ahead)
	r.Go(func(ctx context.Context) error {
		defer close(out)
		var held []T
		defer func() { // in is drained, whatever happens
			for item := range in {
				drop(item, errPanicked)
			}
		}()
		for item := range in {
			if ctx.Err() == nil && waits(ctx, item) {
				held = append(held, item)
				continue
			}
			passTo(r, out, item, nil)
		}
		held, err := ready(ctx, held)
		if err != nil {
			return err
		}
		for _, item := range held {
			passTo(r, out, item, r.stopping)
		}
		return nil
	})
	return out
}

// passTo passes an item on, or drops it if the run is cancelled, or stop, if not nil, is closed.
func passTo[T any](r *Run, out chan<- T, item T, stop <-chan struct{}) {
	reason := r.refused(stop)
	if reason == nil {
		select {
		case out <- item:
			return
		case <-r.ctx.Done():
		}
		reason = context.Cause(r.ctx)
	}
	drop(item, reason)
}

package pipeline

import (
	"context"
	"errors"
	"time"
)

// ErrTaken: there are no more items to take.
var ErrTaken = errors.New("all items were taken")

// An exchange joins runs on any hosts: one offers items, and the others take them, each under a lease.
// Nothing here knows who carries them.

// An Offering keeps items for runs on any hosts to take.
type Offering[T any] interface {
	// Offer returns once the item is kept. It waits while enough items are kept already. It owns the
	// item.
	Offer(ctx context.Context, item T) error
	// Offered says that nothing more will be offered.
	Offered()
}

// A Taking hands out what others offer.
type Taking interface {
	// Take waits for an item. The error is ErrTaken once there will be none any more, or ctx's cause.
	Take(ctx context.Context) (Lease, error)
}

// A Lease is an item that was taken. It is the holder's until its term is over: then it is handed out
// again, unless it was renewed. One of Done and Return ends it.
type Lease interface {
	ID() string
	Body() []byte
	Try() int            // how often the item was handed out: 1 for the first time
	Term() time.Duration // of the lease, from now or the last Renew
	// Renew begins the term anew.
	Renew(ctx context.Context) error
	// Done ends the item, and returns once the exchange knows.
	Done(ctx context.Context) error
	// Return hands the item back, to be handed out again after a time.
	Return(ctx context.Context, after time.Duration) error
}

// Publish is a Sink that offers each item, and says when all were. To wait for room is no work.
func Publish[T any](s *Stage, in <-chan T, x Offering[T]) {
	offered := Map(s, in, func(ctx context.Context, item T, _ func(struct{}) error) error {
		err := s.Blocked(func() error { return x.Offer(ctx, item) })
		if err == nil {
			s.itemsOut.Add(1)
		}
		return err
	})
	s.run.flow.Go(func() {
		for range offered { // nothing comes: it ends once the last item was offered
		}
		x.Offered()
	})
}

// Taken is a Source of the items that are handed out, as decode reads them, until there are none any
// more. decode owns the lease, also when it returns an error, and so does the item that it returns.
// After a soft stop no more are taken.
func Taken[T any](s *Stage, x Taking, decode func(Lease) (T, error)) <-chan T {
	return Source(s, func(ctx context.Context, emit func(T) error) error {
		taking, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		s.run.flow.Go(func() {
			select {
			case <-s.run.stopping:
				stop(ErrStopped)
			case <-taking.Done():
			}
		})
		for {
			var lease Lease
			err := s.Blocked(func() (err error) {
				lease, err = x.Take(taking)
				return err
			})
			switch {
			case errors.Is(err, ErrTaken):
				return nil
			case err != nil && taking.Err() != nil:
				return context.Cause(taking)
			case err != nil:
				return err
			}
			id := lease.ID()
			item, err := decode(lease)
			if err != nil {
				s.Fault(id, err)
				continue
			}
			if err := emit(item); err != nil {
				return err
			}
		}
	})
}

package check_test

import (
	"context"
	"errors"
	"testing"

	"firn/stages/stage/check"
	"firn/stages/store"
)

// cutter lists some keys, and cancels the run when the first of them is asked for: the answer still
// comes.
type cutter struct {
	store.Store
	keys   []string
	cancel context.CancelCauseFunc
}

func (c *cutter) List(_ context.Context, _ string, fn func(store.Object) error) error {
	for _, key := range c.keys {
		if err := fn(store.Object{Key: key}); err != nil {
			return err
		}
	}
	return nil
}

var errWhy = errors.New("the second Ctrl-C")

func (c *cutter) Head(_ context.Context, key, _ string) (store.Object, error) {
	c.cancel(errWhy)
	return store.Object{Key: key}, nil
}

// A run that is cancelled while a store answers gets the cause, never a shorter list of answers
// without an error.
func TestAskCancelledWhileTheStoreAnswers(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	s := &cutter{keys: []string{"a.tar.gz", "b.tar.gz"}, cancel: cancel}
	listing := check.NewListing()
	if err := listing.Read(ctx, s, ""); err != nil {
		t.Fatal(err)
	}
	known, err := (&check.Asker{Store: s, Listing: listing}).Ask(ctx, s.keys)
	if !errors.Is(err, errWhy) {
		t.Errorf("%d answers, %v", len(known), err)
	}
}

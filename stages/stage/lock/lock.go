// Package lock keeps objects locked in the store (S3 Object Lock): it makes a lock last longer before
// it runs out. It knows no archive, and sends nothing for a lock that lasts long enough.
package lock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"firn/stages/store"
)

// A Memo says until when objects are locked. It may know nothing, and its answers need not be true:
// a wrong one costs a request, or a renewal that comes at most a lock's length too late.
type Memo interface {
	Locked(store, key string) time.Time // zero: not known
	KeepLocked(store, key string, until time.Time) error
}

// A Renewer renews locks. Its methods may be called from many goroutines.
type Renewer struct {
	store  store.Store
	locker store.Locker
	memo   Memo
	now    func() time.Time
}

// New returns a Renewer of a store, nil if the store locks nothing that is stored.
func New(s store.Store, memo Memo) *Renewer {
	locker, ok := s.(store.Locker)
	if !ok || locker.Locks().For == 0 {
		return nil
	}
	return &Renewer{store: s, locker: locker, memo: memo, now: time.Now}
}

// Stored notes that an object was stored just now, and so locked.
func (r *Renewer) Stored(key string) {
	if r != nil {
		r.keep(key, r.now().Add(r.locker.Locks().For))
	}
}

// keep tells the memo. An error costs a request.
func (r *Renewer) keep(key string, until time.Time) { _ = r.memo.KeepLocked(r.store.URL(), key, until) }

// Renew locks the newest version of an object for the whole time again, if less than half of it is
// left. An object of which nothing is known is asked for first. One that is gone is no error.
func (r *Renewer) Renew(ctx context.Context, key string) error {
	if r == nil {
		return nil
	}
	length := r.locker.Locks().For
	known := r.memo.Locked(r.store.URL(), key)
	until := known
	if known.IsZero() {
		o, err := r.store.Head(ctx, key, "")
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("asking how long it is locked: %w", err)
		}
		until = o.Locked
	}
	if !until.After(r.now().Add(length / 2)) {
		until = r.now().Add(length)
		err := r.locker.Lock(ctx, key, "", until)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is stored, but its lock could not be renewed: %w", err)
		}
	}
	if !until.Equal(known) {
		r.keep(key, until)
	}
	return nil
}

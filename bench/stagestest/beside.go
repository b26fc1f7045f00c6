package stagestest

import (
	"context"
	"io"
	"path/filepath"
	"sync"

	"firn/stages/store"
)

// Replaced is a store in which a run beside replaces one object while it is read: after each of the
// first Times readings of Key, of a range or of the whole, it has the object of the other of both
// stores.
type Replaced struct {
	store.Store
	Later store.Store
	Key   string
	Times int

	mu    sync.Mutex
	later bool
}

func (r *Replaced) now() store.Store {
	if r.later {
		return r.Later
	}
	return r.Store
}

// Get reads from the store that has the object now, and replaces it.
func (r *Replaced) Get(ctx context.Context, key string, o store.GetOptions) (io.ReadCloser, error) {
	if key != r.Key {
		return r.Store.Get(ctx, key, o)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	body, err := r.now().Get(ctx, key, o)
	if err == nil && r.Times > 0 {
		r.Times--
		r.later = !r.later
	}
	return body, err
}

// Head asks the store that has the object now.
func (r *Replaced) Head(ctx context.Context, key, version string) (store.Object, error) {
	if key != r.Key {
		return r.Store.Head(ctx, key, version)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now().Head(ctx, key, version)
}

// ReplacedBy makes the rig's store one in which big of Plant is replaced so many times, by what is
// in the store later.
func (r *Rig) ReplacedBy(later store.Store, times int) *Replaced {
	return &Replaced{Store: r.Store, Later: later, Key: r.KeyOf("big"), Times: times}
}

// SavedBeside changes big of Plant, and returns a copy of the rig's store to which it was saved
// again. The rig's own catalogue knows nothing of that.
func (r *Rig) SavedBeside() store.Store {
	r.T.Helper()
	again := r.Copy(r.T)
	Write(r.T, filepath.Join(r.Tree, "big", "more"), "more")
	again.Backup(Settled)
	return again.Store
}

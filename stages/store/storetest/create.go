package storetest

import (
	"errors"
	"testing"

	"firn/stages/store"
)

// testNew stores what must be new: what is there stays, whichever way it is stored.
func testNew(t *testing.T, s store.Store) {
	first := Bytes("first", 100)
	Put(t, s, "k", first, store.PutOptions{Meta: meta(), New: true})
	second := Bytes("second", 100)
	if _, err := s.Put(t.Context(), "k", second, store.PutOptions{New: true, CRC32C: store.CRC32C(second)}); !errors.Is(err, store.ErrExists) {
		t.Errorf("a Put over an object: %v", err)
	}
	p := newParted("second", s, 3, 17)
	u := create(t, s, "k", p.options(store.PutOptions{New: true}))
	if _, err := u.Complete(t.Context(), p.send(t, u, 1, 2, 3), store.CRC32C(p.body)); !errors.Is(err, store.ErrExists) {
		t.Errorf("an upload over an object: %v", err)
	}
	if err := u.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	MustHold(t, s, "k", first, store.PutOptions{Meta: meta()})
	u = create(t, s, "new", p.options(store.PutOptions{New: true}))
	if _, err := u.Complete(t.Context(), p.send(t, u, 1, 2, 3), store.CRC32C(p.body)); err != nil {
		t.Error(err)
	}
	MustHold(t, s, "new", p.body, store.PutOptions{})
}

package storetest

import (
	"errors"
	"sync/atomic"
	"testing"

	"firn/stages/store"
)

// testPassing: what is told of a body as it passes adds up to the body, and to nothing if it is refused.
func testPassing(t *testing.T, s store.Store) {
	var passed atomic.Int64
	ctx := store.Passing(t.Context(), func(bytes int64) { passed.Add(bytes) })
	body := Bytes("passing", 3<<20)
	o := store.PutOptions{CRC32C: store.CRC32C(body), New: true}
	if _, err := s.Put(ctx, "k", body, o); err != nil {
		t.Fatal(err)
	}
	if n := passed.Swap(0); n != int64(len(body)) {
		t.Errorf("%d bytes of %d have passed", n, len(body))
	}
	body = Bytes("another", 3<<20)
	o.CRC32C = store.CRC32C(body)
	if _, err := s.Put(ctx, "k", body, o); !errors.Is(err, store.ErrExists) {
		t.Errorf("a second object: %v", err)
	}
	if n := passed.Swap(0); n != 0 {
		t.Errorf("%d bytes of an object that is refused have passed", n)
	}
	p := newParted("parts", s, 2, 100)
	u := create(t, s, "parts", p.options(store.PutOptions{}))
	part := p.part(1)
	if _, err := u.Part(ctx, 1, part, store.CRC32C(part)); err != nil {
		t.Fatal(err)
	}
	if n := passed.Load(); n != int64(len(part)) {
		t.Errorf("%d bytes of a part of %d have passed", n, len(part))
	}
}

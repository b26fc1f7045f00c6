package fault_test

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"firn/stages/store"
	"firn/stages/store/dir"
	"firn/stages/store/fault"
	"firn/stages/store/storetest"
)

func open(t testing.TB) *fault.Store {
	t.Helper()
	s, err := dir.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return fault.New(s)
}

// TestTransparent: without faults it is the store below.
func TestTransparent(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return open(t) })
}

func TestResume(t *testing.T) {
	storetest.RunResume(t, func(t testing.TB) (first, next store.Store) {
		s := open(t)
		return s, s
	})
}

func put(t *testing.T, s store.Store, key string) error {
	_, err := s.Put(t.Context(), key, []byte(key), store.PutOptions{CRC32C: store.CRC32C([]byte(key))})
	return err
}

// TestFailAt fails operation 0, then 1, then 2 … of a little program until it gets through.
func TestFailAt(t *testing.T) {
	ownErr := errors.New("own")
	for number := 0; ; number++ {
		s := open(t)
		s.FailAt(number, ownErr)
		err := program(t, s)
		if err == nil {
			if number != 6 || s.Count(fault.Any) != 6 {
				t.Errorf("through after %d faults, %d operations", number, s.Count(fault.Any))
			}
			return
		}
		if !errors.Is(err, ownErr) || s.Count(fault.Any) != number+1 {
			t.Fatalf("fault %d: %v after %d operations", number, err, s.Count(fault.Any))
		}
	}
}

func program(t *testing.T, s *fault.Store) error {
	if err := put(t, s, "a"); err != nil {
		return err
	}
	if _, err := s.Head(t.Context(), "a", ""); err != nil {
		return err
	}
	u, err := s.CreateUpload(t.Context(), "b", store.PutOptions{PartSize: 10})
	if err != nil {
		return err
	}
	crc := store.CRC32C([]byte("b"))
	part, err := u.Part(t.Context(), 1, []byte("b"), crc)
	if err != nil {
		return err
	}
	if _, err := u.Complete(t.Context(), []store.Part{part}, crc); err != nil {
		return err
	}
	return s.List(t.Context(), "", func(store.Object) error { return nil })
}

func TestFailFrom(t *testing.T) {
	s := open(t)
	s.FailFrom(2, nil)
	for i, fails := range []bool{false, false, true, true, true} {
		if err := put(t, s, "k"); errors.Is(err, fault.ErrInjected) != fails {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	s.Reset()
	if err := put(t, s, "k"); err != nil || s.Count(fault.Put) != 1 {
		t.Errorf("after Reset: %v, %d calls", err, s.Count(fault.Put))
	}
}

func TestScript(t *testing.T) {
	s := open(t)
	second := errors.New("second")
	s.Add(
		fault.Fault{Op: fault.Put, Key: "b", Skip: 1},
		fault.Fault{Op: fault.Put, Key: "c", After: true, Err: second},
		fault.Fault{Op: fault.Get, After: true, Bytes: 1},
	)
	for i, want := range []struct {
		key string
		err error
	}{{"b", nil}, {"a", nil}, {"b", fault.ErrInjected}, {"b", nil}, {"c", second}} {
		if err := put(t, s, want.key); !errors.Is(err, want.err) {
			t.Errorf("%d: %v, want %v", i, err, want.err)
		}
	}
	storetest.MustHold(t, s.Store, "c", []byte("c"), store.PutOptions{}) // done, though its answer was lost
	if err := put(t, s, "long"); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "long", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); string(b) != "l" || !errors.Is(err, fault.ErrInjected) {
		t.Errorf("%q, %v", b, err)
	}
	if s.Pending() != 0 {
		t.Errorf("%d faults did not happen", s.Pending())
	}
	if got := fmt.Sprint(s.Calls()[:3]); got != "[{Put b} {Put a} {Put b}]" {
		t.Errorf("calls %s", got)
	}
}

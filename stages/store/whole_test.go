package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"firn/stages/store"
	"firn/stages/store/dir"
	"firn/stages/store/fault"
	"firn/stages/store/storetest"
)

func TestPartSize(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	s3 := store.Limits{MinPart: 5 * mib, MaxPart: 5 * gib, MaxParts: 10_000, MaxPut: 5 * gib, MaxObject: 10_000 * 5 * gib}
	for _, c := range []struct {
		size, want, memory, part int64
		err                      error
	}{
		{0, 8 * mib, gib, 8 * mib, nil},
		{gib, 8 * mib, gib, 8 * mib, nil},
		{gib, mib, gib, 5 * mib, nil},
		{80_000 * mib, 8 * mib, gib, 8 * mib, nil},
		{80_000*mib + 1, 8 * mib, gib, 9 * mib, nil},
		{10_000 * 5 * gib, 8 * mib, 5 * gib, 5 * gib, nil},
		{10_000*5*gib + 1, 8 * mib, 5 * gib, 0, store.ErrTooLarge},
		{80_000*mib + 1, 8 * mib, 8 * mib, 0, store.ErrPartMemory},
	} {
		part, err := s3.PartSize(c.size, c.want, c.memory)
		if part != c.part || !errors.Is(err, c.err) {
			t.Errorf("%d bytes in parts of %d: %d, %v; want %d, %v", c.size, c.want, part, err, c.part, c.err)
		}
	}
}

// What is stored is what was read; after each possible fault nothing is there, not even an
// unfinished upload.
func TestPutWhole(t *testing.T) {
	const partSize = 1 << 20 // PartSize rounds up to that
	for _, size := range []int{0, 1, partSize, partSize + 1, 3 * partSize} {
		body := storetest.Bytes(fmt.Sprint(size), size)
		for number := 0; ; number++ {
			d, err := dir.Open(filepath.Join(t.TempDir(), "store"))
			if err != nil {
				t.Fatal(err)
			}
			s := fault.New(d)
			s.FailAt(number, nil)
			_, err = store.PutWhole(t.Context(), s, "k", bytes.NewReader(body), int64(size), partSize, store.PutOptions{})
			uploads := d.Uploads(t.Context(), "", func(p store.PendingUpload) error { return fmt.Errorf("left behind: %+v", p) })
			if uploads != nil {
				t.Error(uploads)
			}
			if err == nil {
				storetest.MustHold(t, d, "k", body, store.PutOptions{})
				break
			}
			if keys := storetest.Keys(t, d, ""); !errors.Is(err, fault.ErrInjected) || len(keys) > 0 {
				t.Fatalf("%d bytes, fault %d: %v, listed: %q", size, number, err, keys)
			}
		}
	}
}

package backup

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
)

// TestRepeat: wherever an archive that is made again is not what it was, no part of its object that ends
// behind that place is given out, and its end is none, however it is read.
func TestRepeat(t *testing.T) {
	const seed, partSize = 1, 64
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	was := record.Record{MD5: "was", HMAC: "was", KeyID: "id"}
	for _, size := range []int{0, 1, partSize - encryption.HeaderSize - 1, partSize - encryption.HeaderSize, partSize, 3*partSize + 5} {
		first := make([]byte, size)
		for i := range first {
			first[i] = byte(rng.Uint32())
		}
		was.ArchiveSize = int64(size)
		seen := newMarks(partSize)
		for rest := first; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			_, _ = seen.Write(rest[:n])
			rest = rest[n:]
		}
		read := func(second []byte, is record.Record, oneByte bool) ([]byte, error) {
			var in io.Reader = bytes.NewReader(second)
			if oneByte {
				in = iotest.OneByteReader(in)
			}
			repeats := pipeline.NewBudget(1)
			share, _ := repeats.TryAcquire(1)
			r := &repeat{ReadCloser: io.NopCloser(in), again: &subtree{record: is}, want: was, marks: seen.again(), repeats: repeats}
			got, err := io.ReadAll(r)
			if closed := r.Close(); closed != nil {
				t.Error(closed)
			}
			if now, _ := repeats.Used(); now != 0 || share != 1 {
				t.Errorf("%d repeats go on", now)
			}
			return got, err
		}
		for _, oneByte := range []bool{false, true} {
			if got, err := read(first, was, oneByte); err != nil || !bytes.Equal(got, first) {
				t.Errorf("%d bytes, unchanged: %d bytes, %v", size, len(got), err)
			}
			for _, other := range []record.Record{
				{MD5: "is", HMAC: "was", KeyID: "id", ArchiveSize: int64(size)}, {MD5: "was", HMAC: "is", KeyID: "id", ArchiveSize: int64(size)},
			} {
				if _, err := read(first, other, oneByte); !errors.Is(err, ErrChanging) {
					t.Errorf("%d bytes, %+v: %v", size, other, err)
				}
			}
			if _, err := read(append(bytes.Clone(first), 0), was, oneByte); !errors.Is(err, ErrChanging) {
				t.Errorf("%d bytes and one more: %v", size, err)
			}
			for at := range first {
				second := bytes.Clone(first)
				second[at] ^= 1
				got, err := read(second, record.Record{}, oneByte)
				end := (at+encryption.HeaderSize)/partSize*partSize + partSize - encryption.HeaderSize
				if !errors.Is(err, ErrChanging) || len(got) >= end {
					t.Errorf("%d bytes, changed at %d: %d bytes, %v", size, at, len(got), err)
				}
			}
		}
	}
}

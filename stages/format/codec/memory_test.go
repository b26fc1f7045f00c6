package codec_test

import (
	"runtime"
	"testing"

	"firn/stages/format/codec"
)

// allocated returns the bytes that f allocates. No other test may run meanwhile.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestBlockMemory compares what a block allocates with what its format says: the memory budget
// charges that. Another block, into the first one's buffer, must cost next to nothing.
func TestBlockMemory(t *testing.T) {
	for _, f := range chosen(t) {
		// Zeros after the first MiB: they take little time, and no encoder holds more for what
		// comes later.
		window, block := big(f.Window(), 61), make([]byte, f.BlockSize())
		copy(block, big(min(len(block), 1<<20), 62))
		n, _ := f.NewCut().Scan(block)
		block = block[:n]
		var enc codec.Encoder
		var p codec.Piece
		var err error
		first := allocated(func() {
			enc = f.NewEncoder()
			p, err = enc.Encode(nil, window, block)
		})
		if err != nil {
			t.Fatal(err)
		}
		again := allocated(func() { _, err = enc.Encode(p.Data[:0], window, block[:min(len(block), 50_000)]) })
		if err != nil {
			t.Fatal(err)
		}
		if first > f.BlockMemory() || first < f.BlockMemory()/2 {
			t.Errorf("%s: a block takes %d bytes, the format says %d", label(f), first, f.BlockMemory())
		}
		if again > 100_000 {
			t.Errorf("%s: another block allocates %d bytes", label(f), again)
		}
		t.Logf("%-8s first %9d, said %9d, again %d", label(f), first, f.BlockMemory(), again)
	}
}

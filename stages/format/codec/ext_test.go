package codec_test

import (
	"runtime"
	"testing"

	"firn/stages/format/codec"
)

// Telling a format by its extension must not build an encoder: a listing asks for every key.
func TestExtCostsNothing(t *testing.T) {
	for _, ext := range []string{"gz", "bz2", "xz", "zst"} {
		if !codec.HasExt(ext) {
			t.Errorf("%s is not known", ext)
		}
		if n := testing.AllocsPerRun(10, func() { codec.HasExt(ext) }); n != 0 {
			t.Errorf("HasExt(%q) allocates %v times", ext, n)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := codec.ByExt(ext); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 { // an encoder takes a megabyte
			t.Errorf("ByExt(%q) allocates %d bytes", ext, n)
		}
	}
	for _, ext := range []string{"", "xz2", "lzma", "bz"} {
		if codec.HasExt(ext) {
			t.Errorf("%q is known", ext)
		}
	}
}

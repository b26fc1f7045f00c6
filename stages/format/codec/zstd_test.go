package codec_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestZstdFrames walks the frames by the seek table: each must have its size and a checksum, and
// zstd must report the same.
func TestZstdFrames(t *testing.T) {
	for _, f := range formats(t, map[string][]int{"zstd": {1, 3, 7, 11}}) {
		sizes := []int{0, 1, 255, 256, 5000}
		if f.Level() == 1 { // where frames end does not depend on the level
			sizes = append(sizes, f.BlockSize(), f.BlockSize()+1, 2*f.BlockSize()+77)
		}
		for _, n := range sizes {
			data := big(n, 81)
			file := compress(t, f, data, 1<<20)
			frames, raw := walkFrames(t, label(f), file)
			if want := max(1, (n+f.BlockSize()-1)/f.BlockSize()); frames != want || raw != n {
				t.Errorf("%s: %d bytes became %d frames of %d bytes, want %d", label(f), n, frames, raw, want)
			}
			path := filepath.Join(t.TempDir(), "a.zst")
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := run(t, nil, "zstd", "-dc", path); !bytes.Equal(got, data) {
				t.Errorf("%s: zstd gives %d bytes of %d, or others", label(f), len(got), n)
			}
			said := string(run(t, nil, "zstd", "-lv", path))
			for _, want := range []string{
				fmt.Sprintf("# Zstandard Frames: %d\n", frames), "# Skippable Frames: 1\n", fmt.Sprintf("(%d B)", n), "Check: XXH64",
			} {
				if !strings.Contains(said, want) {
					t.Errorf("%s, %d bytes: zstd -lv does not say %q:\n%s", label(f), n, want, said)
				}
			}
		}
	}
}

// walkFrames returns how many frames the seek table knows, and how many bytes they hold.
func walkFrames(t *testing.T, name string, file []byte) (frames, raw int) {
	t.Helper()
	const footer = 9
	frames = int(binary.LittleEndian.Uint32(file[len(file)-footer:]))
	table := file[len(file)-footer-8*frames : len(file)-footer]
	at := 0
	for i := range frames {
		size, decoded := binary.LittleEndian.Uint32(table[8*i:]), binary.LittleEndian.Uint32(table[8*i+4:])
		var h zstd.Header
		if err := h.Decode(file[at:]); err != nil {
			t.Fatalf("%s: frame %d: %v", name, i, err)
		}
		if h.Skippable || !h.HasFCS || !h.HasCheckSum || h.FrameContentSize != uint64(decoded) {
			t.Errorf("%s: frame %d of %d bytes has the header %+v", name, i, decoded, h)
		}
		at += int(size)
		raw += int(decoded)
	}
	if skippable := len(file) - at; skippable != 8+8*frames+footer {
		t.Errorf("%s: %d bytes after the frames", name, skippable)
	}
	return frames, raw
}

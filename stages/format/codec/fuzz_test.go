package codec_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"firn/stages/format/codec"
)

// fuzzLimit is what a fuzz target looks at of what it decodes, in bytes.
const fuzzLimit = 1 << 24

func FuzzReadGzip(f *testing.F)  { fuzzReader(f, "gzip") }
func FuzzReadBzip2(f *testing.F) { fuzzReader(f, "bzip2") }
func FuzzReadXZ(f *testing.F)    { fuzzReader(f, "lzma") }
func FuzzReadZstd(f *testing.F)  { fuzzReader(f, "zstd") }

// fuzzReader decodes any bytes, at once and byte by byte: both give the same, or an error. What
// comes out of a file without an error does so again when it is compressed anew.
func fuzzReader(f *testing.F, name string) {
	format, err := codec.New(name, 1)
	if err != nil {
		f.Fatal(err)
	}
	for _, data := range [][]byte{nil, []byte("a"), []byte("abcabcabcabcabcabc"), bytes.Repeat([]byte{7}, 3000), text(400, 71), random(90, 72)} {
		file := compress(f, format, data, 1<<16)
		f.Add(file)
		f.Add(append(file, file...))
		f.Add(file[:len(file)/2])
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		whole, err := readLimited(format, bytes.NewReader(file))
		single, again := readLimited(format, iotest.OneByteReader(bytes.NewReader(file)))
		if (err == nil) != (again == nil) || err == nil && !bytes.Equal(whole, single) {
			t.Fatalf("%d bytes, %v; byte by byte %d, %v", len(whole), err, len(single), again)
		}
		if err != nil || len(whole) == fuzzLimit {
			return
		}
		if got, err := read(format, compress(t, format, whole, 1<<16)); err != nil || !bytes.Equal(got, whole) {
			t.Fatalf("%d bytes became %d, %v", len(whole), len(got), err)
		}
	})
}

func readLimited(f codec.Format, file io.Reader) ([]byte, error) {
	r, err := f.NewReader(file)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, fuzzLimit))
	return data, errors.Join(err, r.Close())
}

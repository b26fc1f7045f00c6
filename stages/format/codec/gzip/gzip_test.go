package gzip_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"hash/crc32"
	"io"
	"testing"

	"github.com/klauspost/pgzip"
	"pgregory.net/rapid"

	_ "firn/bench/seed"
	"firn/stages/format/codec/gzip"
)

// stored is a deflate block that holds data as it is and is not the last (RFC 1951, section 3.2.4).
func stored(data []byte) []byte {
	n := len(data)
	return append([]byte{0, byte(n), byte(n >> 8), ^byte(n), ^byte(n >> 8)}, data...)
}

// TestJoin cuts data anywhere: the member's checksum must be that of the whole, as two readers
// confirm.
func TestJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var j gzip.Joiner
		var file, all []byte
		for _, data := range rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "blocks") {
			file = j.Join(file, stored(data), len(data), crc32.ChecksumIEEE(data))
			all = append(all, data...)
		}
		file = j.Close(file)
		for name, open := range map[string]func(io.Reader) (io.Reader, error){
			"compress/gzip": func(r io.Reader) (io.Reader, error) { return stdgzip.NewReader(r) },
			"pgzip":         func(r io.Reader) (io.Reader, error) { return pgzip.NewReaderN(r, 1<<12, 2) },
		} {
			r, err := open(bytes.NewReader(file))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, all) {
				t.Fatalf("%s: %d bytes came back of %d: %v", name, len(got), len(all), err)
			}
		}
	})
}

package gzip_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"hash/crc32"
	"io"
	"testing"

	"pgregory.net/rapid"

	"firn/stages/format/codec/gzip"
)

// stored is a deflate block that holds data as it is and is not the last (RFC 1951, section 3.2.4).
func stored(data []byte) []byte {
	n := len(data)
	return append([]byte{0, byte(n), byte(n >> 8), ^byte(n), ^byte(n >> 8)}, data...)
}

// TestJoin cuts data anywhere: the member's checksum must be that of the whole, which Go's reader proves.
func TestJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var j gzip.Joiner
		var file, all []byte
		for _, data := range rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "blocks") {
			file = j.Join(file, stored(data), len(data), crc32.ChecksumIEEE(data))
			all = append(all, data...)
		}
		r, err := stdgzip.NewReader(bytes.NewReader(j.Close(file)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, all) {
			t.Fatalf("%d bytes came back of %d: %v", len(got), len(all), err)
		}
	})
}

package codec_test

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	stdgzip "compress/gzip"
	"io"
	"testing"

	dsnet "github.com/dsnet/compress/bzip2"
	"github.com/klauspost/pgzip"
	ulixz "github.com/ulikunitz/xz"

	"firn/stages/format/codec"
)

// A library is a decoder that has nothing in common with firn's encoder of the format.
type library struct {
	name string
	open func(io.Reader) (io.Reader, error)
}

// libraries lists a format's independent decoders. There is none in Go for zstd but the one of the
// module that also encodes it: there the zstd program alone is independent.
func libraries(f codec.Format) []library {
	return map[string][]library{
		"gzip": {
			{"pgzip", func(r io.Reader) (io.Reader, error) { return pgzip.NewReaderN(r, 1<<16, 2) }},
			{"compress/gzip", func(r io.Reader) (io.Reader, error) { return stdgzip.NewReader(r) }},
		},
		"bzip2": {
			{"dsnet", func(r io.Reader) (io.Reader, error) { return dsnet.NewReader(r, nil) }},
			{"compress/bzip2", func(r io.Reader) (io.Reader, error) { return stdbzip2.NewReader(r), nil }},
		},
		"lzma": {{"ulikunitz", func(r io.Reader) (io.Reader, error) { return ulixz.NewReader(r) }}},
	}[f.Name()]
}

// mustDecode demands want of every independent decoder of the format.
func mustDecode(t interface {
	Helper()
	Errorf(string, ...any)
}, f codec.Format, file, want []byte) {
	t.Helper()
	for _, l := range libraries(f) {
		r, err := l.open(bytes.NewReader(file))
		got := bytes.NewBuffer(make([]byte, 0, len(want)+bytes.MinRead)) // what grows is copied again and again
		if err == nil {
			_, err = got.ReadFrom(r)
		}
		if err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: %s gives %d of %d bytes, or others: %v", label(f), l.name, got.Len(), len(want), err)
		}
	}
}

// TestLibrariesNoticeDamage shows that the decoders that the other tests rely on compare what they
// read.
func TestLibrariesNoticeDamage(t *testing.T) {
	for _, f := range lowest(t) {
		data := text(3000, 42)
		file := compress(t, f, data, len(data))
		file[len(file)/2] ^= 1
		for _, l := range libraries(f) {
			r, err := l.open(bytes.NewReader(file))
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if err == nil {
				t.Errorf("%s: %s takes a damaged file", label(f), l.name)
			}
		}
	}
}

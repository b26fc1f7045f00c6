package xz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"

	ulixz "github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// fuzzLimit is what a fuzz target looks at of what it decodes, in bytes.
const fuzzLimit = 1 << 24

// decodeLimited decodes the beginning of a file.
func decodeLimited(t testing.TB, file []byte, o Options) ([]byte, error) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, fuzzLimit))
}

// sameEitherWay decodes with a pool and without: what comes out, and whether all is well, must be
// the same.
func sameEitherWay(t testing.TB, file []byte) ([]byte, error) {
	t.Helper()
	got, err := decodeLimited(t, file, Options{Workers: 2, Dictionary: 1 << 22})
	also, again := decodeLimited(t, file, Options{Workers: 1, Dictionary: 1 << 22, Memory: 1})
	for _, err := range []error{err, again} {
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("an error of no kind: %v", err)
		}
	}
	if len(got) < fuzzLimit && len(also) < fuzzLimit && (err == nil) != (again == nil) {
		t.Fatalf("with a pool %v, without %v", err, again)
	}
	if err == nil && again == nil && !bytes.Equal(got, also) {
		t.Fatalf("%d bytes with a pool, other %d without", len(got), len(also))
	}
	return got, err
}

// FuzzReader reads whole files. What another decoder takes too must come out the same.
func FuzzReader(f *testing.F) {
	file, _ := several(f)
	f.Add(file)
	f.Add(stream(f, NewEncoder(1), []byte("abcabcabcabcabc"), 6))
	f.Add(native(f, []byte("abcabcabcabcabc"), "-c", "--delta=dist=3", "--lzma2", "--check=crc32"))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := sameEitherWay(t, file)
		if err != nil {
			return
		}
		r, err := ulixz.NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		if want, err := io.ReadAll(io.LimitReader(r, fuzzLimit)); err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, where another decoder gives %d", len(got), len(want))
		}
	})
}

// FuzzContainer puts a file together, with the check values that a fuzzer does not find: a block's
// header, its data and the index are what it is given, and the rest fits.
func FuzzContainer(f *testing.F) {
	hello := []byte{chunkStoredReset, 0, 4, 'h', 'e', 'l', 'l', 'o', 0}
	f.Add(byte(0), []byte{0xc0, 9, 5, filterLZMA2, 1, 0}, hello, []byte{1, 21, 5})
	f.Add(byte(1), []byte{0, filterLZMA2, 1, 20}, hello, []byte{1, 25, 5})
	f.Add(byte(4), []byte{0x41, 9, filterDelta, 1, 3, filterLZMA2, 1, 40}, hello, []byte{1, 33, 5})
	f.Add(byte(10), []byte{0x81, 5, filterX86, 4, 0, 0, 0, 0, filterLZMA2, 1, 40}, hello, []byte{1, 33, 5})
	f.Add(byte(0), []byte{3, filterARM, 0, filterX86, 0, filterIA64, 0, filterLZMA2, 1, 2}, hello, []byte{1, 33, 5})
	f.Fuzz(func(t *testing.T, c byte, header, data, records []byte) {
		if len(header) > 1000 {
			return
		}
		file := []byte(headerMagic)
		flags := []byte{0, c & 15}
		file = append(file, flags...)
		file = binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE(flags))
		h := append([]byte{0}, header...)
		h = pad(h, len(h))
		h[0] = byte(len(h) / 4)
		file = append(file, h...)
		file = binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE(h))
		file = append(file, data...)
		file = pad(file, len(data))
		sum := newDigest(check(c & 15))
		sum.write([]byte("hello"))
		if sum.hash != nil {
			s := sum.hash.Sum(nil)
			for i := range s {
				if sum.check == checkSHA256 {
					file = append(file, s[i])
				} else {
					file = append(file, s[len(s)-1-i])
				}
			}
		}
		x := append([]byte{0}, records...)
		x = pad(x, len(x))
		x = binary.LittleEndian.AppendUint32(x, crc32.ChecksumIEEE(x))
		file = append(file, x...)
		tail := binary.LittleEndian.AppendUint32(nil, uint32(len(x)/4-1))
		tail = append(tail, flags...)
		file = binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE(tail))
		file = append(append(file, tail...), 'Y', 'Z')
		sameEitherWay(t, file)
	})
}

// memoryInput is LZMA2 data that are at hand.
type memoryInput struct{ rest []byte }

func (m *memoryInput) full(p []byte) error {
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	if n < len(p) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// decodeChunks decodes LZMA2 data and returns them with what is left over.
func decodeChunks(u *chunkDecoder, data []byte, dict int, slide bool) (raw, rest []byte, err error) {
	in := &memoryInput{data}
	u.begin(u.buf, dict, fuzzLimit, slide)
	for more := true; more; {
		var p []byte
		p, more, err = u.chunk(in)
		if err != nil {
			return nil, nil, err
		}
		raw = append(raw, p...)
	}
	return raw, in.rest, nil
}

// FuzzLZMA2 decodes chunks with a window that slides and without, with a used decoder and with a
// new one, and with another decoder.
func FuzzLZMA2(f *testing.F) {
	for _, raw := range [][]byte{[]byte("abcabcabcabcabc"), islands(3000, 41), random(100, 42), bytes.Repeat([]byte{1}, 9000), letters(500, 2, 43)} {
		file := stream(f, NewEncoder(4), raw, 2000)
		f.Add(file[streamHeaderSize+blockHeaderSize:])
		f.Add(native(f, raw, "-c", "--format=raw", "--lzma2=lc=1,lp=2,pb=0,dict=4KiB"))
	}
	used := new(chunkDecoder)
	f.Fuzz(func(t *testing.T, data []byte) {
		const dict = 4096
		got, rest, err := decodeChunks(used, data, dict, true)
		also, left, again := decodeChunks(new(chunkDecoder), data, dict, false)
		if (err == nil) != (again == nil) || !bytes.Equal(got, also) || len(rest) != len(left) {
			t.Fatalf("%d bytes and %v, or %d and %v", len(got), err, len(also), again)
		}
		if err != nil {
			return
		}
		r, err := lzma.Reader2Config{DictCap: dict}.NewReader2(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if want, err := io.ReadAll(r); err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, where another decoder gives %d", len(got), len(want))
		}
	})
}

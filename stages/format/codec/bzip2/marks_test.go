package bzip2

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"io"
	"testing"
)

// falseMarks is a file of one block that has n marks in its symbols: all 256 codes of its only table
// have eight bits, so that any bytes are symbols.
func falseMarks(t testing.TB, n int) []byte {
	t.Helper()
	symbols := append(bytes.Repeat([]byte{0x31, 0x41, 0x59, 0x26, 0x53, 0x59}, n), 0xff) // the last ends the block
	file := func(crc uint32) []byte {
		w := bitWriter{}
		put := func(v uint64, bits uint) { w.put(v, bits) }
		put('B'<<24|'Z'<<16|'h'<<8|'9', 32)
		put(blockMark>>24, 24)
		put(blockMark&0xffffff, 24)
		put(uint64(crc), 32)
		put(0, 1+24)
		for range 16 {
			put(0xffff, 16)
		}
		put(0xfffc, 16) // 254 bytes occur
		groups := (len(symbols) + groupLen - 1) / groupLen
		put(2, 3)
		put(uint64(groups), 15)
		for range groups {
			put(0, 1)
		}
		for range 2 {
			put(8, 5)
			for range 256 {
				put(0, 1)
			}
		}
		for _, s := range symbols {
			put(uint64(s), 8)
		}
		put(streamMark>>24, 24)
		put(streamMark&0xffffff, 24)
		put(uint64(crc), 32)
		return w.close()
	}
	enc := file(0)
	d, err := newBlockReader().read(make([]byte, maxBlock), enc, 32)
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, 60*len(d.data))
	var c checksum
	for runs := (runReader{src: d.data}); ; {
		k := runs.read(plain)
		if k == 0 {
			break
		}
		c.write(plain[:k])
	}
	return file(c.sum())
}

// TestManyFalseMarks counts what is decoded again because of marks inside of blocks: no more than a
// few times the input, whatever their number.
func TestManyFalseMarks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		file  []byte
		bytes bool // compress/bzip2 reads it too
	}{
		{"one block", falseMarks(t, 8000), true},
		{"many blocks", bytes.Repeat(falseMarks(t, 100), 100), true},
		{"small blocks", bytes.Repeat(falseMarks(t, 1), 500), true},
		{"small before large", append(bytes.Repeat(falseMarks(t, 3), 10), falseMarks(t, 20_000)...), true},
		{"cut", falseMarks(t, 8000)[:40_000], false},
		{"nothing but marks", append([]byte("BZh9"), bytes.Repeat([]byte{0x31, 0x41, 0x59, 0x26, 0x53, 0x59}, 8000)...), false},
	} {
		for _, workers := range []int{1, 4} {
			r, err := NewReader(bytes.NewReader(tt.file), Options{Workers: workers})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if tt.bytes {
				want, wrong := io.ReadAll(bzip2.NewReader(bytes.NewReader(tt.file)))
				if err != nil || wrong != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %d of %d bytes, %v, %v", tt.name, len(got), len(want), err, wrong)
				}
			} else if !errors.Is(err, ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %v", tt.name, err)
			}
			if again := r.(*reader).assembler.again; again > 6*int64(len(tt.file)) {
				t.Errorf("%s: of %d bytes, %d were decoded again", tt.name, len(tt.file), again)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

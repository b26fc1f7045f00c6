package xz

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
)

// An index is a digest of the index that a stream should have (section 4).
type index struct {
	blocks uint64
	sum    hash.Hash // of the records
}

func newIndex() *index { return &index{sum: sha256.New()} }

// add notes a block, of which both sizes are known.
func (x *index) add(h blockHeader, c check) {
	x.record(uint64(h.size)+uint64(h.compressed)+uint64(c.size()), uint64(h.raw))
}

// record notes a block's size without padding, and that of what it decodes to.
func (x *index) record(unpadded, size uint64) {
	x.blocks++
	var record [16]byte
	binary.LittleEndian.PutUint64(record[:], unpadded)
	binary.LittleEndian.PutUint64(record[8:], size)
	x.sum.Write(record[:])
}

// read reads a stream's index after its first byte, compares it, and returns its size in bytes.
func (x *index) read(s *source) (int64, error) {
	start := s.read - 1
	r := &summed{s: s, sum: crc32.NewIEEE()}
	r.sum.Write([]byte{0})
	blocks, err := number(r)
	if err != nil {
		return 0, err
	}
	if blocks != x.blocks {
		return 0, corrupt("an index of another number of blocks than there are")
	}
	found := newIndex()
	for range blocks {
		unpadded, err := number(r)
		if err != nil {
			return 0, err
		}
		size, err := number(r)
		if err != nil {
			return 0, err
		}
		found.record(unpadded, size)
	}
	if !bytes.Equal(found.sum.Sum(nil), x.sum.Sum(nil)) {
		return 0, corrupt("an index that does not fit the blocks")
	}
	if err := padding(r, s.read-start); err != nil {
		return 0, err
	}
	var stored [4]byte
	if err := s.full(stored[:]); err != nil {
		return 0, err
	}
	if r.sum.Sum32() != binary.LittleEndian.Uint32(stored[:]) {
		return 0, corrupt("an index that does not match its check value")
	}
	return s.read - start, nil
}

// A summed reader sums up what is read of a source.
type summed struct {
	s   io.ByteReader
	sum hash.Hash32
}

func (r *summed) ReadByte() (byte, error) {
	b, err := r.s.ReadByte()
	if err == nil {
		r.sum.Write([]byte{b})
	}
	return b, err
}

package xz

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"slices"
)

// A check is a stream's type of integrity check (section 2.1.1.2).
type check byte

const (
	checkNone   check = 0x00
	checkCRC32  check = 0x01
	checkCRC64  check = checkID
	checkSHA256 check = 0x0a
)

// known reports whether files have such a check. Nobody writes the format's other numbers.
func (c check) known() bool {
	return c == checkNone || c == checkCRC32 || c == checkCRC64 || c == checkSHA256
}

// size is the check's length in a block, in bytes.
func (c check) size() int {
	if h := newDigest(c).hash; h != nil {
		return h.Size()
	}
	return 0
}

// A digest is the check of a block's decoded data. Its hash is nil for checkNone.
type digest struct {
	check check
	hash  hash.Hash
}

func newDigest(c check) digest {
	d := digest{check: c}
	switch c {
	case checkCRC32:
		d.hash = crc32.NewIEEE()
	case checkCRC64:
		d.hash = crc64.New(ecma())
	case checkSHA256:
		d.hash = sha256.New()
	}
	return d
}

func (d digest) write(p []byte) {
	if d.hash != nil {
		d.hash.Write(p)
	}
}

// compare returns an error if the data do not match a stored check.
func (d digest) compare(stored []byte) error {
	if d.hash == nil {
		return nil
	}
	sum := d.hash.Sum(nil)
	if d.check != checkSHA256 {
		slices.Reverse(sum) // the format has numbers in little endian
	}
	if !bytes.Equal(sum, stored) {
		return corrupt("a block that does not match its check value")
	}
	return nil
}

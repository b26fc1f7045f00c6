// Package hash computes the sums in a record: MD5 and HMAC of an archive's bytes, SHA-256 of its
// tar, from blocks in order. Each sum has its own method, so that they can run in parallel. It
// never returns a sum of incomplete input.
package hash

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// Sums are the sums of a whole archive.
type Sums struct {
	MD5  string // lower-case hex, as md5sum prints it
	MAC  string // lower-case hex; empty if no MAC was asked for
	Size int64  // bytes
}

// Archive sums the bytes of one archive. MD5Block and MACBlock may be called at the same time as
// each other, each from one goroutine at a time; both must see every block, in order.
type Archive struct {
	md5 counted
	mac counted
}

// counted is a hash and how many bytes it has seen.
type counted struct {
	sum  hash.Hash
	size int64
}

func (c *counted) block(p []byte) {
	_, _ = c.sum.Write(p) // a hash.Hash never fails
	c.size += int64(len(p))
}

func (c *counted) hex() string { return hex.EncodeToString(c.sum.Sum(nil)) }

// NewArchive returns the sums of no bytes. mac is the keyed hash to use, then owned, or nil.
func NewArchive(mac hash.Hash) *Archive {
	return &Archive{md5: counted{sum: md5.New()}, mac: counted{sum: mac}}
}

// MD5Block adds the next block to the MD5. It does not keep p.
func (a *Archive) MD5Block(p []byte) { a.md5.block(p) }

// MACBlock adds the next block to the MAC, if there is one. It does not keep p.
func (a *Archive) MACBlock(p []byte) {
	if a.mac.sum != nil {
		a.mac.block(p)
	}
}

// Sums returns the sums of all blocks; an error if the methods saw different numbers of bytes.
func (a *Archive) Sums() (Sums, error) {
	s := Sums{MD5: a.md5.hex(), Size: a.md5.size}
	if a.mac.sum == nil {
		return s, nil
	}
	if a.mac.size != a.md5.size {
		return Sums{}, fmt.Errorf("summing an archive: its MD5 is over %d bytes, its MAC over %d", a.md5.size, a.mac.size)
	}
	s.MAC = a.mac.hex()
	return s, nil
}

// Tar sums an uncompressed tar.
type Tar struct{ sum counted }

// NewTar returns the sum of no bytes yet.
func NewTar() *Tar { return &Tar{counted{sum: sha256.New()}} }

// Block adds the next block. It does not keep p.
func (t *Tar) Block(p []byte) { t.sum.block(p) }

// Sum returns the SHA-256 in lower-case hex and how many bytes it is over. More may follow.
func (t *Tar) Sum() (sha256 string, size int64) { return t.sum.hex(), t.sum.size }

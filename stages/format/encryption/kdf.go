package encryption

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"encoding/binary"
	"errors"
	"hash"
)

// derive is PBKDF2-HMAC-SHA256 (RFC 8018, section 5.2). Small archives spend most of their time
// here, and prf takes half of crypto/pbkdf2's. If its check fails, the standard library is used.
func (p *Passphrase) derive(salt []byte, iterations, size int) ([]byte, error) {
	if f, err := newPRF(p.bytes()); err == nil {
		return f.pbkdf2(salt, iterations, size)
	}
	return pbkdf2.Key(sha256.New, string(p.bytes()), salt, iterations, size)
}

// prf is HMAC-SHA256 under one key for messages of 32 bytes, which with SHA-256's padding are one
// block. It keeps that padding, starts from the states after the key, and reads digests out of the
// marshaled state, where a Sum would copy the hash and pad again.
type prf struct {
	hash         resumable
	inner, outer []byte   // marshaled states after the key's inner and outer pad
	block        [64]byte // message or digest, 32 bytes; then padding for 96 bytes in all
	state        []byte   // scratch for the marshaled state
}

type resumable interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// The marshaled form of crypto/sha256: 4 bytes, then the state as in a digest.
const (
	stateFrom = 4
	stateTo   = stateFrom + sha256.Size
)

var errNoPRF = errors.New("this SHA-256 can't be resumed")

// newPRF fails if the standard library's SHA-256 works another way than this expects.
func newPRF(key []byte) (*prf, error) {
	h, ok := sha256.New().(resumable)
	if !ok {
		return nil, errNoPRF
	}
	f := &prf{hash: h}
	k := key
	if len(k) > sha256.BlockSize { // RFC 2104
		s := sha256.Sum256(k)
		k = s[:]
	}
	var err error
	if f.inner, err = f.afterPad(k, 0x36); err != nil {
		return nil, err
	}
	if f.outer, err = f.afterPad(k, 0x5c); err != nil {
		return nil, err
	}
	f.block[sha256.Size] = 0x80 // FIPS 180-4, section 5.1.1
	binary.BigEndian.PutUint64(f.block[56:], 8*(sha256.BlockSize+sha256.Size))
	return f, f.check(key)
}

func (f *prf) afterPad(key []byte, pad byte) ([]byte, error) {
	var block [sha256.BlockSize]byte
	copy(block[:], key)
	for i := range block {
		block[i] ^= pad
	}
	f.hash.Reset()
	_, _ = f.hash.Write(block[:])
	return f.hash.AppendBinary(nil)
}

// check compares one step with crypto/hmac.
func (f *prf) check(key []byte) error {
	m := hmac.New(sha256.New, key)
	_, _ = m.Write(f.block[:sha256.Size])
	if len(f.inner) < stateTo {
		return errNoPRF
	}
	if err := f.step(); err != nil {
		return err
	}
	if !bytes.Equal(f.block[:sha256.Size], m.Sum(nil)) {
		return errNoPRF
	}
	return nil
}

// step replaces the first 32 bytes of f.block with their HMAC. Each key takes thousands of steps, on
// memory that nobody else has: the race detector need not watch them.
//
//go:norace
func (f *prf) step() error {
	for _, start := range [2][]byte{f.inner, f.outer} {
		if err := f.hash.UnmarshalBinary(start); err != nil {
			return err
		}
		_, _ = f.hash.Write(f.block[:])
		var err error
		if f.state, err = f.hash.AppendBinary(f.state[:0]); err != nil {
			return err
		}
		*(*[sha256.Size]byte)(f.block[:]) = [sha256.Size]byte(f.state[stateFrom:]) // copy would be watched
	}
	return nil
}

// first puts the HMAC of salt ‖ n into f.block.
func (f *prf) first(salt []byte, n uint32) error {
	if err := f.hash.UnmarshalBinary(f.inner); err != nil {
		return err
	}
	_, _ = f.hash.Write(salt)
	_, _ = f.hash.Write(binary.BigEndian.AppendUint32(nil, n))
	digest := f.hash.Sum(nil)
	if err := f.hash.UnmarshalBinary(f.outer); err != nil {
		return err
	}
	_, _ = f.hash.Write(digest)
	copy(f.block[:], f.hash.Sum(nil))
	return nil
}

func (f *prf) pbkdf2(salt []byte, iterations, size int) ([]byte, error) {
	var key []byte
	for n := uint32(1); len(key) < size; n++ {
		if err := f.first(salt, n); err != nil {
			return nil, err
		}
		var t [sha256.Size]byte
		copy(t[:], f.block[:])
		for range iterations - 1 {
			if err := f.step(); err != nil {
				return nil, err
			}
			subtle.XORBytes(t[:], t[:], f.block[:sha256.Size])
		}
		key = append(key, t[:]...)
	}
	return key[:size], nil
}

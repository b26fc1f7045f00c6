package encryption

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"io"
)

const (
	// HeaderSize is the length in bytes of what stands before the first encrypted block.
	HeaderSize = len(magic) + SaltSize
	// SaltSize is the length in bytes of an archive's salt.
	SaltSize = 8

	magic             = "Salted__"
	archiveIterations = 10000 // openssl's PBKDF2_ITER_DEFAULT
	keySize           = 32
	blockSize         = aes.BlockSize

	// chunkSize is what is read and encrypted at a time: it fits the second-level cache.
	chunkSize = 256 << 10

	// maxEmptyReads is the number of reads of no bytes and no error that make a reader broken.
	maxEmptyReads = 100
)

// Salt is an archive's salt. It is no secret: the encrypted archive begins with it.
type Salt [SaltSize]byte

// CiphertextSize returns the size in bytes of n bytes once encrypted.
func CiphertextSize(n int64) int64 {
	return int64(HeaderSize) + (n/blockSize+1)*blockSize
}

// Encrypter is an io.Reader of one plaintext's encrypted form, header and padding included. It
// encrypts in the buffer it is given, best of a multiple of 16 bytes. Not safe for concurrent use.
type Encrypter struct {
	hidden
	src   io.Reader
	salt  Salt
	mode  cipher.BlockMode
	rest  carry // plaintext read that fills no block yet
	ready carry // ciphertext that did not fit the caller's buffer
	eof   bool  // src is at its end
	err   error // sticky
}

// carry holds up to a block of bytes from one Read to the next.
type carry struct {
	b    [blockSize]byte
	from int
	to   int
}

func (c *carry) set(p []byte) { c.from, c.to = 0, copy(c.b[:], p) }

// take moves as many bytes as fit to p.
func (c *carry) take(p []byte) int {
	n := copy(p, c.b[c.from:c.to])
	c.from += n
	return n
}

// NewSalt returns a random salt.
func NewSalt() (salt Salt) {
	_, _ = rand.Read(salt[:]) // never fails: crypto/rand
	return salt
}

// NewEncrypter encrypts plaintext under a random salt. Deriving the key takes milliseconds.
func NewEncrypter(p *Passphrase, plaintext io.Reader) (*Encrypter, error) {
	return ResumeEncrypter(p, NewSalt(), plaintext)
}

// ResumeEncrypter makes the bytes of an earlier Encrypter again, to resume an upload. The plaintext
// must be the same: one salt for two plaintexts reveals what they have in common.
func ResumeEncrypter(p *Passphrase, salt Salt, plaintext io.Reader) (*Encrypter, error) {
	block, iv, err := archiveKey(p, salt)
	if err != nil {
		return nil, err
	}
	return newEncrypter(block, iv, salt, plaintext), nil
}

func newEncrypter(block cipher.Block, iv []byte, salt Salt, plaintext io.Reader) *Encrypter {
	e := &Encrypter{src: plaintext, salt: salt, mode: cipher.NewCBCEncrypter(block, iv)}
	e.ready.set(append([]byte(magic), salt[:]...))
	return e
}

// Salt returns the salt, for ResumeEncrypter.
func (e *Encrypter) Salt() Salt { return e.salt }

// Read fills p with ciphertext and uses all of p meanwhile. Errors of the plaintext's reader stay.
func (e *Encrypter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := e.ready.take(p)
	if n == len(p) || n > 0 && e.err != nil {
		return n, nil
	}
	if e.err != nil {
		return 0, e.err
	}
	p = p[n:]
	if len(p) < blockSize {
		if n > 0 {
			return n, nil
		}
		if e.ready.from, e.ready.to = 0, e.fill(e.ready.b[:]); e.ready.to == 0 {
			return 0, e.err
		}
		return e.ready.take(p), nil
	}
	p = p[:min(len(p), chunkSize)]
	n += e.fill(p[:len(p)-len(p)%blockSize])
	if n == 0 {
		return 0, e.err
	}
	return n, nil
}

// fill encrypts into p, of whole blocks, and returns how many bytes; 0 only if it sets e.err.
func (e *Encrypter) fill(p []byte) int {
	n := e.rest.take(p)
	for empty := 0; !e.eof && n < blockSize; {
		m, err := e.src.Read(p[n:])
		n += m
		switch {
		case err == io.EOF:
			e.eof = true
		case err != nil:
			e.err = fmt.Errorf("encrypting: reading the archive: %w", err)
			return 0
		case m > 0:
			empty = 0
		default:
			if empty++; empty == maxEmptyReads {
				e.err = fmt.Errorf("encrypting: reading the archive: %w", io.ErrNoProgress)
				return 0
			}
		}
	}
	full := n - n%blockSize
	if e.eof && n < len(p) {
		pad := blockSize - n%blockSize
		for i := range pad {
			p[n+i] = byte(pad)
		}
		full = n + pad
		e.err = io.EOF
	} else {
		e.rest.set(p[full:n])
	}
	e.mode.CryptBlocks(p[:full], p[:full])
	return full
}

// archiveKey derives what an archive is encrypted with.
func archiveKey(p *Passphrase, salt Salt) (block cipher.Block, iv []byte, err error) {
	k, err := p.derive(salt[:], archiveIterations, keySize+blockSize)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving the key of an archive: %w", err)
	}
	block, err = aes.NewCipher(k[:keySize])
	if err != nil {
		return nil, nil, fmt.Errorf("deriving the key of an archive: %w", err)
	}
	return block, k[keySize:], nil
}

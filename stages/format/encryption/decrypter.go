package encryption

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrNotEncrypted: the bytes do not start as what openssl enc writes.
	ErrNotEncrypted = errors.New("not encrypted by firn or openssl enc (it does not start with Salted__)")
	// ErrTruncated: the archive ends too early; it is an io.ErrUnexpectedEOF too.
	ErrTruncated = fmt.Errorf("encrypted archive is cut short: %w", io.ErrUnexpectedEOF)
	// ErrBadPadding: what was decrypted does not end as a plaintext does.
	ErrBadPadding = errors.New("wrong key file, or the encrypted archive is damaged")
)

// Decrypter is an io.Reader of the plaintext of an openssl enc file. It decrypts in the buffer it
// is given; buffers below 1 KiB cost a copy. It is not safe for concurrent use.
//
// Its output is not verified: CBC checks only the last block's padding. Use nothing before its MAC
// has been verified. It never returns padding, nor anything of a last block with wrong padding.
type Decrypter struct {
	hidden
	src   io.Reader
	mode  cipher.BlockMode
	held  carry  // ciphertext read but not decrypted: what may be the last block, or a part of one
	small []byte // plaintext for callers with small buffers
	buf   []byte // what small is a part of
	err   error  // sticky
}

const smallRead = 1 << 10

// NewDecrypter reads the header and derives the key, which takes some milliseconds.
// ErrNotEncrypted, ErrTruncated, or the reader's own error, wrapped.
func NewDecrypter(p *Passphrase, ciphertext io.Reader) (*Decrypter, error) {
	var head [HeaderSize]byte
	n, err := io.ReadFull(ciphertext, head[:])
	if m := min(n, len(magic)); string(head[:m]) != magic[:m] {
		return nil, fmt.Errorf("decrypting: %w", ErrNotEncrypted)
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("decrypting: %w", ErrTruncated)
	}
	if err != nil {
		return nil, fmt.Errorf("decrypting: reading the header: %w", err)
	}
	block, iv, err := archiveKey(p, Salt(head[len(magic):]))
	if err != nil {
		return nil, err
	}
	return newDecrypter(block, iv, ciphertext), nil
}

// newDecrypter decrypts what comes after the header.
func newDecrypter(block cipher.Block, iv []byte, body io.Reader) *Decrypter {
	return &Decrypter{src: body, mode: cipher.NewCBCDecrypter(block, iv)}
}

// Read fills up to len(p) bytes of p with plaintext, and uses all of p while it does. Errors:
// ErrTruncated, ErrBadPadding, or the reader's own, wrapped; they stay.
func (d *Decrypter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(d.small) == 0 && d.err == nil {
		if len(p) >= smallRead {
			if n := d.fill(p[:min(len(p), chunkSize)]); n > 0 {
				return n, nil
			}
			return 0, d.err
		}
		if d.buf == nil {
			d.buf = make([]byte, smallRead)
		}
		d.small = d.buf[:d.fill(d.buf)]
	}
	if len(d.small) > 0 {
		n := copy(p, d.small)
		d.small = d.small[n:]
		return n, nil
	}
	return 0, d.err
}

// fill decrypts into p, two blocks or more, and returns how many bytes; 0 only if it sets d.err.
func (d *Decrypter) fill(p []byte) int {
	n := d.held.take(p)
	var err error
	for empty := 0; err == nil && n <= blockSize; {
		var m int
		m, err = d.src.Read(p[n:])
		n += m
		if m > 0 {
			empty = 0
		} else if empty++; err == nil && empty == maxEmptyReads {
			err = io.ErrNoProgress
		}
	}
	if err != nil && err != io.EOF {
		d.err = fmt.Errorf("decrypting: reading the archive: %w", err)
	}
	if err == io.EOF {
		return d.last(p, n)
	}
	// Whatever follows, the last block of the archive is not before the byte n-1.
	full := max(n-1, 0) / blockSize * blockSize
	d.held.set(p[full:n])
	d.mode.CryptBlocks(p[:full], p[:full])
	return full
}

// last decrypts the last n bytes of the ciphertext, which are in p.
func (d *Decrypter) last(p []byte, n int) int {
	if n == 0 || n%blockSize != 0 {
		d.err = fmt.Errorf("decrypting: %w", ErrTruncated)
		full := n - n%blockSize
		d.mode.CryptBlocks(p[:full], p[:full])
		return full
	}
	d.mode.CryptBlocks(p[:n], p[:n])
	pad := int(p[n-1])
	good := pad >= 1 && pad <= blockSize
	for _, b := range p[n-min(pad, blockSize) : n] {
		good = good && int(b) == pad
	}
	if !good {
		d.err = fmt.Errorf("decrypting: %w", ErrBadPadding)
		return n - blockSize
	}
	d.err = io.EOF
	return n - pad
}

package encrypt

import (
	"crypto/pbkdf2"
	"crypto/sha256"
)

// derive is PBKDF2-HMAC-SHA256 (RFC 8018).
func (p *Passphrase) derive(salt []byte, iterations, size int) ([]byte, error) {
	return pbkdf2.Key(sha256.New, string(*p.bytes), salt, iterations, size)
}

package encryption

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
)

const (
	// KeySaltSize is the length in bytes of the salt of a Keys.
	KeySaltSize = 16

	keyIterations = 20000
	digestSize    = 16
	keyIDVersion  = "1"
	macDomain     = "firn archive mac v1"
	keyIDDomain   = "firn key id v1"
	stateDomain   = "firn state mac v1"
	queueDomain   = "firn queue v1"

	// maxOtherSalts bounds the memory for key ids of other runs, for each passphrase, whatever a
	// bucket's records say.
	maxOtherSalts = 1024
)

var (
	// ErrBadKeyID: a string that is no key id of a version known here.
	ErrBadKeyID = errors.New("not a key id")
	// ErrOtherKey: a key id that was made from none of the passphrases.
	ErrOtherKey = errors.New("made with another key file")
)

// An OtherKeyError names a key id that was made from none of the passphrases. It is ErrOtherKey.
type OtherKeyError struct {
	KeyID string
	Own   string // what the first passphrase gives at the same salt
}

func (e *OtherKeyError) Error() string { return fmt.Sprintf("key id %s: %v", e.KeyID, ErrOtherKey) }

// Unwrap returns ErrOtherKey.
func (e *OtherKeyError) Unwrap() error { return ErrOtherKey }

// Keys is what comes of one passphrase at one salt: the key id, which is no secret, and MAC keys.
// It also finds the keys of other runs, which may be of other passphrases. It is immutable.
type Keys struct {
	hidden
	d    *derived
	ring []*others // of each passphrase; that of NewKeys is the first
}

// derived is what comes of a passphrase at one salt.
type derived struct {
	pass  *Passphrase
	salt  [KeySaltSize]byte
	id    string
	mac   secret // the key of the MAC over archives
	state secret // that of the MAC over entries of a state file
	queue secret // what the keys of messages between hosts are made from
}

// others keeps what one passphrase gives at the salts of other runs.
type others struct {
	pass *Passphrase

	mu     sync.Mutex
	bySalt map[[KeySaltSize]byte]func() (*derived, error) // each derives once
}

// NewKeys derives keys in some milliseconds. The salt is KeySaltSize bytes as Salt returns them, or
// nil for a random one. Runs that share a salt share the key id and need not derive others'. What
// was made with one of more passphrases is found too: nothing is made with those.
func NewKeys(p *Passphrase, salt []byte, more ...*Passphrase) (*Keys, error) {
	var s [KeySaltSize]byte
	switch len(salt) {
	case 0:
		_, _ = rand.Read(s[:]) // never fails: crypto/rand
	case KeySaltSize:
		s = [KeySaltSize]byte(salt)
	default:
		return nil, fmt.Errorf("deriving keys: a salt of %d bytes, not %d", len(salt), KeySaltSize)
	}
	d, err := newDerived(p, s)
	if err != nil {
		return nil, err
	}
	k := &Keys{d: d}
	for _, p := range append([]*Passphrase{p}, more...) {
		k.ring = append(k.ring, &others{pass: p, bySalt: map[[KeySaltSize]byte]func() (*derived, error){}})
	}
	return k, nil
}

func newDerived(p *Passphrase, salt [KeySaltSize]byte) (*derived, error) {
	master, err := p.derive(salt[:], keyIterations, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving keys: %w", err)
	}
	mac, err := hkdf.Expand(sha256.New, master, macDomain, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving keys: %w", err)
	}
	digest, err := hkdf.Expand(sha256.New, master, keyIDDomain, digestSize)
	if err != nil {
		return nil, fmt.Errorf("deriving keys: %w", err)
	}
	state, err := hkdf.Expand(sha256.New, master, stateDomain, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving keys: %w", err)
	}
	queue, err := hkdf.Expand(sha256.New, master, queueDomain, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving keys: %w", err)
	}
	id := keyIDVersion + "-" + hex.EncodeToString(salt[:]) + "-" + hex.EncodeToString(digest)
	return &derived{pass: p, salt: salt, id: id, mac: keep(mac), state: keep(state), queue: keep(queue)}, nil
}

// ID returns the key id, 67 characters of ASCII. It only reveals if a guessed passphrase is right.
func (k *Keys) ID() string { return k.d.id }

// Salt returns a copy of the salt, which is no secret.
func (k *Keys) Salt() []byte { return append([]byte(nil), k.d.salt[:]...) }

// Passphrase returns that of these keys. What has their key id is encrypted with it.
func (k *Keys) Passphrase() *Passphrase { return k.d.pass }

// Passphrases returns all that NewKeys was given, in their order. The caller must not change it.
func (k *Keys) Passphrases() (all []*Passphrase) {
	for _, o := range k.ring {
		all = append(all, o.pass)
	}
	return all
}

// Mine reports whether a key id was made from one of the passphrases, with any salt. The first call
// for a salt takes as long as NewKeys. ErrBadKeyID for what is no key id.
func (k *Keys) Mine(keyID string) (bool, error) {
	_, err := k.ForID(keyID)
	if errors.Is(err, ErrOtherKey) {
		return false, nil
	}
	return err == nil, err
}

// ForID returns the keys that keyID names, made with another run's salt, and perhaps from another of
// the passphrases. Errors: *OtherKeyError (none of them), ErrBadKeyID.
func (k *Keys) ForID(keyID string) (*Keys, error) {
	salt, err := parseKeyID(keyID)
	if err != nil {
		return nil, err
	}
	for _, o := range k.ring {
		d := k.d
		if salt != d.salt || o.pass != d.pass {
			if d, err = o.at(salt); err != nil {
				return nil, err
			}
		}
		if hmac.Equal([]byte(d.id), []byte(keyID)) {
			return &Keys{d: d, ring: k.ring}, nil
		}
	}
	own, err := k.ring[0].at(salt)
	if err != nil {
		return nil, err
	}
	return nil, &OtherKeyError{keyID, own.id}
}

// at derives the keys for a salt, once for concurrent callers.
func (o *others) at(salt [KeySaltSize]byte) (*derived, error) {
	o.mu.Lock()
	once, ok := o.bySalt[salt]
	if !ok {
		if len(o.bySalt) >= maxOtherSalts {
			for s := range o.bySalt {
				delete(o.bySalt, s)
				break
			}
		}
		once = sync.OnceValues(func() (*derived, error) { return newDerived(o.pass, salt) })
		o.bySalt[salt] = once
	}
	o.mu.Unlock()
	return once()
}

// parseKeyID returns the salt in a key id. There is one way to write an id: hex is lower case.
func parseKeyID(id string) (salt [KeySaltSize]byte, err error) {
	version, rest, _ := strings.Cut(id, "-")
	saltHex, digestHex, found := strings.Cut(rest, "-")
	if found && version != keyIDVersion {
		return salt, fmt.Errorf("%w of version %s (%q is of version %q, which may need a newer firn)", ErrBadKeyID, keyIDVersion, id, version)
	}
	s, err1 := hex.DecodeString(saltHex)
	d, err2 := hex.DecodeString(digestHex)
	if !found || err1 != nil || err2 != nil || len(s) != KeySaltSize || len(d) != digestSize || strings.ToLower(id) != id {
		return salt, fmt.Errorf("%w: %q", ErrBadKeyID, id)
	}
	return [KeySaltSize]byte(s), nil
}

// MAC returns the hash that proves an archive's origin and place: write the archive's bytes
// (compressed, not encrypted) to it, and Sum gives 32 bytes. Not safe for concurrent use.
func (k *Keys) MAC(objectKey string) hash.Hash {
	prefix := append([]byte(macDomain), 0)
	prefix = binary.BigEndian.AppendUint64(prefix, uint64(len(objectKey)))
	m := &mac{Hash: hmac.New(sha256.New, k.d.mac()), prefix: append(prefix, objectKey...)}
	m.Reset()
	return m
}

// StateMAC returns a hash that proves who wrote an entry of a state file. Not safe for concurrent
// use.
func (k *Keys) StateMAC() hash.Hash { return hmac.New(sha256.New, k.d.state()) }

// Sealing returns AES-256-GCM for the messages of one run on many hosts, under a key of that run's own.
// It makes a random nonce for each message, and writes it before the ciphertext: 2^32 messages of a run
// may be sealed at most.
func (k *Keys) Sealing(run string) (cipher.AEAD, error) {
	key, err := hkdf.Expand(sha256.New, k.d.queue(), queueDomain+"\x00"+run, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of run %s: %w", run, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of run %s: %w", run, err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// mac is an HMAC whose input starts with prefix, after a Reset too.
type mac struct {
	hidden
	hash.Hash
	prefix []byte
}

// Reset makes the hash ready for another archive under the same object key.
func (m *mac) Reset() {
	m.Hash.Reset()
	_, _ = m.Write(m.prefix) // a hash.Hash never fails
}

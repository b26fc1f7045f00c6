package encryption

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	// MinPassphrase is the length in bytes below which a passphrase is weak.
	MinPassphrase = 16

	// maxPassphrase is what fits openssl's buffer of 1,024 bytes (APP_PASS_LEN, apps/lib/apps.c).
	maxPassphrase = 1023

	keyfileSize   = 4096
	keyfileSecret = 48 // random bytes in the first line of a new key file: 384 bits, 64 characters of base64
)

var (
	// ErrWeakPassphrase: the key file's passphrase is shorter than MinPassphrase.
	ErrWeakPassphrase = errors.New("its passphrase is too short")
	// ErrNoPassphrase: the key file holds nothing that openssl would take for a passphrase.
	ErrNoPassphrase = errors.New("it holds no passphrase")
)

// KeyfileOptions says how strict ReadPassphrase is.
type KeyfileOptions struct {
	AllowWeak bool // take a passphrase shorter than MinPassphrase, with a warning
}

// ReadPassphrase reads the passphrase from a key file as "openssl enc -pass file:" does. Warnings
// are sentences about an accepted file: others may read it, or it is weak.
//
// Errors: fs.ErrNotExist, fs.ErrPermission, syscall.EISDIR, ErrNoPassphrase where openssl refuses
// too, ErrWeakPassphrase unless o.AllowWeak.
func ReadPassphrase(path string, o KeyfileOptions) (p *Passphrase, warnings []string, err error) {
	f, err := openKeyfile(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("reading key file: %w", err)
	}
	if info.IsDir() {
		return nil, nil, fmt.Errorf("key file %s: %w; name a file in it", path, syscall.EISDIR)
	}
	// Pipes and terminals have no permissions that mean anything here.
	if perm := info.Mode().Perm(); info.Mode().IsRegular() && perm&0o077 != 0 {
		warnings = append(warnings, fmt.Sprintf("key file %s is open to other users (mode %04o): run chmod 600 on it", path, perm))
	}
	line, err := readLine(f)
	if err != nil {
		return nil, nil, fmt.Errorf("reading key file: %w", err)
	}
	p, weak, err := ParseKeyfile(line, "key file "+path, o)
	return p, append(warnings, weak...), err
}

// ParseKeyfile is ReadPassphrase for the content of a key file, of which the first 1,023 bytes are
// enough. Errors and warnings call the file name.
func ParseKeyfile(content []byte, name string, o KeyfileOptions) (p *Passphrase, warnings []string, err error) {
	pass, err := passphraseOf(content)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w; restore it from a copy, or name another", name, err)
	}
	p = NewPassphrase(pass)
	if !p.Weak() {
		return p, nil, nil
	}
	why := fmt.Sprintf("openssl uses %d bytes of the file (up to the first newline or NUL byte), "+
		"and fewer than %d can be guessed by anybody who has an archive", len(pass), MinPassphrase)
	if !o.AllowWeak {
		return nil, nil, fmt.Errorf("%s: %w: %s", name, ErrWeakPassphrase, why)
	}
	return p, []string{fmt.Sprintf("%s is weak: %s", name, why)}, nil
}

func openKeyfile(path string) (*os.File, error) {
	f, err := os.Open(path)
	switch {
	case err == nil:
		return f, nil
	case path == "":
		return nil, fmt.Errorf("key file: no path was given: %w", fs.ErrNotExist)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("key file %s: %w: check the path for a typo", path, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("key file %s may not be read by this user: %w; check the modes of the file and of the directories above it", path, fs.ErrPermission)
	}
	return nil, fmt.Errorf("opening key file: %w", err)
}

// readLine returns what C's fgets(buf, 1024) would: up to and with the first newline, at most 1,023
// bytes, and no more is waited for than that. It may return bytes after the newline.
func readLine(r io.Reader) ([]byte, error) {
	buf := make([]byte, maxPassphrase)
	n := 0
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err == io.EOF || bytes.IndexByte(buf[n-m:n], '\n') >= 0 {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return buf[:n], nil
}

// passphraseOf cuts b, the first bytes of a key file, to the passphrase openssl finds in it.
func passphraseOf(b []byte) ([]byte, error) {
	b = b[:min(len(b), maxPassphrase)]
	if len(b) == 0 {
		return nil, fmt.Errorf("%w (the file is empty)", ErrNoPassphrase)
	}
	if b[0] == 0 {
		return nil, fmt.Errorf("%w (its first byte is NUL, which ends a passphrase; openssl refuses it too)", ErrNoPassphrase)
	}
	if i := bytes.IndexAny(b, "\n\x00"); i >= 0 {
		b = b[:i]
	}
	return b, nil
}

// CreateKeyfile makes a key file of 4,096 bytes, mode 0600, whose first line has 384 random bits.
// It appears complete and synced, or not at all. Errors: fs.ErrExist, fs.ErrNotExist (no
// directory).
func CreateKeyfile(path string) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("making key file %s: %w; a key file is never overwritten", path, fs.ErrExist)
	}
	dir, name := filepath.Split(path)
	if name == "" {
		return fmt.Errorf("making key file %q: the path names no file: %w", path, fs.ErrInvalid)
	}
	if dir == "" {
		dir = "."
	}
	d, err := os.Open(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("making key file %s: its directory does not exist, make it first: %w", path, err)
		}
		return fmt.Errorf("making key file %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()

	tmp, err := writeTemp(dir)
	if err != nil {
		return fmt.Errorf("making key file %s: %w", path, err)
	}
	if err := putNew(tmp, path); err != nil {
		return errors.Join(fmt.Errorf("making key file %s: %w", path, err), os.Remove(tmp))
	}
	if err := d.Sync(); err != nil {
		return fmt.Errorf("making key file %s: it is there, but its directory could not be synced: %w", path, err)
	}
	return nil
}

// writeTemp writes a new key file under a name of its own in dir, syncs it and returns its path.
func writeTemp(dir string) (path string, err error) {
	f, err := os.CreateTemp(dir, ".firn-keyfile-") // O_EXCL, 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(keyfileText())
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// putNew renames tmp to path in its directory, unless that exists. On an error tmp is still there.
func putNew(tmp, path string) error {
	err := os.Link(tmp, path)
	switch {
	case err == nil:
		return os.Remove(tmp)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w; a key file is never overwritten", fs.ErrExist)
	}
	if err2 := renameNew(tmp, path); err2 != nil { // file systems without hard links: FAT, some network mounts
		return fmt.Errorf("%w; make it on another file system and copy it", errors.Join(err, err2))
	}
	return nil
}

const keyfileHead = `
# This is a key file of firn. The first line is the passphrase; keep it secret, and keep copies in safe places:
# without it no archive made with it can ever be opened. What follows the first line is not used.
#
# To open an archive without firn (the name's ending tells which decompressor tar needs):
#   openssl enc -d -aes-256-cbc -pbkdf2 -pass file:THIS_FILE -in OBJECT -out NAME.tar.bz2
#   tar -xf NAME.tar.bz2
`

// keyfileText returns a new key file: the passphrase, how to use it, and empty comment lines.
func keyfileText() []byte {
	secret := make([]byte, keyfileSecret)
	_, _ = rand.Read(secret) // never fails: crypto/rand
	text := append(base64.RawStdEncoding.AppendEncode(nil, secret), keyfileHead...)
	for len(text) < keyfileSize {
		text = append(text, "#\n"...)
	}
	text = text[:keyfileSize]
	text[keyfileSize-1] = '\n'
	return text
}

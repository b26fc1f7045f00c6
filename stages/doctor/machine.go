package doctor

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/service/fsys"
)

// cachePath looks at whom the cache path belongs to. It makes none.
func (d *doctor) cachePath() {
	const what = "cache path"
	if d.Cache == "" {
		d.note(what, "none is named; a backup needs one")
		return
	}
	_, err := os.Lstat(d.Cache)
	if errors.Is(err, os.ErrNotExist) {
		above := existing(d.Cache)
		if err := writable(above); err != nil {
			d.fails(what, fmt.Errorf("%s is not there, and can't be made in %s: %w", d.Cache, above, err))
			return
		}
		d.note(what, "%s is not there yet: the first backup makes it; if there was one, unchanged files are read again", d.Cache)
		return
	}
	if err := fsys.Private(d.Cache); err != nil {
		d.fails(what, fmt.Errorf("%s: %w", d.Cache, err))
		return
	}
	if err := writable(d.Cache); err != nil {
		d.fails(what, fmt.Errorf("%s can't be written: %w", d.Cache, err))
		return
	}
	d.fine(what, "%s belongs to this user alone", d.Cache)
}

// writable asks the system whether this user may make files in a directory (access(2): W_OK, X_OK).
func writable(dir string) error { return syscall.Access(dir, 2|1) }

// existing is the nearest directory above path that is there.
func existing(path string) string {
	path = filepath.Clean(path)
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

// room compares the largest archive with what the cache path has room for.
func (d *doctor) room() {
	const what = "room"
	if d.Cache == "" {
		return
	}
	free, err := d.Free(existing(d.Cache))
	if err != nil {
		d.note(what, "it is not known how much the disk of the cache path has: %v", err)
		return
	}
	spool := cmp.Or(d.Spool, int64(free/2))
	has := fmt.Sprintf("%s free in the cache path, %s of it for archives", d.Bytes(int64(free)), d.Bytes(spool))
	switch {
	case spool > int64(free):
		d.note(what, "%s are free in the cache path, less than the limit of %s for archives: a run ends with an error if the disk gets full", d.Bytes(int64(free)), d.Bytes(spool))
	case d.largest == 0:
		d.fine(what, "%s; how large an archive is will be known after the first run", has)
	case d.largest > spool:
		d.note(what, "%s; the largest archive has %s, so its files are read twice: give it more room, or cut the tree deeper", has, d.Bytes(d.largest))
	default:
		d.fine(what, "%s; the largest archive has %s", has, d.Bytes(d.largest))
	}
}

// sampleName is the one file of the archive that openssl and tar are tried on.
const sampleName = "firn-doctor"

// tools opens an archive that is made here with openssl and tar, as one would without firn.
func (d *doctor) tools(ctx context.Context, keys *encryption.Keys) {
	for _, name := range []string{"openssl", "tar"} {
		if _, err := exec.LookPath(name); err != nil {
			d.note(name, "there is none on this machine: firn does not need it, but it opens archives without firn; install it where you would restore")
			return
		}
	}
	openssl := opensslVersion(ctx)
	if keys == nil || d.Passphrase != nil { // openssl reads a file
		d.fine("openssl", "%s", openssl)
		d.fine("tar", "there is one")
		return
	}
	archive, cipher, err := d.sample(keys)
	if err != nil {
		d.fails("openssl", err)
		return
	}
	plain, err := pipe(ctx, cipher, "openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-pass", "file:"+d.Keyfile)
	if err == nil && !bytes.Equal(plain, archive) {
		err = errors.New("it gave other bytes")
	}
	if err != nil {
		d.fails("openssl", fmt.Errorf("%s does not decrypt what firn encrypts with this key file: %w; use openssl 1.1.1 or later", openssl, err))
		return
	}
	d.fine("openssl", "%s decrypts what firn encrypts with this key file", openssl)
	ext := d.Format.Ext()
	if err := lists(ctx, archive, ext); err != nil {
		d.note("tar", "it does not read .tar.%s: %v; install %s where you would restore", ext, err, programs[ext])
		return
	}
	d.fine("tar", "it reads .tar.%s", ext)
}

// programs are what tar starts for archives.
var programs = map[string]string{"gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd"}

// lists reports whether tar finds the sample in an archive.
func lists(ctx context.Context, archive []byte, ext string) (err error) {
	dir, err := os.MkdirTemp("", "firn-doctor-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "sample.tar."+ext)
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		return err
	}
	names, err := pipe(ctx, nil, "tar", "-tf", file)
	if err == nil && strings.TrimSpace(string(names)) != sampleName {
		err = fmt.Errorf("it listed %q", names)
	}
	return err
}

// opensslVersion is what openssl says of itself, in short.
func opensslVersion(ctx context.Context) string {
	out, err := pipe(ctx, nil, "openssl", "version")
	if err != nil {
		return "openssl"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	line, _, _ = strings.Cut(line, " (Library")
	return strings.TrimSpace(line)
}

func pipe(ctx context.Context, in []byte, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var said strings.Builder
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &said
	out, err := cmd.Output()
	if err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return nil, fmt.Errorf("%w: %s", err, line)
	}
	return out, nil
}

// sample is an archive of one empty file, and the same encrypted.
func (d *doctor) sample(keys *encryption.Keys) (archive, cipher []byte, err error) {
	var packed bytes.Buffer
	w := codec.NewWriter(d.Format, &packed)
	t := tar.NewWriter(w)
	err = t.WriteHeader(&tar.Header{Name: sampleName, Mode: 0o600, Format: tar.FormatPAX})
	if err := errors.Join(err, t.Close(), w.Close()); err != nil {
		return nil, nil, err
	}
	archive = packed.Bytes()
	e, err := encryption.NewEncrypter(keys.Passphrase(), bytes.NewReader(archive))
	if err != nil {
		return nil, nil, err
	}
	cipher, err = io.ReadAll(e)
	return archive, cipher, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"firn/cmd/firn/flags"
	"firn/stages/format/encryption"
)

// passphrases reads the key files, or what their commands print.
func (m *means) passphrases(ctx context.Context, k *flags.Key) (all []*encryption.Passphrase, err error) {
	o := encryption.KeyfileOptions{AllowWeak: k.AllowWeak}
	add := func(pass *encryption.Passphrase, warnings []string, err error) error {
		m.warn(warnings...)
		all = append(all, pass)
		return err
	}
	for _, file := range k.Files {
		if err := add(encryption.ReadPassphrase(file, o)); err != nil {
			return nil, ofPath(err)
		}
	}
	for _, command := range k.Commands {
		if err := add(passphraseOf(ctx, command, o)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// passphraseOf is encryption.ReadPassphrase of what a command prints.
func passphraseOf(ctx context.Context, command []string, o encryption.KeyfileOptions) (*encryption.Passphrase, []string, error) {
	printed, err := keyfileOf(ctx, command)
	defer clear(printed)
	if err != nil {
		return nil, nil, err
	}
	return encryption.ParseKeyfile(printed, "the key file that "+command[0]+" printed", o)
}

// keyfileOf runs a command and returns the beginning of what it prints. It may ask on the terminal.
func keyfileOf(ctx context.Context, command []string) ([]byte, error) {
	out := &beginning{}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, os.Stderr
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		err = usageError(fmt.Errorf("--keyfile-command: %w", err))
	case err != nil:
		err = fmt.Errorf("--keyfile-command: %s failed: %w", command[0], err)
	case out.n == 0:
		err = fmt.Errorf("--keyfile-command: %s printed nothing", command[0])
	}
	return out.bytes[:out.n], err
}

// beginning keeps the first bytes that are written to it, which are enough of a key file.
type beginning struct {
	bytes [4096]byte
	n     int
}

func (b *beginning) Write(p []byte) (int, error) {
	b.n += copy(b.bytes[b.n:], p)
	return len(p), nil
}

package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"firn/cmd/firn/flags"
)

// mostToken is how many bytes a token has at most.
const mostToken = 1024

// A secret is a file that only its user may read, by a flag.
type secret struct {
	path, flag string
	what       string // the file is in messages
	anew       string // takes its place once others may have read it
	made       bool   // by firn, if it is missing
}

func tokenFile(q *flags.Queue) secret {
	return secret{q.TokenFile, "--queue-token-file", "the token file", "put a new token into it", q.Serve != ""}
}

// queueToken is the token that the flags name, "" if they name none. If the file of a server's token is
// missing, it is a new one, which keepToken keeps. The other files with secrets of a queue are only looked
// at: what reads them is told where they are. Error: *secretError.
func queueToken(q *flags.Queue) (token string, isNew bool, err error) {
	for _, s := range []secret{
		{q.Creds, "--queue-creds", "the file of credentials", "put new ones into it", false},
		{q.Key, "--queue-cert-key", "the key of the certificate,", "make a new key and certificate", false},
	} {
		if s.path == "" {
			continue
		}
		f, err := s.open()
		if err != nil {
			return "", false, s.failed(err)
		}
		_ = f.Close() // nothing was done to it
	}
	if q.TokenFile == "" {
		return "", false, nil
	}
	s := tokenFile(q)
	token, err = s.readToken()
	switch {
	case err == nil:
		return token, false, nil
	case s.made && errors.Is(err, fs.ErrNotExist):
		return rand.Text(), true, nil
	}
	return "", false, s.failed(err)
}

// keepToken makes the file of a token, with mode 0600. It appears whole, or not at all; what is there
// already stays. Error: *secretError.
func keepToken(q *flags.Queue, token string) error {
	s := tokenFile(q)
	if err := s.make(token); err != nil {
		return s.failed(err)
	}
	return nil
}

// A secretError says that a file with a secret can't be used.
type secretError struct {
	secret
	err error
}

func (e *secretError) Error() string {
	cause := e.err
	if p, ok := errors.AsType[*fs.PathError](cause); ok {
		cause = p.Err // it names the file too, or another one beside it
	} else if l, ok := errors.AsType[*os.LinkError](cause); ok {
		cause = l.Err
	}
	return fmt.Sprintf("%s %s: %v", e.what, e.path, cause)
}

func (e *secretError) Unwrap() error { return e.err }

func (s secret) failed(err error) error { return ofPath(&secretError{s, err}) }

// errOpen: others can read a file with a secret, or change it.
var errOpen = errors.New("other users of this machine can read or change it")

// open opens the file. The group may read it, as it must where a secret is mounted for a user of another id.
func (s secret) open() (*os.File, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o026 != 0 {
		err = errOpen
	}
	if err != nil {
		_ = f.Close() // nothing was done to it
		return nil, err
	}
	return f, nil
}

// readToken reads a token: what is in the file, without the white space around it.
func (s secret) readToken() (token string, err error) {
	f, err := s.open()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(io.LimitReader(f, mostToken+1))
	defer clear(text)
	if err != nil {
		return "", err
	}
	token = string(bytes.TrimSpace(text))
	switch {
	case token == "":
		return "", errors.New("it is empty")
	case len(text) > mostToken:
		return "", fmt.Errorf("it is no token: it has more than %d bytes", mostToken)
	case strings.IndexFunc(token, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) || r == ' ' }) >= 0:
		return "", errors.New("it is no token: that is one word of ASCII characters")
	}
	return token, nil
}

// make makes the file, if there is none.
func (s secret) make(token string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(s.path), ".firn-token-") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(token + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), s.path)
}

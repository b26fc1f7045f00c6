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

// queueToken is the token that the flags name, "" if they name none. A server's token file is made if it
// is missing; made says so. Error: *tokenError.
func queueToken(q *flags.Queue) (token string, made bool, err error) {
	if q.TokenFile == "" {
		return "", false, nil
	}
	token, err = readToken(q.TokenFile)
	if errors.Is(err, fs.ErrNotExist) && q.Serve != "" {
		if err = makeToken(q.TokenFile); err == nil || errors.Is(err, fs.ErrExist) { // another one made it just now
			made = err == nil
			token, err = readToken(q.TokenFile)
		}
	}
	if err != nil {
		return "", false, ofPath(&tokenError{q.TokenFile, err})
	}
	return token, made, nil
}

// A tokenError says that a token file can't be used.
type tokenError struct {
	path string
	err  error
}

func (e *tokenError) Error() string { return fmt.Sprintf("the token file %s: %v", e.path, e.err) }
func (e *tokenError) Unwrap() error { return e.err }

// errOpenToken: others can read a token, or change it.
var errOpenToken = errors.New("other users of this machine can read or change it")

// readToken reads a token: what is in the file, without the white space around it.
func readToken(path string) (token string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if perm := info.Mode().Perm(); info.Mode().IsRegular() && perm&0o026 != 0 {
		return "", errOpenToken
	}
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

// makeToken makes a token file with mode 0600. It appears whole, or not at all; what is there already
// stays.
func makeToken(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".firn-token-") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(rand.Text() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

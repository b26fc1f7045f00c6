package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firn/cmd/firn/flags"
)

func TestQueueToken(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	serving, joining := &flags.Queue{Serve: ":4222", TokenFile: path}, &flags.Queue{TokenFile: path}
	if token, isNew, err := queueToken(&flags.Queue{}); token != "" || isNew || err != nil {
		t.Errorf("without a file: %q, %t, %v", token, isNew, err)
	}
	if _, _, err := queueToken(joining); !errors.Is(err, fs.ErrNotExist) || exists(path) {
		t.Errorf("one that joins, without the file: %v", err)
	}
	token, isNew, err := queueToken(serving)
	if err != nil || !isNew || len(token) < 26 || exists(path) {
		t.Fatalf("%q, %t, %v", token, isNew, err)
	}
	if err := keepToken(serving, token); err != nil {
		t.Fatal(err)
	}
	if err := keepToken(serving, "another"); !errors.Is(err, fs.ErrExist) || strings.Count(err.Error(), dir) != 1 {
		t.Errorf("kept once more: %v", err)
	}
	if err := keepToken(&flags.Queue{TokenFile: filepath.Join(dir, "none", "token")}, token); !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), dir) != 1 {
		t.Errorf("without a directory: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, q := range []*flags.Queue{serving, joining} {
		if again, isNew, err := queueToken(q); again != token || isNew || err != nil {
			t.Errorf("again: %q, %t, %v", again, isNew, err)
		}
	}
	for name, test := range map[string]struct {
		text string
		mode fs.FileMode
		said string
	}{
		"read by others":    {"secret", 0o604, "other users of this machine can read or change it"},
		"written by others": {"secret", 0o620, "other users of this machine can read or change it"},
		"empty":             {" \n", 0o600, "it is empty"},
		"two words":         {"a b\n", 0o600, "one word of ASCII"},
		"another file":      {strings.Repeat("a", mostToken+1), 0o600, "more than 1024 bytes"},
	} {
		if err := errors.Join(os.WriteFile(path, []byte(test.text), 0o600), os.Chmod(path, test.mode)); err != nil {
			t.Fatal(err)
		}
		_, isNew, err := queueToken(serving)
		if kept, _ := os.ReadFile(path); err == nil || isNew || !strings.Contains(err.Error(), test.said) || strings.Count(err.Error(), path) != 1 || string(kept) != test.text {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, mode := range []fs.FileMode{0o600, 0o400, 0o440, 0o604, 0o620} {
		if err := errors.Join(os.WriteFile(path, []byte("secret"), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		for what, q := range map[string]*flags.Queue{"token": serving, "credentials": {Creds: path}, "key": {Serve: ":1", Cert: path, Key: path}} {
			_, _, err := queueToken(q)
			if open := mode&0o026 != 0; errors.Is(err, errOpen) != open || !open && err != nil {
				t.Errorf("%s with mode %o: %v", what, mode, err)
			}
		}
	}
	if _, _, err := queueToken(&flags.Queue{TokenFile: dir}); exitCode(err) != exitUsage {
		t.Errorf("a directory: %v", err)
	}
}

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
	if token, made, err := queueToken(&flags.Queue{}); token != "" || made || err != nil {
		t.Errorf("without a file: %q, %t, %v", token, made, err)
	}
	if _, _, err := queueToken(joining); !errors.Is(err, fs.ErrNotExist) || exists(path) {
		t.Errorf("one that joins, without the file: %v", err)
	}
	token, made, err := queueToken(serving)
	if err != nil || !made || len(token) < 26 {
		t.Fatalf("%q, %t, %v", token, made, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, q := range []*flags.Queue{serving, joining} {
		if again, made, err := queueToken(q); again != token || made || err != nil {
			t.Errorf("again: %q, %t, %v", again, made, err)
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
		_, made, err := queueToken(serving)
		if kept, _ := os.ReadFile(path); err == nil || made || !strings.Contains(err.Error(), test.said) || !strings.Contains(err.Error(), path) || string(kept) != test.text {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := queueToken(&flags.Queue{TokenFile: dir}); exitCode(err) != exitUsage {
		t.Errorf("a directory: %v", err)
	}
}

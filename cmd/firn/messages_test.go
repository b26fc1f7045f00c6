package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firn/bench/harness"
)

// TestMessagesNameOnce holds the worst messages of the past, which named a path or a key two or three
// times: each names it once.
func TestMessagesNameOnce(t *testing.T) {
	server := harness.S3(t)
	for _, pair := range server.Env() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("tree/a", "text")
	write("tree/b", "text")
	write("afile", "text")
	store := "file://" + at("store")
	firn := func(args string) string {
		var out, said bytes.Buffer
		run(strings.Fields(args), &out, &said)
		return said.String()
	}
	backup := func(tree, cache, store, key string) string {
		return "backup --quiet --depth 1 --backup-path " + at(tree) + " --cache-path " + at(cache) + " --bucket-name " + store + " --keyfile " + at(key)
	}
	read := " --keyfile " + at("key") + " --bucket-name "
	firn(backup("tree", "cache", store, "key"))
	object := func(pattern string) string {
		found, err := filepath.Glob(at(pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s in the store: %v", pattern, err)
		}
		return found[0]
	}
	tree := filepath.Join("store", dir, "tree")
	run, a, b := object("store/.firn/runs/2*"), object(tree+"/a.tar.*"), object(tree+"/b.tar.*")
	restore := "restore --quiet --cache-path " + at("cache2") + read + store + " --target "

	for _, tt := range []struct {
		what    string
		prepare func()
		command string
		name    string // what the message names
	}{
		{"a store below nothing", nil, backup("tree", "cache", "file://"+at("no/such/store"), "key"), at("no/such/store")},
		{"a store that is a file", nil, backup("tree", "cache", "file://"+at("afile"), "key"), at("afile")},
		{"a store that is not there", nil, "list" + read + "file://" + at("nostore"), at("nostore")},
		{"a missing bucket", nil, "list" + read + "nobucket", "nobucket"},
		{"a cache path that is a file", nil, backup("tree", "afile", store, "key"), at("afile")},
		{"a key file that can't be created", nil, backup("tree", "cache3", "file://"+at("store3"), "nodir/key"), at("nodir/key")},
		{"a missing backup path", nil, backup("notree", "cache", store, "key"), at("notree")},
		{"a missing list of patterns", nil, backup("tree", "cache", store, "key") + " --exclude-from " + at("nolist"), at("nolist")},
		{"a target that is a file", nil, restore + at("afile"), at("afile")},
		{"extracting over a file", func() { write(filepath.Join("out", dir, "tree/a"), "mine") }, restore + at("out"), filepath.Join(dir, "tree/a")[1:]},
		{"a damaged archive", func() { write(a[len(dir)+1:], "damaged") }, "verify --quiet" + read + store, filepath.Base(a)},
		{"an archive that is gone", func() {
			if err := os.Remove(b); err != nil {
				t.Fatal(err)
			}
		}, restore + at("out2"), filepath.Base(b)},
		{"a run that can't be read", func() { write(run[len(dir)+1:], "damaged") }, "verify --quiet" + read + store, filepath.Base(run)},
	} {
		if tt.prepare != nil {
			tt.prepare()
		}
		message := firn(tt.command)
		named := false
		for line := range strings.Lines(message) {
			n := strings.Count(line, tt.name)
			named = named || n > 0
			if n > 1 {
				t.Errorf("%s: %q is named %d times: %s", tt.what, tt.name, n, line)
			}
		}
		if !named {
			t.Errorf("%s: %q is not named: %s", tt.what, tt.name, message)
		}
	}
}

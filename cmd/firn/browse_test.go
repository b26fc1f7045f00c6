package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"firn/bench/harness"
)

// requests is a log that is written while it is read.
type requests struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *requests) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

// TestBrowseWithoutThaw asks the catalogue of a bucket whose archives are cold: nothing is thawed, and no archive is asked for.
func TestBrowseWithoutThaw(t *testing.T) {
	var log requests
	server := harness.S3(t, harness.Versioning(), func(c *harness.S3Config) { c.Log = &log })
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	if err := os.MkdirAll(filepath.Join(tree, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	firn := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("firn", append(args, "--bucket-name", server.Bucket, "--prefix", "p", "--keyfile", filepath.Join(dir, "key"))...)
		cmd.Env = append(os.Environ(), server.Env()...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("firn %q: %v\n%s", args, err, said.Bytes())
		}
		return string(out)
	}
	for _, text := range []string{"one", "another"} {
		if err := os.WriteFile(filepath.Join(tree, "docs", "a.txt"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		firn("backup", "--backup-path", tree, "--cache-path", filepath.Join(dir, "cache"), "--depth", "1", "--quiet")
	}
	server.ResetCounts()
	log.mu.Lock()
	log.b.Reset()
	log.mu.Unlock()

	runs := strings.Fields(firn("list", "--quiet"))
	first := runs[0]
	for want, got := range map[string]string{
		"GLACIER": firn("list", "latest"),
		"a.txt":   firn("list", "latest", "--path", "docs"),
		"version": firn("find", "a.txt"),
		"size":    firn("diff", first, "latest"),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	counts := server.Counts()
	if counts["RestoreObject"] != 0 || counts["PutObject"] != 0 || counts["GetObject"] == 0 {
		t.Errorf("requests: %v", counts)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if text := log.b.String(); strings.Contains(text, ".tar.bz2") || !strings.Contains(text, ".firn/lists/") {
		t.Errorf("an archive was asked for, or no list:\n%s", text)
	}
}
